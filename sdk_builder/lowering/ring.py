"""Attention patterns in the program: where each token's key goes, and who looks at it.

All of it is computed at each call from the position of its first token, on kernels of the Android
runtime; slots come from a table. A cache of positions, written like the KV caches, says what each
slot holds; one small delegate makes the mask of it, which all layers share.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as schema
from executorch.exir.scalar_type import ScalarType

from sdk_builder.attention import RingCache
from sdk_builder.lowering.attention import first_slots
from sdk_builder.lowering.constants import Constant, ConstantStore
from sdk_builder.lowering.delegate import DelegateBuilder, Value, float_filter
from sdk_builder.lowering.embedding import ConstantTable
from sdk_builder.lowering.plan import PlanBuilder
from sdk_builder.lowering.weights import to_bytes
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.rope import inverse_frequencies

_FLOAT, _LONG, _BOOL = ScalarType.FLOAT, ScalarType.LONG, ScalarType.BOOL
# Positions are kept minus this, so that a slot never written (zero) looks like a far future.
_FUTURE = float(1 << 23)
_HIDDEN = -1e9  # what a mask adds to a score that must not count
_ALWAYS = 1e9  # beyond any position: sinks never get too old


@dataclass(frozen=True)
class RingConstants:
    """slots ``[period]`` int64: `RingCache.table`; farther ``[1, slots]``, hidden ``[1, 1]``: see
    `mask_delegate`; exchange ``[hd, hd]`` swaps a head's halves; frequencies ``[hd]``: rotary ones,
    once negative and once positive."""

    cache: RingCache
    slots: Constant
    farther: Constant
    hidden: Constant
    exchange: Constant
    frequencies: Constant

    @property
    def entries(self) -> tuple[Constant, ...]:
        """What the program reads outside of delegates."""
        return (self.slots, self.farther, self.hidden, self.frequencies)


def ring_constants(cache: RingCache, config: ShaktiConfig, store: ConstantStore) -> RingConstants:
    """Store what `RingConstants` names."""
    plain = inverse_frequencies(config)
    farther = torch.zeros(1, cache.slots)
    farther[:, : cache.pattern.sinks] = _ALWAYS
    farther[:, cache.strided_slots] = cache.farther
    exchange = torch.eye(config.head_dim).roll(config.head_dim // 2, dims=1)
    return RingConstants(
        cache,
        slots=store.add(to_bytes(torch.tensor(cache.table())), "constants"),
        farther=store.add(to_bytes(farther), "constants"),
        hidden=store.add(to_bytes(torch.tensor([[_HIDDEN]])), "constants"),
        exchange=store.add(to_bytes(exchange), "constants"),
        frequencies=store.add(to_bytes(torch.cat((-plain, plain))), "constants"),
    )


def mask_delegate(cache: RingCache, chunk: int) -> bytes:
    """The mask ``[S, n]`` of the first n slots as a serialized delegate: 0 where a token looks,
    else very negative.

    Inputs: positions held ``[1, n]``, those of the tokens ``[S, 1]``, the oldest that each looks at
    ``[S, 1]`` (all less `_FUTURE`), by how much older a slot's may be ``[1, n]``, then `hidden`.
    """
    builder = DelegateBuilder(5, 1)
    held = builder.input((1, cache.slots))
    tokens, oldest = builder.input((chunk, 1)), builder.input((chunk, 1))
    farther, hidden = builder.input((1, cache.slots)), builder.input((1, 1))
    mask = builder.output((chunk, cache.slots))

    def is_positive(whole: Value) -> Value:
        """1 where a whole number is more than 0, else 0."""
        return builder.clamp(whole, 0.0, 1.0)

    # What is inside has all of the mask's rows: XNNPACK of some Android builds computes the rows
    # behind the first wrongly where an inner tensor of one row meets one of several.
    future = is_positive(builder.binary(schema.XNNSubtract, held, tokens))
    gap = builder.binary(schema.XNNSubtract, oldest, held)
    past = is_positive(builder.binary(schema.XNNSubtract, gap, farther))
    unseen = builder.binary(schema.XNNAdd, future, past)
    builder.binary(schema.XNNMultiply, unseen, hidden, mask)
    return builder.finish()


def rotate_sinks(
    builder: DelegateBuilder, exchange: Constant, sinks: Value, cos: Value, sin: Value, into: Value
) -> None:
    """Inside a layer's delegate: sinks ``[1,n,KV,hd]`` rotated on by cos and sin ``[1,1,1,hd]``.

    cos holds each cosine twice, sin the negative sines and then the sines: a head of the halves
    (a, b) becomes (a, b) cos + (b, a) sin.
    """
    size = sinks.shape[-1]
    crossed = builder.fully_connected(sinks, float_filter(exchange, (size, size)))
    first = builder.binary(schema.XNNMultiply, sinks, cos)
    second = builder.binary(schema.XNNMultiply, crossed, sin)
    builder.binary(schema.XNNAdd, first, second, into)


@dataclass(frozen=True)
class RingCall:
    """What a call's layers share: slots ``[1,S]`` and sink slots ``[1,S]`` of its tokens (int64),
    how many slots are in use (a symbol), their mask ``[S, used]``, and the tables ``[1,1,1,hd]``
    that move the sinks."""

    slots: int
    sink_slots: int
    used: int
    mask: int
    cos: int
    sin: int


def prepare_call(
    plan: PlanBuilder,
    constants: RingConstants,
    table: ConstantTable,
    *,
    chunk: int,
    bounds: tuple[int, int],
    start: int,
    mask_segment: int,
) -> RingCall:
    """Instructions for `RingCall`. bounds: symbols of the first position and one past the last;
    start: the first as a tensor ``[1]`` int64."""
    cache, pattern = constants.cache, constants.cache.pattern
    positions = plan.temporary(_LONG, (chunk,), dynamic=True)
    plan.kernel("aten::arange", "start_out", [*bounds, plan.scalar(1), positions, positions])
    row = plan.view(positions, (1, -1))
    slots = _slots(plan, constants, table, positions)
    sink_slots = _like(plan, row, _LONG)
    most = plan.scalar(pattern.sinks)
    plan.kernel("aten::clamp", "out", [row, plan.scalar(None), most, sink_slots, sink_slots])
    used = _used(plan, cache, start, bounds)
    mask = _mask(plan, constants, table, row, slots, used, mask_segment)
    size = constants.frequencies.size_bytes // 4
    frequencies = plan.constant(_FLOAT, (1, 1, 1, size), table.index(constants.frequencies))
    cos, sin = _sink_tables(plan, cache, start, frequencies)
    return RingCall(slots, sink_slots, used, mask, cos, sin)


def _used(plan: PlanBuilder, cache: RingCache, start: int, bounds: tuple[int, int]) -> int:
    """How many slots are in use behind the call, the spare one included, as a symbol.

    By way of a tensor, since the runtime has no minimum of two symbols.
    """
    length, count = plan.symbol(), plan.symbol()
    plan.kernel("executorch_prim::sub", "Scalar", [bounds[1], bounds[0], length])
    stop = _scalar(plan, "add", _scalar(plan, "add", start, length), plan.scalar(1))
    most = _like(plan, stop, _LONG)
    limits = [plan.scalar(None), plan.scalar(cache.slots)]
    plan.kernel("aten::clamp", "out", [stop, *limits, most, most])
    plan.kernel("aten::_local_scalar_dense", "", [most, count])
    return count


def _slots(
    plan: PlanBuilder, constants: RingConstants, table: ConstantTable, positions: int
) -> int:
    """`RingCache.slot` of each of the positions ``[S]``, ``[1,S]``."""
    cache = constants.cache
    known = plan.constant(_LONG, (cache.period,), table.index(constants.slots))
    turn = _scalar(plan, "remainder", positions, plan.scalar(cache.period))
    value = _like(plan, positions, _LONG)
    plan.kernel("aten::index_select", "out", [known, plan.scalar(0), turn, value, value])
    is_sink = _like(plan, positions, _BOOL)
    sinks = plan.scalar(cache.pattern.sinks)
    plan.kernel("aten::lt", "Scalar_out", [positions, sinks, is_sink, is_sink])
    slots = _like(plan, positions, _LONG)
    plan.kernel("aten::where", "self_out", [is_sink, positions, value, slots, slots])
    return plan.view(slots, (1, -1))


def _scalar(plan: PlanBuilder, name: str, value: int, other: int) -> int:
    """`value` add, sub or remainder `other`, as a tensor of the same kind."""
    out = _like(plan, value, plan.dtype(value))
    factor = [] if name == "remainder" else [plan.scalar(1)]
    plan.kernel(f"aten::{name}", "Scalar_out", [value, other, *factor, out, out])
    return out


def _like(plan: PlanBuilder, value: int, dtype: ScalarType) -> int:
    return plan.temporary(dtype, plan.sizes(value), dynamic=plan.is_dynamic(value))


def _to_float(plan: PlanBuilder, value: int) -> int:
    out = _like(plan, value, _FLOAT)
    no = [plan.scalar(False), plan.scalar(None)]
    plan.kernel("aten::_to_copy", "out", [value, *no, out, out])
    return out


def _mask(
    plan: PlanBuilder,
    constants: RingConstants,
    table: ConstantTable,
    row: int,
    slots: int,
    used: int,
    segment: int,
) -> int:
    cache, chunk = constants.cache, plan.sizes(row)[1]
    tokens = _scalar(plan, "sub", _to_float(plan, row), plan.scalar(_FUTURE))
    held = plan.state(_FLOAT, (1, cache.slots, 1, 1))
    ignored = plan.temporary(_FLOAT, (1,), dynamic=False)
    value = plan.view(tokens, (1, -1, 1, 1))
    written = [value, held, plan.scalar(0), slots, ignored, ignored]
    plan.kernel("llama::update_cache_with_indices", "out", written)
    column = plan.view(tokens, (-1, 1))
    oldest = _oldest(plan, cache, row)
    mask = plan.temporary(_FLOAT, (chunk, cache.slots), dynamic=True)
    all_farther = plan.constant(_FLOAT, (1, cache.slots), table.index(constants.farther))
    farther = plan.temporary(_FLOAT, (1, cache.slots), dynamic=True)
    bounds = [plan.scalar(1), plan.scalar(0), used, plan.scalar(1)]
    plan.kernel("aten::slice_copy", "Tensor_out", [all_farther, *bounds, farther, farther])
    hidden = plan.constant(_FLOAT, (1, 1), table.index(constants.hidden))
    flat = first_slots(plan, held, used, (1, cache.slots))
    plan.delegate(segment, [flat, column, oldest, farther, hidden, mask])
    return mask


def _oldest(plan: PlanBuilder, cache: RingCache, row: int) -> int:
    """`RingCache.oldest` of each token, less `_FUTURE`, ``[S,1]``."""
    step, begin = cache.pattern.step, row
    if step > 1:
        rest = _scalar(plan, "remainder", row, plan.scalar(step))
        begin = _like(plan, row, _LONG)
        plan.kernel("aten::sub", "out", [row, rest, plan.scalar(1), begin, begin])
    behind = plan.scalar(_FUTURE + cache.pattern.back)
    return plan.view(_scalar(plan, "sub", _to_float(plan, begin), behind), (-1, 1))


def _sink_tables(
    plan: PlanBuilder, cache: RingCache, start: int, frequencies: int
) -> tuple[int, int]:
    """cos and sin of `RingCache.shift` of the call's block."""
    rest = _scalar(plan, "remainder", start, plan.scalar(cache.block))
    border = _like(plan, start, _LONG)
    plan.kernel("aten::sub", "out", [start, rest, plan.scalar(1), border, border])
    reach = cache.pattern.span + cache.pattern.sinks - 1
    behind = _scalar(plan, "sub", _to_float(plan, border), plan.scalar(reach))
    shift = _like(plan, behind, _FLOAT)
    plan.kernel("aten::clamp", "out", [behind, plan.scalar(0), plan.scalar(None), shift, shift])
    angles = plan.temporary(_FLOAT, plan.sizes(frequencies), dynamic=False)
    spread = plan.view(shift, (1, 1, 1, 1))
    plan.kernel("aten::mul", "out", [spread, frequencies, angles, angles])
    tables = []
    for name in ("cos", "sin"):
        out = _like(plan, angles, _FLOAT)
        plan.kernel(f"aten::{name}", "out", [angles, out, out])
        tables.append(out)
    return tables[0], tables[1]

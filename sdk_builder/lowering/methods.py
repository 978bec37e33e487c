"""The methods of a bundle's program.

``forward(tokens [1,S] int64, start [1] int64) -> logits [1,1,V]`` of the last token, with the KV
cache as state: prefill for S > 1, decode for S = 1. ``score`` is the same with logits of all
positions ``[1,S,V]``. Both run the same delegates, so that they share weights and, in the file,
every byte.

The rest are constants that the Android runtime's own runner reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from executorch.exir.scalar_type import ScalarType
from torch import fx

from sdk_builder.attention import Pattern, is_global
from sdk_builder.lowering.attention import InOrder, InSlots, KvCache, attend
from sdk_builder.lowering.constants import Constant
from sdk_builder.lowering.embedding import ConstantTable, Embedding, gather
from sdk_builder.lowering.plan import PlanBuilder
from sdk_builder.lowering.ring import RingCall, RingConstants, prepare_call
from sdk_builder.lowering.trace import Attention, DecoderGraph, Segment

_FLOAT, _LONG = ScalarType.FLOAT, ScalarType.LONG
_TO_THE_END = 2**63 - 1


@dataclass(frozen=True)
class Trunk:
    """What both methods share: the graph, its delegates (segment numbers) and constants.

    caches: of each layer; ring: of a pattern.
    """

    graph: DecoderGraph
    delegates: tuple[int, ...]
    head: int
    embedding: Embedding
    table: ConstantTable
    frequencies: Constant
    vectors: Mapping[str, Constant]
    caches: tuple[KvCache, ...]
    vocab_size: int
    ring: Ring | None = None


@dataclass(frozen=True)
class Ring:
    """A sliding window's constants and the delegate that makes its mask."""

    constants: RingConstants
    mask: int

    @property
    def pattern(self) -> Pattern:
        return self.constants.cache.pattern


@dataclass(frozen=True)
class _Position:
    """Runtime scalars: first position of this call and one past its last."""

    start: int
    stop: int


def build_method(trunk: Trunk, name: str, *, all_positions: bool) -> PlanBuilderResult:
    """The method `name`: embedding, rotary tables, delegates and attentions, head."""
    plan, graph = PlanBuilder(name), trunk.graph
    tokens = plan.input(_LONG, (1, graph.max_chunk), dynamic=True)
    start = plan.input(_LONG, (1,), dynamic=False)
    position = _position(plan, tokens, start)
    embedded = gather(plan, trunk.embedding, trunk.table, tokens, graph.max_chunk)
    tables = _rotary(plan, trunk, position)
    values = dict(zip((graph.cos, graph.sin), tables, strict=True))
    call = _ring_call(plan, trunk, position, start)
    walk = _Walk(plan, trunk, values, embedded, position, call)
    for delegate, (segment, attention) in zip(trunk.delegates, graph.turns, strict=True):
        if attention is None:
            # Behind the last attention, positions have nothing to do with each other.
            walk.segment(segment, delegate, last_only=not all_positions)
        else:
            walk.layer(segment, delegate, attention)
    logits = _head(plan, trunk, values[graph.result], all_positions=all_positions)
    return PlanBuilderResult(plan, logits)


@dataclass(frozen=True)
class _Walk:
    """Instructions of one segment and attention after another; `values` fills."""

    plan: PlanBuilder
    trunk: Trunk
    values: dict[fx.Node, int]
    embedded: Sequence[int]
    position: _Position
    call: RingCall | None

    def layer(self, segment: Segment, delegate: int, attention: Attention) -> None:
        """Up to an attention, and the attention ``[1,S,H*hd]``, written as ``[1,S,H,hd]``."""
        plan, graph, cache = self.plan, self.trunk.graph, self.trunk.caches[attention.layer]
        kept = self._sinks(attention)
        self.segment(segment, delegate, sinks=kept)
        q, k = (_heads(plan, graph, node, self.values) for node in (attention.q, attention.k))
        v = plan.view(self.values[attention.v], (1, -1, *graph.shape(attention.v)[2:]))
        out = _temporary(plan, graph, attention.q)
        if self.call is None or kept is None:
            attend(plan, cache, InOrder(self.position.start), q, k, v, out)
        else:
            place = InSlots(self.call.slots, self.call.mask, self.call.used)
            attend(plan, cache, place, q, k, v, out, sinks=kept.rotated)
            replace(place, slots=self.call.sink_slots).write(plan, k, kept.raw)
        self.values[attention.node] = plan.view(out, (1, -1, graph.shape(attention.node)[2]))

    def segment(
        self,
        segment: Segment,
        delegate: int,
        *,
        last_only: bool = False,
        sinks: _Sinks | None = None,
    ) -> None:
        plan, graph = self.plan, self.trunk.graph
        inputs = _delegate_inputs(graph, segment, self.values, self.embedded)
        if last_only:
            inputs = [_last_position(plan, value) for value in inputs]
        inputs += [_vector(plan, self.trunk, node) for node in segment.vectors]
        extra = []
        if sinks is not None and self.call is not None:
            inputs += [sinks.raw, self.call.cos, self.call.sin]
            extra = [sinks.rotated]
        length = 1 if last_only else None
        outputs = [_temporary(plan, graph, node, length=length) for node in segment.outputs]
        plan.delegate(delegate, [*inputs, *extra, *outputs])
        self.values.update(zip(segment.outputs, outputs, strict=True))

    def _sinks(self, attention: Attention) -> _Sinks | None:
        """Room for the layer's sinks; None where it looks at everything."""
        if self.trunk.ring is None or is_global(self.trunk.ring.pattern, attention.layer):
            return None
        _, _, heads, size = self.trunk.graph.shape(attention.k)
        shape = (1, self.trunk.ring.constants.cache.first, heads, size)
        raw = self.plan.state(_FLOAT, shape)
        return _Sinks(raw, self.plan.temporary(_FLOAT, shape, dynamic=False))


@dataclass(frozen=True)
class _Sinks:
    """Keys ``[1,n,KV,hd]`` of a layer's sinks: as written, and rotated for this call."""

    raw: int
    rotated: int


def _ring_call(plan: PlanBuilder, trunk: Trunk, position: _Position, start: int) -> RingCall | None:
    if trunk.ring is None:
        return None
    return prepare_call(
        plan,
        trunk.ring.constants,
        trunk.table,
        chunk=trunk.graph.max_chunk,
        bounds=(position.start, position.stop),
        start=start,
        mask_segment=trunk.ring.mask,
    )


@dataclass(frozen=True)
class PlanBuilderResult:
    """A method ready to be finished, and the value it returns."""

    plan: PlanBuilder
    output: int


def _position(plan: PlanBuilder, tokens: int, start: int) -> _Position:
    first, length, stop = plan.symbol(), plan.symbol(), plan.symbol()
    plan.kernel("aten::_local_scalar_dense", "", [start, first])
    plan.kernel("aten::sym_size", "int", [tokens, plan.scalar(1), length])
    plan.kernel("executorch_prim::add", "Scalar", [first, length, stop])
    return _Position(first, stop)


def _rotary(plan: PlanBuilder, trunk: Trunk, position: _Position) -> tuple[int, int]:
    """cos and sin ``[1,S,1,hd/2]``, computed at each call: cheaper than a table in the file."""
    chunk, size = trunk.graph.shape(trunk.graph.cos)[1::2]
    frequencies = plan.constant(_FLOAT, (1, 1, 1, size), trunk.table.index(trunk.frequencies))
    shape = (1, chunk, 1, size)
    positions = plan.temporary(_FLOAT, (chunk,), dynamic=True)
    plan.kernel(
        "aten::arange",
        "start_out",
        [position.start, position.stop, plan.scalar(1), positions, positions],
    )
    column = plan.view(positions, (1, -1, 1, 1))
    angles = plan.temporary(_FLOAT, shape, dynamic=True)
    plan.kernel("aten::mul", "out", [column, frequencies, angles, angles])
    cos = plan.temporary(_FLOAT, shape, dynamic=True)
    plan.kernel("aten::cos", "out", [angles, cos, cos])
    sin = plan.temporary(_FLOAT, shape, dynamic=True)
    plan.kernel("aten::sin", "out", [angles, sin, sin])
    return cos, sin


def _delegate_inputs(
    graph: DecoderGraph, segment: Segment, values: dict[fx.Node, int], embedded: Sequence[int]
) -> list[int]:
    """The segment's inputs; the traced `hidden` stands for all gathered embedding tensors."""
    inputs: list[int] = []
    for node in segment.inputs:
        inputs += embedded if node is graph.hidden else [values[node]]
    return inputs


def _vector(plan: PlanBuilder, trunk: Trunk, node: fx.Node) -> int:
    constant = trunk.vectors[trunk.graph.parameters[node.name]]
    return plan.constant(_FLOAT, trunk.graph.shape(node), trunk.table.index(constant))


def _temporary(
    plan: PlanBuilder, graph: DecoderGraph, node: fx.Node, *, length: int | None = None
) -> int:
    """Memory for the node's value; of `length` tokens, or of as many as the call has."""
    shape, free = graph.delegate_shape(node), graph.free_dimension(node)
    if length is not None and free is not None:
        shape, free = (*shape[:free], length, *shape[free + 1 :]), None
    return plan.temporary(_FLOAT, shape, dynamic=free is not None)


def _heads(
    plan: PlanBuilder, graph: DecoderGraph, node: fx.Node, values: Mapping[fx.Node, int]
) -> int:
    """The heads of `node`, a slice ``[1,S,H,hd]`` of a value that holds more of them."""
    source, axis, start, stop = node.args
    out = _temporary(plan, graph, node)
    bounds = [plan.scalar(int(bound)) for bound in (axis, start, stop, 1)]  # type: ignore[arg-type]
    plan.kernel("aten::slice_copy", "Tensor_out", [values[source], *bounds, out, out])  # type: ignore[index]
    return out


def _last_position(plan: PlanBuilder, value: int) -> int:
    """``[1,S,...]`` -> ``[1,1,...]``."""
    _, _, *rest = plan.sizes(value)
    last = plan.temporary(_FLOAT, (1, 1, *rest), dynamic=False)
    bounds = [plan.scalar(1), plan.scalar(-1), plan.scalar(_TO_THE_END), plan.scalar(1)]
    plan.kernel("aten::slice_copy", "Tensor_out", [value, *bounds, last, last])
    return last


def _head(plan: PlanBuilder, trunk: Trunk, hidden: int, *, all_positions: bool) -> int:
    chunk = trunk.graph.shape(trunk.graph.result)[1] if all_positions else 1
    logits = plan.temporary(_FLOAT, (1, chunk, trunk.vocab_size), dynamic=all_positions)
    plan.delegate(trunk.head, [hidden, logits])
    return logits

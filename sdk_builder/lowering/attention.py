"""One layer's attention: keys and values go into its cache, and queries look at all of it.

The cache is fp32, or int8 with one scale and zero point for each head of each token, as
ExecuTorch's quantized attention kernel reads it. Both run on kernels of the Android runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from executorch.exir.scalar_type import ScalarType

from sdk_builder.lowering.plan import PlanBuilder

_FLOAT, _DOUBLE, _LONG, _CHAR = (
    ScalarType.FLOAT,
    ScalarType.DOUBLE,
    ScalarType.LONG,
    ScalarType.CHAR,
)
_QUANTIZED = "quantized_decomposed"


@dataclass(frozen=True)
class KvCache:
    """format: "fp32" or "int8"; slots: positions that a cache has room for."""

    format: str
    slots: int


class Place(Protocol):
    """Where a call's tokens go in a cache, and who looks at whom."""

    def write(self, plan: PlanBuilder, value: int, cache: int) -> None:
        """Instructions that write ``[1,S,...]`` into a cache ``[1,slots,...]``."""

    def used(self, plan: PlanBuilder, cache: int) -> int:
        """What of a cache ``[1,slots,...]`` the attention kernel looks at."""

    def options(self, plan: PlanBuilder) -> list[int]:
        """Arguments of the attention kernel: start, mask, dropout, is_causal, scale."""


@dataclass(frozen=True)
class InOrder:
    """One position behind another, from `start`, a symbol; every token looks at all before it."""

    start: int

    def write(self, plan: PlanBuilder, value: int, cache: int) -> None:
        ignored = plan.temporary(_FLOAT, (1,), dynamic=False)
        plan.kernel("llama::update_cache", "out", [value, cache, self.start, ignored, ignored])

    def used(self, plan: PlanBuilder, cache: int) -> int:
        return cache  # the kernel knows from `start` where to stop

    def options(self, plan: PlanBuilder) -> list[int]:
        nothing = plan.scalar(None)
        return [self.start, nothing, plan.scalar(0.0), plan.scalar(True), nothing]


@dataclass(frozen=True)
class InSlots:
    """Each token in the slot that `slots` ``[1,S]`` names; of the first `count` slots (a symbol),
    `mask` ``[S, count]`` hides what a token does not look at."""

    slots: int
    mask: int
    count: int

    def write(self, plan: PlanBuilder, value: int, cache: int) -> None:
        ignored = plan.temporary(_FLOAT, (1,), dynamic=False)
        arguments = [value, cache, plan.scalar(0), self.slots, ignored, ignored]
        plan.kernel("llama::update_cache_with_indices", "out", arguments)

    def used(self, plan: PlanBuilder, cache: int) -> int:
        return first_slots(plan, cache, self.count, plan.sizes(cache))

    def options(self, plan: PlanBuilder) -> list[int]:
        nothing = plan.scalar(None)
        return [plan.scalar(0), self.mask, plan.scalar(0.0), plan.scalar(False), nothing]


def first_slots(plan: PlanBuilder, state: int, count: int, sizes: Sequence[int]) -> int:
    """The first `count` (a symbol) slots of a state, as ``sizes`` with them in second place."""
    part = plan.part(state, sizes)
    one, _, *rest = sizes
    wanted = plan.int_list([plan.scalar(one), count, *map(plan.scalar, rest)])
    plan.kernel("aten::empty", "out", [wanted, plan.scalar(None), part, part])
    return part


def attend(
    plan: PlanBuilder,
    cache: KvCache,
    place: Place,
    q: int,
    k: int,
    v: int,
    out: int,
    sinks: int | None = None,
) -> None:
    """Instructions that write k and v to their place and let q look at the cache.

    q ``[1,S,H,hd]``, k and v ``[1,S,KV,hd]`` fp32, rotated; out as q; sinks: keys ``[1,n,KV,hd]``
    that go to the first slots before k is written.
    """
    first = InOrder(plan.scalar(0))
    if cache.format == "fp32":
        keys, values = (_cache(plan, cache, value, _FLOAT) for value in (k, v))
        if sinks is not None:
            first.write(plan, sinks, keys)
        place.write(plan, k, keys)
        place.write(plan, v, values)
        seen = [place.used(plan, cache) for cache in (keys, values)]
        parts = [q, *seen, *place.options(plan), out, out]
        plan.kernel("llama::custom_sdpa", "out", parts)
        return
    query = _quantize(plan, q)
    stored = [_rounded_cache(plan, cache, value) for value in (k, v)]
    if sinks is not None:
        _write_rounded(plan, first, _quantize(plan, sinks), stored[0])
    for value, kept in zip((k, v), stored, strict=True):
        _write_rounded(plan, place, _quantize(plan, value), kept)
    all_parts = (query, *(_used(plan, place, one) for one in stored))
    side = [part for one in all_parts for part in (one.zero_point, one.scale)]
    plan.kernel(
        "llama::custom_quantized_sdpa",
        "out",
        [
            *(one.values for one in all_parts),
            *place.options(plan),
            *side,
            plan.scalar(False),
            out,
            out,
        ],
    )


@dataclass(frozen=True)
class _Rounded:
    """int8 values ``[1,S,H,hd]``, fp32 scale and int8 zero point ``[1,S,H,1]``."""

    values: int
    scale: int
    zero_point: int


def _used(plan: PlanBuilder, place: Place, kept: _Rounded) -> _Rounded:
    return _Rounded(*(place.used(plan, one) for one in (kept.values, kept.scale, kept.zero_point)))


def _cache(
    plan: PlanBuilder, cache: KvCache, value: int, dtype: ScalarType, size: int | None = None
) -> int:
    _, _, heads, own = plan.sizes(value)
    return plan.state(dtype, (1, cache.slots, heads, size or own))


def _rounded_cache(plan: PlanBuilder, cache: KvCache, value: int) -> _Rounded:
    return _Rounded(
        _cache(plan, cache, value, _CHAR),
        _cache(plan, cache, value, _FLOAT, 1),
        _cache(plan, cache, value, _CHAR, 1),
    )


def _write_rounded(plan: PlanBuilder, place: Place, one: _Rounded, kept: _Rounded) -> None:
    place.write(plan, one.values, kept.values)
    place.write(plan, one.scale, kept.scale)
    place.write(plan, one.zero_point, kept.zero_point)


def _quantize(plan: PlanBuilder, value: int) -> _Rounded:
    """Round to int8, asymmetric, over the last dimension.

    The kernels that choose scales give float64 and int64, the attention reads float32 and int8.
    """
    *lead, size = plan.sizes(value)
    side = (*lead, 1)
    dynamic = plan.is_dynamic(value)
    scale = plan.temporary(_DOUBLE, side, dynamic=dynamic)
    zero_point = plan.temporary(_LONG, side, dynamic=dynamic)
    char = plan.scalar(int(_CHAR))
    both = plan.tensor_list([scale, zero_point])
    plan.kernel(
        f"{_QUANTIZED}::choose_qparams_per_token_asymmetric",
        "out",
        [value, char, scale, zero_point, both],
    )
    rounded = plan.temporary(_CHAR, (*lead, size), dynamic=dynamic)
    limits = [plan.scalar(-128), plan.scalar(127), char]
    plan.kernel(
        f"{_QUANTIZED}::quantize_per_token",
        "out",
        [value, scale, zero_point, *limits, rounded, rounded],
    )
    return _Rounded(rounded, _cast(plan, scale, _FLOAT), _cast(plan, zero_point, _CHAR))


def _cast(plan: PlanBuilder, value: int, dtype: ScalarType) -> int:
    out = plan.temporary(dtype, plan.sizes(value), dynamic=plan.is_dynamic(value))
    no = [plan.scalar(False), plan.scalar(None)]
    plan.kernel("aten::_to_copy", "out", [value, *no, out, out])
    return out

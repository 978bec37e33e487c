"""One layer's attention: keys and values go into its cache, and queries look at all of it.

The cache is fp32, or int8 with one scale and zero point for each head of each token, as
ExecuTorch's quantized attention kernel reads it. Both run on kernels of the Android runtime.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """format: "fp32" or "int8"; positions that a cache has room for."""

    format: str
    context_length: int


def attend(plan: PlanBuilder, cache: KvCache, q: int, k: int, v: int, start: int, out: int) -> None:
    """Instructions that write k and v at `start` and attend to all positions up to there.

    q ``[1,S,H,hd]``, k and v ``[1,S,KV,hd]`` fp32, rotated; start: a symbol; out as q.
    """
    nothing = plan.scalar(None)
    options = [start, nothing, plan.scalar(0.0), plan.scalar(True), nothing]
    if cache.format == "fp32":
        kept = [_append(plan, cache, value, _FLOAT, start) for value in (k, v)]
        plan.kernel("llama::custom_sdpa", "out", [q, *kept, *options, out, out])
        return
    query, keys, values = (_quantize(plan, value) for value in (q, k, v))
    keys, values = (_append_rounded(plan, cache, one, start) for one in (keys, values))
    parts = (query, keys, values)
    side = [part for one in parts for part in (one.zero_point, one.scale)]
    plan.kernel(
        "llama::custom_quantized_sdpa",
        "out",
        [*(one.values for one in parts), *options, *side, plan.scalar(False), out, out],
    )


@dataclass(frozen=True)
class _Rounded:
    """int8 values ``[1,S,H,hd]``, fp32 scale and int8 zero point ``[1,S,H,1]``."""

    values: int
    scale: int
    zero_point: int


def _append(plan: PlanBuilder, cache: KvCache, value: int, dtype: ScalarType, start: int) -> int:
    _, _, heads, size = plan.sizes(value)
    kept = plan.state(dtype, (1, cache.context_length, heads, size))
    ignored = plan.temporary(_FLOAT, (1,), dynamic=False)
    plan.kernel("llama::update_cache", "out", [value, kept, start, ignored, ignored])
    return kept


def _append_rounded(plan: PlanBuilder, cache: KvCache, one: _Rounded, start: int) -> _Rounded:
    return _Rounded(
        _append(plan, cache, one.values, _CHAR, start),
        _append(plan, cache, one.scale, _FLOAT, start),
        _append(plan, cache, one.zero_point, _CHAR, start),
    )


def _quantize(plan: PlanBuilder, value: int) -> _Rounded:
    """Round to int8, asymmetric, over the last dimension.

    The kernels that choose scales give float64 and int64, the attention reads float32 and int8.
    """
    *lead, size = plan.sizes(value)
    side = (*lead, 1)
    scale = plan.temporary(_DOUBLE, side, dynamic=True)
    zero_point = plan.temporary(_LONG, side, dynamic=True)
    char = plan.scalar(int(_CHAR))
    both = plan.tensor_list([scale, zero_point])
    plan.kernel(
        f"{_QUANTIZED}::choose_qparams_per_token_asymmetric",
        "out",
        [value, char, scale, zero_point, both],
    )
    rounded = plan.temporary(_CHAR, (*lead, size), dynamic=True)
    limits = [plan.scalar(-128), plan.scalar(127), char]
    plan.kernel(
        f"{_QUANTIZED}::quantize_per_token",
        "out",
        [value, scale, zero_point, *limits, rounded, rounded],
    )
    return _Rounded(rounded, _cast(plan, scale, _FLOAT), _cast(plan, zero_point, _CHAR))


def _cast(plan: PlanBuilder, value: int, dtype: ScalarType) -> int:
    out = plan.temporary(dtype, plan.sizes(value), dynamic=True)
    no = [plan.scalar(False), plan.scalar(None)]
    plan.kernel("aten::_to_copy", "out", [value, *no, out, out])
    return out

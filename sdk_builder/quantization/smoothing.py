"""Activation ranges moved into weights, exactly: SmoothQuant (Xiao et al., arXiv 2211.10438).

int8 activations share one scale a token, so an input channel that is much larger than the others
costs them their precision. Dividing a channel by s and multiplying its weights by s changes
nothing in float. The division is absorbed by what makes the channel: a norm's weight, a row of the
up projection, a row of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from sdk_builder.models import layout

_FLOOR = 1e-5

Extremes = Mapping[str, Tensor]
"""Largest magnitude of each input channel ``[in]`` by the matrix that it enters."""


@dataclass(frozen=True)
class Smoothed:
    """layer: the changed parameters; scales: what each matrix's inputs were divided by."""

    layer: dict[str, Tensor]
    scales: dict[str, Tensor]


def smooth(
    layer: Mapping[str, Tensor], extremes: Extremes, kv_heads: int, strength: float
) -> Smoothed:
    """The layer with its input channels evened out.

    strength: 0 leaves the ranges with the activations, 1 moves them wholly into the weights.
    """
    changed = dict(layer)
    size = layer[layout.DOWN].shape[1]
    head_dim = layer[layout.QKV].shape[0] - layer[layout.OUT].shape[1]
    head_dim //= 2 * kv_heads
    scales = {
        name: _scales(extremes[name], layer[name].abs().amax(0), strength)
        for name in (layout.QKV, layout.GATE_UP, layout.DOWN)
    }
    # Heads that share values share the scales of their channels.
    activations, weights = (
        part.view(kv_heads, -1, head_dim).amax(1).flatten()
        for part in (extremes[layout.OUT], layer[layout.OUT].abs().amax(0))
    )
    value_scales = _scales(activations, weights, strength)
    groups = layer[layout.OUT].shape[1] // (kv_heads * head_dim)
    per_head = value_scales.view(kv_heads, 1, head_dim).expand(-1, groups, -1)
    scales[layout.OUT] = per_head.flatten()
    for norm, name in ((layout.INPUT_NORM, layout.QKV), (layout.POST_NORM, layout.GATE_UP)):
        changed[norm] = layer[norm] / scales[name]
    for name, scale in scales.items():
        changed[name] = layer[name] * scale
    changed[layout.QKV][-kv_heads * head_dim :] /= value_scales[:, None]
    if layout.QKV_BIAS in layer:
        changed[layout.QKV_BIAS] = layer[layout.QKV_BIAS].clone()
        changed[layout.QKV_BIAS][-kv_heads * head_dim :] /= value_scales
    changed[layout.GATE_UP][size:] /= scales[layout.DOWN][:, None]
    return Smoothed(changed, scales)


def _scales(activations: Tensor, weights: Tensor, strength: float) -> Tensor:
    """a^strength / w^(1 - strength), geometric mean 1."""
    found = activations.clamp_min(_FLOOR) ** strength / weights.clamp_min(_FLOOR) ** (1 - strength)
    return found / found.log().mean().exp()

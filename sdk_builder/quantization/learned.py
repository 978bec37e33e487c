"""Fake quantization: what a program will compute with, as a function that can be learned.

Forward, a matrix has exactly the values that its exported program has; backward, rounding passes
gradients straight through (Bengio et al., arXiv 1308.3432), and scales and offsets learn as in LSQ
(Esser et al., arXiv 1902.08153) and LSQ+ (Bhalgat et al., arXiv 2004.09576).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdk_builder.quantization.formats import WeightFormat
from sdk_builder.quantization.grid import IntGrid, levels_of, offset_step, round_offsets

_ACTIVATION_EPS = torch.finfo(torch.float32).eps
_CELL = 0.49  # of a step to either side: a little less than where rounding changes


class LearnedGrid(nn.Module):
    """A matrix ``[out, in]`` of an int4 or int8 format: weights, and the grid that they fall on.

    weight: float32 ``[out, in]``, what is rounded; log_scale ``[out, G]``; offset ``[out, G]`` or
    None. Starts as `parts`; `weight`, where given, is kept as far as it rounds to these.
    """

    def __init__(
        self, parts: IntGrid, weight_format: WeightFormat, weight: Tensor | None = None
    ) -> None:
        super().__init__()
        self.format = weight_format
        self._levels = levels_of(weight_format, parts.qdata.shape[1])
        scale = parts.scale.float()
        offset = -parts.zero_point.float() * scale if weight_format.offset else None
        self.weight = nn.Parameter(_start(parts.qdata, scale, offset, weight))
        self.log_scale = nn.Parameter(scale.log())
        self.offset = None if offset is None else nn.Parameter(offset)

    def forward(self) -> Tensor:
        """The values ``[out, in]`` float32 that the program computes with."""
        scale, offset, soft_offset = self._grid()
        soft_scale = self.log_scale.exp()[..., None]
        groups = self.weight.view(*scale.shape[:2], -1)
        free, z = self._nearest(scale, offset)
        exact = z * scale + offset
        kept = (free.round() == z).to(groups.dtype)  # not clipped
        soft = groups * kept + soft_scale * (z - free * kept)
        if soft_offset is not None:
            soft = soft + soft_offset * (1 - kept)
        return (exact + (soft - soft.detach())).view_as(self.weight)

    @torch.no_grad()
    def parts(self) -> IntGrid:
        """What the program stores."""
        scale, offset, _ = self._grid()
        z = self._nearest(scale, offset)[1]
        zero_point = -offset / scale if self.format.offset else torch.zeros_like(scale).char()
        return IntGrid(
            z.view_as(self.weight).char(), scale[..., 0].contiguous(), zero_point[..., 0]
        )

    def _nearest(self, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Weights in steps of the grid ``[out, G, g]``, and the integers that they fall on."""
        free = (self.weight.detach().view(*scale.shape[:2], -1) - offset) / scale
        return free, free.round().clamp(self._levels.low, self._levels.high)

    def _grid(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scale and offset ``[out, G, 1]`` as they are stored, and the offset with its gradient."""
        scale = self._levels.round_scale(self.log_scale.detach().exp())[..., None]
        if self.offset is None:
            return scale, torch.zeros_like(scale[:1, :1]), None
        stored = self.offset.detach().T
        stored = round_offsets(stored, offset_step(stored)).T[..., None]
        return scale, stored, self.offset[..., None]


class LearnedLinear(nn.Module):
    """A linear layer ``[..., in] -> [..., out]`` with rounded weights and activations."""

    def __init__(self, grid: LearnedGrid, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.grid, self.bias = grid, bias

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(round_activations(x), self.grid(), self.bias)


class LearnedEmbedding(nn.Module):
    """Rows ``[..., D]`` of a table that is rounded."""

    def __init__(self, grid: LearnedGrid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, ids: Tensor) -> Tensor:
        return nn.functional.embedding(ids, self.grid())


class TiedHead(nn.Module):
    """The head of a model whose embedding is its head: one grid, which the embedding owns."""

    def __init__(self, embedding: LearnedEmbedding) -> None:
        super().__init__()
        self._owner = (embedding,)  # a tuple hides it: a parameter must not be there twice

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(round_activations(x), self._owner[0].grid())


def round_activations(x: Tensor) -> Tensor:
    """``[..., D]`` on the int8 grid of each row, as torchao's reference of the phone's kernels;
    gradients pass."""
    values = x.detach().float()
    low = values.amin(-1, keepdim=True).clamp(max=0.0)
    high = values.amax(-1, keepdim=True).clamp(min=0.0)
    scale = ((high - low) / 255.0).clamp(min=_ACTIVATION_EPS)
    zero_point = (-128 - (low / scale).round()).clamp(-128, 127)
    z = ((values * (1.0 / scale)).round() + zero_point).clamp(-128, 127)
    exact = ((z - zero_point) * scale).to(x.dtype)
    return exact + (x - x.detach())


def _start(qdata: Tensor, scale: Tensor, offset: Tensor | None, weight: Tensor | None) -> Tensor:
    """Weights that round to `qdata`, as near to `weight` as that allows."""
    z = qdata.view(*scale.shape, -1).float()
    if weight is not None:
        shift = 0.0 if offset is None else offset[..., None]
        free = (weight.view_as(z) - shift) / scale[..., None]
        z = torch.minimum(torch.maximum(free, z - _CELL), z + _CELL)
    found = z * scale[..., None]
    return (found if offset is None else found + offset[..., None]).view_as(qdata)

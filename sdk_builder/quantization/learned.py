"""Fake quantization: what a program will compute with, as a function that can be learned.

Forward, a matrix has exactly the values that its exported program has. Backward, rounding passes
gradients straight through (Bengio et al., arXiv 1308.3432), and scales and offsets have those of
the values with their integers fixed. LSQ (Esser et al., arXiv 1902.08153) learns weights instead of
integers: a scale that moves rounds its weights anew, and for those on the grid has no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdk_builder.quantization.formats import WeightFormat
from sdk_builder.quantization.grid import IntGrid, Levels, levels_of, offset_step, round_offsets

_ACTIVATION_EPS = torch.finfo(torch.float32).eps
_CELL = 0.4999  # of a step to either side: hardly less than where rounding changes


class LearnedGrid(nn.Module):
    """A matrix ``[out, in]`` of an int4 or int8 format, learned in steps of its grid.

    code ``[out, in]``: integers before they are rounded; log_scale and shift ``[out, G]``, the
    latter added to the integers, None for a format without offsets. All are float32.
    So a scale moves its whole group and rounds nothing anew, and a learning rate of codes says how
    much of a step a weight may move, whatever its size.

    Starts as `parts`, with what is rounded spread over the cells that round to these: where all
    began in the middle, none would change for many steps, then all at once. Codes are where
    `weight` is within its step; without it, and for scales and shifts, the place is drawn.
    """

    def __init__(
        self, parts: IntGrid, weight_format: WeightFormat, weight: Tensor | None = None
    ) -> None:
        super().__init__()
        self.format = weight_format
        self._levels = levels_of(weight_format, parts.qdata.shape[1])
        scale = parts.scale.float()
        shift = -parts.zero_point.float() if weight_format.offset else None
        self.code = nn.Parameter(_start(parts.qdata, scale, shift, weight))
        self.log_scale = nn.Parameter(_spread_scale(scale, self._levels))
        self.shift = None if shift is None else nn.Parameter(_spread_shift(shift, scale))

    def forward(self) -> Tensor:
        """The values ``[out, in]`` float32 that the program computes with."""
        scale, offset = self._grid()
        code = self.code.view(*scale.shape[:2], -1)
        z = self._nearest()
        exact, held = z * scale + offset, z
        if self.shift is not None:
            shift = self.shift[..., None]
            code, held = code + shift, z + shift.detach()
        soft = self.log_scale.exp()[..., None] * held + scale * code
        return (exact + (soft - soft.detach())).view_as(self.code)

    @torch.no_grad()
    def parts(self) -> IntGrid:
        """What the program stores."""
        scale, offset = self._grid()
        zero_point = -offset / scale if self.format.offset else torch.zeros_like(scale).char()
        return IntGrid(
            self._nearest().view_as(self.code).char(),
            scale[..., 0].contiguous(),
            zero_point[..., 0],
        )

    @torch.no_grad()
    def settle(self) -> None:
        """Bring codes that left the grid back to its ends: from further out, where nothing holds
        them, they would not come back. For after each optimizer step."""
        self.code.clamp_(self._levels.low - 0.5, self._levels.high + 0.5)

    def _nearest(self) -> Tensor:
        """The integers ``[out, G, g]``."""
        code = self.code.detach().view(*self.log_scale.shape, -1)
        return code.round().clamp(self._levels.low, self._levels.high)

    def _grid(self) -> tuple[Tensor, Tensor]:
        """Scale and offset ``[out, G, 1]`` as they are stored."""
        scale = self._levels.round_scale(self.log_scale.detach().exp())
        if self.shift is None:
            return scale[..., None], scale.new_zeros(1, 1, 1)
        return scale[..., None], _stored_offset(self.shift.detach(), scale)[..., None]


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


def _stored_offset(shift: Tensor, scale: Tensor) -> Tensor:
    """Offsets ``[out, G]`` as multiples of their row's step."""
    offset = (shift * scale).T
    return round_offsets(offset, offset_step(offset)).T


def _spread_scale(scale: Tensor, levels: Levels) -> Tensor:
    """Logarithms that are stored as `scale`, anywhere in the cells of bf16."""
    if not levels.bf16:
        return scale.log()
    width = torch.exp2(scale.log2().floor()) * torch.finfo(torch.bfloat16).eps
    moved = (scale + _drawn(scale) * width).log()
    return torch.where(levels.round_scale(moved.exp()) == scale, moved, scale.log())


def _spread_shift(shift: Tensor, scale: Tensor) -> Tensor:
    """Shifts that are stored as `shift` is, anywhere in the cells of their row's step."""
    offset = shift * scale
    width = offset_step(offset.T)[:, None] / scale
    largest = offset.abs() == offset.abs().amax(1, keepdim=True)  # the steps hang on these
    moved = torch.where(largest, shift, shift + _drawn(shift) * width)
    kept = _stored_offset(moved, scale) == _stored_offset(shift, scale)
    return torch.where(kept, moved, shift)


def _drawn(like: Tensor) -> Tensor:
    """Numbers within half a cell, the same on every device and in every run."""
    numbers = torch.rand(like.shape, generator=torch.Generator().manual_seed(0))
    return ((numbers - 0.5) * 2 * _CELL).to(like.device)


def _start(qdata: Tensor, scale: Tensor, shift: Tensor | None, weight: Tensor | None) -> Tensor:
    """Codes that round to `qdata`. Those of a `weight` that rounds to it are the weight's own;
    where calibration took the next integer, as far from it as the weight is from its nearest, to
    the weight's side: codes are spread over their steps as the weights were, and few cross into
    the next one at once."""
    z = qdata.view(*scale.shape, -1).float()
    if weight is None:
        return (z + _drawn(z)).view_as(qdata)
    free = weight.view_as(z) / scale[..., None] - (0.0 if shift is None else shift[..., None])
    far = (free - free.round()).abs() * (free - z).sign()
    return (z + far.clamp(-_CELL, _CELL)).view_as(qdata)

"""Grids: the levels that a stored matrix may take, and their choice for a group of columns.

A value is ``scale * z + offset`` with an integer z. int4 scales are positive bf16 numbers, offsets
are multiples of one step a row, as XNNPACK and the file store them. Matrices are transposed here,
``[in, out]``, since calibrated rounding goes through them input by input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.quantization.formats import WeightFormat
from sdk_builder.quantization.tensors import ACTIVATIONS, INT4_DTYPE, SMALLEST_SCALE

_SYMMETRIC_STEPS = tuple(
    (0, shrink) for shrink in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
)
_OFFSET_STEPS = (
    *((steps, 1.0) for steps in (15, 14, 13, 12, 11, 10)),
    *((15, shrink) for shrink in (0.95, 0.9, 0.85, 0.8, 0.75)),
)


@dataclass(frozen=True)
class Levels:
    """What a format allows: z in low .. high, groups of `size` inputs."""

    low: int
    high: int
    size: int
    offset: bool
    bf16: bool

    def round_scale(self, scale: Tensor) -> Tensor:
        """The nearest scale that can be stored."""
        positive = scale.clamp_min(SMALLEST_SCALE)
        return positive.bfloat16().float() if self.bf16 else positive


@dataclass(frozen=True)
class Grid:
    """scale and offset ``[G, out]``; offset None: symmetric."""

    scale: Tensor
    offset: Tensor | None


def levels_of(weight_format: WeightFormat, inputs: int) -> Levels:
    """The levels of an int4 or int8 format for a matrix with `inputs` columns."""
    if weight_format.bits == 8:
        return Levels(-127, 127, inputs, offset=False, bf16=False)
    assert weight_format.group_size is not None
    return Levels(-8, 7, weight_format.group_size, offset=weight_format.offset, bf16=True)


def search_scale(group: Tensor, importance: Tensor, levels: Levels) -> tuple[Tensor, Tensor | None]:
    """Scale and offset ``[out]`` of one group ``[g, out]`` with the least weighted squared error.

    importance: ``[g]``, how much an error of each input costs.
    """
    weights = importance[:, None]
    low, high = group.amin(0), group.amax(0)
    error = torch.full_like(low, float("inf"))
    scale, offset = torch.ones_like(low), torch.zeros_like(low)
    full = torch.maximum(low / levels.low, high / levels.high)
    for steps, shrink in _OFFSET_STEPS if levels.offset else _SYMMETRIC_STEPS:
        if levels.offset:
            step = levels.round_scale((high - low) * shrink / steps)
            start = (high + low - step * steps) / 2
            z = ((group - start) / step + levels.low).round().clamp(levels.low, levels.high)
            shift = ((group - z * step) * weights).sum(0) / weights.sum()
        else:
            step = levels.round_scale(full * shrink)
            z = (group / step).round().clamp(levels.low, levels.high)
            shift = offset
        found = ((z * step + shift - group).square() * weights).sum(0)
        better = found < error
        error = torch.where(better, found, error)
        scale, offset = torch.where(better, step, scale), torch.where(better, shift, offset)
    return scale, offset if levels.offset else None


def search_grid(weight: Tensor, importance: Tensor, levels: Levels) -> Grid:
    """The grid of a whole matrix ``[in, out]``; importance ``[in]``."""
    found = [
        search_scale(part, part_importance, levels)
        for part, part_importance in zip(
            weight.split(levels.size), importance.split(levels.size), strict=True
        )
    ]
    scale = torch.stack([scale for scale, _ in found])
    offsets = [offset for _, offset in found if offset is not None]
    return Grid(scale, round_offsets(torch.stack(offsets)) if offsets else None)


def offset_step(offset: Tensor) -> Tensor:
    """The step of a row's offsets, ``[out]``, of which int8 holds 127 either way."""
    return (offset.abs().amax(0) / 127).clamp_min(SMALLEST_SCALE)


def round_offsets(offset: Tensor, step: Tensor | None = None) -> Tensor:
    """Offsets ``[G, out]`` as multiples of their row's step."""
    step = offset_step(offset) if step is None else step
    return (offset / step).round().clamp(-127, 127) * step


def values(z: Tensor, grid: Grid) -> Tensor:
    """What integers ``[in, out]`` stand for."""
    groups = z.view(len(grid.scale), -1, z.shape[1])
    found = groups * grid.scale[:, None]
    if grid.offset is not None:
        found = found + grid.offset[:, None]
    return found.view_as(z)


class IntGrid(NamedTuple):
    """What torchao's tensor holds: integers ``[out, in]``, scale and zero point ``[out, G]``."""

    qdata: Tensor
    scale: Tensor
    zero_point: Tensor


def to_parts(z: Tensor, grid: Grid) -> IntGrid:
    """Integers ``[in, out]`` and their grid as torchao's tensor holds them, ``[out, in]``."""
    scale = grid.scale.T.contiguous()
    if grid.offset is None:
        zero_point = torch.zeros_like(scale, dtype=torch.int8)
    else:
        zero_point = -grid.offset.T.contiguous() / scale
    return IntGrid(z.T.to(torch.int8).contiguous(), scale, zero_point)


def from_parts(parts: IntGrid, weight_format: WeightFormat) -> IntxUnpackedToInt8Tensor:
    """torchao's tensor of an int4 or int8 format."""
    tensor: IntxUnpackedToInt8Tensor = IntxUnpackedToInt8Tensor(
        qdata=parts.qdata,
        scale=parts.scale,
        zero_point=parts.zero_point,
        target_dtype=torch.int8 if weight_format.bits == 8 else INT4_DTYPE,
        block_size=(1, weight_format.group_size or parts.qdata.shape[1]),
        dtype=torch.float32,
        activation_quantization=ACTIVATIONS,
    )
    return tensor


def parts_of(tensor: IntxUnpackedToInt8Tensor) -> IntGrid:
    """The inverse of `from_parts`."""
    return IntGrid(tensor.qdata, tensor.scale, tensor.zero_point)

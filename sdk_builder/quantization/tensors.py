"""Weights to torchao tensors: the choice of scales is ours, rounding and representation torchao's.

int4 scales are bf16 numbers (XNNPACK stores them so) and positive (it accepts no others); offsets
are multiples of their row's step. What these tensors dequantize to is exactly what the program
computes with, so they serve as its reference.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor
from torchao.quantization.quantize_.workflows.intx.intx_unpacked_to_int8_tensor import (
    IntxUnpackedToInt8TensorActivationQuantization as ActivationQuantization,
)

from sdk_builder.quantization.formats import WeightFormat

ACTIVATIONS = ActivationQuantization.INT8_ASYM_PER_TOKEN
INT4_DTYPE: torch.dtype = torch.int4  # type: ignore[attr-defined]  # torch's stubs lack it
SMALLEST_SCALE = 2.0**-64  # of all-zero groups, which have no scale of their own
_BLOCK_VALUES = 1 << 16  # weights rounded at once: what a core's cache holds
_LEVELS = (15, 14, 13, 12, 11, 10)  # candidates for the number of steps between min and max


def quantize(weight: Tensor, weight_format: WeightFormat) -> Tensor:
    """`weight` ``[out, in]`` float32 in `weight_format`; fp32 returns it unchanged."""
    if weight_format.bits == 32:
        return weight
    dtype = torch.int8 if weight_format.bits == 8 else INT4_DTYPE
    size = weight_format.group_size or weight.shape[1]
    rows = max(1, _BLOCK_VALUES // weight.shape[1])
    blocks = [_round(block, weight_format) for block in weight.split(rows)]
    grid, scale, zero_point = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    quantized: Tensor = IntxUnpackedToInt8Tensor(
        qdata=grid,
        scale=scale,
        zero_point=zero_point,
        target_dtype=dtype,
        block_size=(1, size),
        dtype=weight.dtype,
        activation_quantization=ACTIVATIONS,
    )
    return quantized


def _round(weight: Tensor, weight_format: WeightFormat) -> tuple[Tensor, Tensor, Tensor]:
    """int8 levels, scales and zero points of some rows."""
    if weight_format.bits == 8:
        scale = _positive(weight.abs().amax(dim=1, keepdim=True) / 127)
        return _symmetric(weight, scale, torch.int8, weight.shape[1])
    assert weight_format.group_size is not None
    groups = weight.view(weight.shape[0], -1, weight_format.group_size)
    if weight_format.offset:
        return _with_offset(groups)
    return _symmetric(weight, _unclipped_scale(groups), INT4_DTYPE, weight_format.group_size)


def quantize_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """``[rows, n]`` as int8 with one step a row: (int8 values, fp32 step ``[rows]``)."""
    step = _positive(values.abs().amax(dim=1) / 127)
    return (values / step[:, None]).round().to(torch.int8), step


def relative_error(weight: Tensor, quantized: Tensor) -> float:
    """Squared error of the stored weight over the squared weight; 0 for fp32 and for zeros."""
    total = float(weight.square().sum())
    if not isinstance(quantized, IntxUnpackedToInt8Tensor) or total == 0.0:
        return 0.0
    levels = quantized.qdata.view(*quantized.scale.shape, -1)
    parts = (levels, quantized.scale, quantized.zero_point, weight.view_as(levels))
    rows = max(1, _BLOCK_VALUES // weight.shape[1])
    errors = (
        ((grid - zero_point[..., None]) * scale[..., None] - wanted).square().sum()
        for grid, scale, zero_point, wanted in zip(*(one.split(rows) for one in parts), strict=True)
    )
    return float(torch.stack(list(errors)).sum()) / total


def _unclipped_scale(groups: Tensor) -> Tensor:
    """The smallest step with which -8 .. 7 covers a group.

    Clipping lowers the squared error of the weights but not that of the outputs: measured, it costs
    more than the coarser step (docs/quantization.md).
    """
    return _positive(torch.maximum(-groups.amin(-1) / 8, groups.amax(-1) / 7)).bfloat16().float()


def _scale_and_offset(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Step and centre of 16 levels for each group, ``[out, in/g]`` each.

    Weights that already lie on a grid (as those of a Q4_1 file) may not use all of its 16 levels,
    so the spread between minimum and maximum is tried as 15 down to 10 steps.
    """
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    best_error = torch.full_like(low, float("inf"))
    best_scale, best_offset = torch.empty_like(low), torch.empty_like(low)
    for levels in _LEVELS:
        scale = _positive((high - low) / levels).bfloat16().float()
        grid = ((groups - low) / scale - 8).round().clamp(-8, 7)
        offset = (groups - grid * scale).mean(-1, keepdim=True)
        error = (grid * scale + offset - groups).square().sum(-1, keepdim=True)
        better = error < best_error
        best_error = torch.where(better, error, best_error)
        best_scale = torch.where(better, scale, best_scale)
        best_offset = torch.where(better, offset, best_offset)
    values, step = quantize_rows(best_offset[..., 0])
    return best_scale[..., 0], values.float() * step[:, None]


def _with_offset(groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """int4 with an offset a group, which torchao calls a zero point of -offset / scale.

    torchao rounds before it adds a zero point, which is wrong for one between two levels, so the
    levels are chosen here.
    """
    scale, offset = _scale_and_offset(groups)
    grid = ((groups - offset[..., None]) / scale[..., None]).round().clamp(-8, 7)
    return grid.to(torch.int8).flatten(1), scale, -offset / scale


def _symmetric(
    weight: Tensor, scale: Tensor, dtype: torch.dtype, group_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    found = IntxUnpackedToInt8Tensor.from_hp(
        weight,
        (1, group_size),
        dtype,
        intx_choose_qparams_algorithm=None,
        custom_scale=scale,
        custom_zero_point=torch.zeros_like(scale, dtype=torch.int8),
    )
    return found.qdata, found.scale, found.zero_point


def _positive(scale: Tensor) -> Tensor:
    return scale.clamp_min(SMALLEST_SCALE)

"""Learned grids: forward the program's values, backward the gradients of the papers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.quantization.formats import INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.gptq import gptq
from sdk_builder.quantization.grid import from_parts, levels_of, parts_of
from sdk_builder.quantization.learned import LearnedGrid, LearnedLinear, round_activations
from sdk_builder.quantization.tensors import quantize

FORMATS = [INT4, INT4_OFFSET, INT8]
ROWS, INPUTS = 6, 64

formats = pytest.mark.parametrize("weight_format", FORMATS, ids=lambda one: one.name)


def drawn(seed: int, *shape: int, spread: float = 0.05) -> Tensor:
    return spread * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rounded(weight: Tensor, weight_format: WeightFormat) -> IntxUnpackedToInt8Tensor:
    found = quantize(weight, weight_format)
    assert isinstance(found, IntxUnpackedToInt8Tensor)
    return found


def grid_of(seed: int, weight_format: WeightFormat, *, moved: float = 0.0) -> LearnedGrid:
    """At its start, or with everything moved at random as training moves it."""
    weight = drawn(seed, ROWS, INPUTS)
    grid = LearnedGrid(parts_of(rounded(weight, weight_format)), weight_format, weight)
    with torch.no_grad():
        for at, parameter in enumerate(grid.parameters()):
            size = 1.0 if parameter is grid.log_scale else float(parameter.abs().mean())
            parameter.add_(moved * size * drawn(seed + at, *parameter.shape, spread=1.0))
    return grid


def agree(found: Tensor, stored: Tensor, *, offset: bool) -> bool:
    """Bits; with offsets, which torchao has as zero points, to float32's rounding."""
    if not offset:
        return torch.equal(found, stored)
    return torch.allclose(found, stored, rtol=1e-5, atol=1e-5 * float(stored.abs().max()))


# --- forward ------------------------------------------------------------------------------------


@formats
@given(seed=st.integers(0, 10_000), moved=st.sampled_from([0.0, 0.1, 1.0]))
@settings(max_examples=30, deadline=None)
def test_values_are_those_of_what_is_stored(weight_format: WeightFormat, seed: int, moved: float):
    grid = grid_of(seed, weight_format, moved=moved)
    stored = from_parts(grid.parts(), weight_format)
    levels = levels_of(weight_format, INPUTS)
    assert levels.low <= int(stored.qdata.min()) <= int(stored.qdata.max()) <= levels.high
    if weight_format.bits == 4:
        assert torch.equal(stored.scale, stored.scale.bfloat16().float())
    assert agree(grid(), stored.dequantize(), offset=weight_format.offset)


@formats
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_start_is_the_exporters_rounding(weight_format: WeightFormat, seed: int):
    weight = drawn(seed, ROWS, INPUTS)
    start = rounded(weight, weight_format)
    for kept in (weight, None):
        grid = LearnedGrid(parts_of(start), weight_format, kept)
        assert torch.equal(grid.parts().qdata, start.qdata)
        assert torch.equal(grid.parts().scale, start.scale) or weight_format.bits == 8
        assert torch.allclose(grid.parts().scale, start.scale, rtol=1e-6, atol=0)


@formats
def test_start_is_what_calibration_found(weight_format: WeightFormat):
    """Whose integers are not the nearest ones."""
    weight, inputs = drawn(3, ROWS, INPUTS), drawn(4, 256, INPUTS, spread=1.0) @ drawn(5, 64, 64)
    start = gptq(weight, inputs.T @ inputs / 256, weight_format)
    assert not torch.equal(start.qdata, rounded(weight, weight_format).qdata)
    grid = LearnedGrid(parts_of(start), weight_format, weight)
    assert torch.equal(grid.parts().qdata, start.qdata)
    assert torch.allclose(grid(), start.dequantize(), rtol=1e-5, atol=1e-6)


@formats
def test_weights_stay_as_far_as_they_round_to_the_start(weight_format: WeightFormat):
    weight = drawn(7, ROWS, INPUTS)
    grid = LearnedGrid(parts_of(rounded(weight, weight_format)), weight_format, weight)
    moved = (grid.weight - weight).abs() > 1e-6
    assert moved.float().mean() < 0.1  # those within a hundredth of a step of a border, or beyond


@given(seed=st.integers(0, 10_000), spread=st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=30, deadline=None)
def test_activations_are_rounded_as_torchao_rounds_them(seed: int, spread: float):
    """Through an identity in its int8 linear layer, whose products are exact."""
    weight = rounded(127.0 * torch.eye(INPUTS), INT8)
    assert torch.equal(weight.dequantize(), 127.0 * torch.eye(INPUTS))
    x = drawn(seed, 5, INPUTS, spread=spread)
    wanted = torch.nn.functional.linear(x, weight) / 127.0
    assert torch.allclose(round_activations(x), wanted, rtol=1e-6, atol=1e-6 * spread)


# --- backward -----------------------------------------------------------------------------------


@formats
def test_clipped_weights_get_no_gradient_and_others_all_of_it(weight_format: WeightFormat):
    grid, levels = grid_of(11, weight_format, moved=1.0), levels_of(weight_format, INPUTS)
    wanted = drawn(12, ROWS, INPUTS, spread=1.0)
    (grid() * wanted).sum().backward()
    parts = grid.parts()
    scale = parts.scale.repeat_interleave(INPUTS // parts.scale.shape[1], 1)
    zero = parts.zero_point.float().repeat_interleave(INPUTS // parts.scale.shape[1], 1)
    free = (grid.weight.detach() / scale + zero).round()
    inside = (free >= levels.low) & (free <= levels.high)
    assert 0 < int(inside.sum()) < inside.numel()
    assert grid.weight.grad is not None
    assert torch.equal(grid.weight.grad, torch.where(inside, wanted, 0.0))


@formats
def test_gradient_of_a_scale_is_that_of_the_loss_with_its_integers_fixed(
    weight_format: WeightFormat,
):
    """Finite differences of scale * round(...), LSQ's function: inside z - free, clipped the
    level; the stored scale is rounded to bf16, so its steps are made by hand."""
    grid = grid_of(21, weight_format, moved=0.3)
    wanted = drawn(22, ROWS, INPUTS, spread=1.0)
    (grid() * wanted).sum().backward()
    assert grid.log_scale.grad is not None
    levels, parts = levels_of(weight_format, INPUTS), grid.parts()
    groups = (ROWS, parts.scale.shape[1], -1)
    z = parts.qdata.view(groups).double()
    scale = parts.scale[..., None].double()
    offset = -parts.zero_point[..., None].double() * scale
    free = (grid.weight.detach().view(groups).double() - offset) / scale
    inside = (free.round() >= levels.low) & (free.round() <= levels.high)

    def loss(log_scale: Tensor) -> Tensor:
        """A step moves the level; inside, the straight-through weight takes its own part back."""
        moved = log_scale.exp()[..., None]
        values = moved * torch.where(inside, z - free, z)
        return (values * wanted.view(groups).double()).sum(-1)

    at, step = grid.log_scale.detach().double(), 1e-6
    slope = (loss(at + step) - loss(at - step)) / (2 * step)
    assert torch.allclose(grid.log_scale.grad.double(), slope, rtol=1e-3, atol=1e-5)


def test_gradient_of_an_offset_is_that_of_its_clipped_weights():
    grid = grid_of(31, INT4_OFFSET, moved=1.0)
    wanted = drawn(32, ROWS, INPUTS, spread=1.0)
    (grid() * wanted).sum().backward()
    assert grid.offset is not None
    assert grid.offset.grad is not None
    assert grid.weight.grad is not None
    clipped = torch.where(grid.weight.grad == 0, wanted, 0.0)
    assert torch.allclose(grid.offset.grad, clipped.view(ROWS, 2, 32).sum(-1), atol=1e-6)


@formats
def test_linear_layer_passes_gradients_to_all_that_it_has(weight_format: WeightFormat):
    layer = LearnedLinear(grid_of(41, weight_format), torch.nn.Parameter(torch.zeros(ROWS)))
    x = drawn(42, 3, INPUTS, spread=1.0).requires_grad_()
    layer(x).square().sum().backward()
    for one in (x, *layer.parameters()):
        assert one.grad is not None
        assert bool(one.grad.isfinite().all())
    wanted = 2 * layer(x).detach() @ layer.grid().detach()
    assert x.grad is not None
    assert torch.allclose(x.grad, wanted, rtol=1e-4, atol=1e-6)

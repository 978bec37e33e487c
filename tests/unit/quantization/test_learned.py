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
from sdk_builder.quantization.grid import IntGrid, from_parts, levels_of, parts_of
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


def in_steps(weight: Tensor, parts: IntGrid) -> Tensor:
    """Weights as integers that were not rounded."""
    size = INPUTS // parts.scale.shape[1]
    scale, zero = (one.float().repeat_interleave(size, 1) for one in parts[1:])
    return weight / scale + zero


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
def test_codes_begin_where_the_weights_are_within_their_steps(weight_format: WeightFormat):
    weight = drawn(7, ROWS, INPUTS)
    parts = parts_of(rounded(weight, weight_format))
    found = LearnedGrid(parts, weight_format, weight).code.detach()
    wanted = in_steps(weight, parts)
    assert ((found - wanted).abs() < 1e-3).float().mean() > 0.9  # others: nearly at a border


@formats
def test_what_is_rounded_begins_all_over_its_cell(weight_format: WeightFormat):
    """So that of many of them some cross into the next cell at each small step, not all later."""
    parts = parts_of(rounded(drawn(7, 64, 256), weight_format))
    grid = LearnedGrid(parts, weight_format)
    assert quarters(grid.code.detach() - parts.qdata, 1.0) == pytest.approx([0.25] * 4, abs=0.02)
    if weight_format.bits == 8:
        return
    mantissas = parts.scale.log2().floor().exp2()
    width = mantissas * 2.0**-7  # of bf16's numbers in that octave
    spread = quarters(grid.log_scale.detach().exp() - parts.scale, width)
    assert spread == pytest.approx([0.25] * 4, abs=0.1)
    if grid.shift is not None:
        moved = grid.shift.detach() + parts.zero_point
        assert (moved != 0).float().mean() > 0.8  # not the largest of each row
        step = (parts.zero_point * parts.scale).abs().amax(1, keepdim=True) / 127 / parts.scale
        assert bool((moved.abs() <= 0.5 * step * 1.001).all())


def quarters(found: Tensor, width: Tensor | float) -> list[float]:
    """The share of `found` in each quarter of a cell that is `width` wide, around 0."""
    places = (found / width + 0.5).clamp(0, 0.999).mul(4).floor().flatten()
    return [float((places == one).float().mean()) for one in range(4)]


@formats
def test_codes_of_calibrated_integers_are_on_the_weights_side_and_spread(
    weight_format: WeightFormat,
):
    """At the border they would all cross back at once."""
    weight, inputs = drawn(3, ROWS, INPUTS), drawn(4, 256, INPUTS, spread=1.0) @ drawn(5, 64, 64)
    parts = parts_of(gptq(weight, inputs.T @ inputs / 256, weight_format))
    z, free = parts.qdata.float(), in_steps(weight, parts)
    moved = (free.round() != z) & (z > z.min()) & (z < z.max())
    far = (LearnedGrid(parts, weight_format, weight).code.detach() - z)[moved]
    assert len(far) > 5
    assert torch.equal(far.sign(), (free - z)[moved].sign())
    assert torch.allclose(
        far.abs(), (free - free.round())[moved].abs().clamp(max=0.4999), atol=1e-3
    )


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
def test_gradient_of_codes_passes_rounding_in_steps(weight_format: WeightFormat):
    """And clipping, since `settle` keeps them where it is right."""
    grid = grid_of(11, weight_format, moved=1.0)
    wanted = drawn(12, ROWS, INPUTS, spread=1.0)
    (grid() * wanted).sum().backward()
    scale = grid.parts().scale
    assert grid.code.grad is not None
    assert torch.allclose(
        grid.code.grad, wanted * scale.repeat_interleave(INPUTS // scale.shape[1], 1)
    )


@formats
def test_codes_that_left_the_grid_settle_at_its_ends(weight_format: WeightFormat):
    grid, levels = grid_of(11, weight_format, moved=1.0), levels_of(weight_format, INPUTS)
    before, codes = grid.parts(), grid.code.detach().clone()
    grid.settle()
    assert not torch.equal(grid.code, codes)
    assert float(grid.code.detach().min()) >= levels.low - 0.5
    assert float(grid.code.detach().max()) <= levels.high + 0.5
    assert torch.equal(grid.parts().qdata, before.qdata)
    inside = (codes > levels.low) & (codes < levels.high)
    assert torch.equal(grid.code[inside], codes[inside])


@formats
def test_gradient_of_a_scale_is_that_of_the_loss_with_its_integers_fixed(
    weight_format: WeightFormat,
):
    """Finite differences; the stored scale is rounded to bf16, so its steps are made by hand."""
    grid = grid_of(21, weight_format, moved=0.3)
    wanted = drawn(22, ROWS, INPUTS, spread=1.0)
    (grid() * wanted).sum().backward()
    assert grid.log_scale.grad is not None
    groups = (*grid.log_scale.shape, -1)
    z = grid.parts().qdata.view(groups).double()
    shift = 0.0 if grid.shift is None else grid.shift.detach().double()[..., None]

    def loss(log_scale: Tensor) -> Tensor:
        values = log_scale.exp()[..., None] * (z + shift)
        return (values * wanted.view(groups).double()).sum(-1)

    at, step = grid.log_scale.detach().double(), 1e-6
    slope = (loss(at + step) - loss(at - step)) / (2 * step)
    assert torch.allclose(grid.log_scale.grad.double(), slope, rtol=1e-3, atol=1e-5)


def test_gradient_of_a_shift_is_that_of_its_whole_group():
    grid = grid_of(31, INT4_OFFSET, moved=1.0)
    wanted = drawn(32, ROWS, INPUTS, spread=1.0)
    (grid() * wanted).sum().backward()
    assert grid.shift is not None
    assert grid.shift.grad is not None
    group = wanted.view(ROWS, 2, 32).sum(-1) * grid.parts().scale
    assert torch.allclose(grid.shift.grad, group, rtol=1e-4, atol=1e-6)


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

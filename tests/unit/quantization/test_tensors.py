"""Quantized values: error bounds, representable scales, and formulas of their own in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from sdk_builder.quantization.formats import FLOAT, INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.reference import StoredWeights
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.quantization.tensors import quantize, quantize_rows, relative_error

GROUP = 32
Floats = NDArray[np.float32]


@st.composite
def weights(draw: st.DrawFn) -> Tensor:
    """``[rows, groups x 32]``, of any scale, some groups and rows of zeros, some with outliers."""
    rows, groups = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    values = torch.randn(rows, groups, GROUP, generator=generator) * 10.0 ** draw(
        st.integers(-6, 4)
    )
    shift = draw(st.sampled_from([0.0, 0.0, 2.0]))
    values += shift * values.abs().mean()
    for row in range(rows):
        for group in range(groups):
            kind = draw(st.sampled_from(["as it is", "as it is", "zero", "outlier", "one sign"]))
            if kind == "zero":
                values[row, group] = 0.0
            elif kind == "outlier":
                values[row, group, draw(st.integers(0, GROUP - 1))] *= 50.0
            elif kind == "one sign":
                values[row, group].abs_()
    return values.view(rows, groups * GROUP)


def stored_as(weight_format: WeightFormat, weight: Tensor) -> Any:
    """torchao's tensor, which has more attributes than torch's."""
    return quantize(weight, weight_format)


def by_group(values: Tensor) -> Tensor:
    return values.view(values.shape[0], -1, GROUP)


def is_bf16(values: Tensor) -> bool:
    return torch.equal(values, values.bfloat16().float())


def test_fp32_is_the_tensor_itself() -> None:
    weight = torch.randn(3, 64)
    assert quantize(weight, FLOAT) is weight
    assert relative_error(weight, weight) == 0.0


@given(weights())
@settings(deadline=None)
def test_int4_is_within_half_a_step_and_never_clips(weight: Tensor) -> None:
    stored = stored_as(INT4, weight)
    error = by_group(stored.dequantize() - weight).abs().amax(-1)
    # A scale rounded down to bf16 leaves up to 8 x 2^-9 of a step at the ends.
    assert bool((error <= (0.5 + 2**-6) * stored.scale).all())
    assert stored.qdata.min() >= -8
    assert stored.qdata.max() <= 7
    assert not bool(stored.zero_point.any())


@pytest.mark.parametrize("weight_format", [INT4, INT4_OFFSET])
@given(weight=weights())
@settings(deadline=None)
def test_scales_of_groups_are_positive_bf16_numbers(weight_format, weight: Tensor) -> None:
    scale = stored_as(weight_format, weight).scale
    assert scale.shape == (weight.shape[0], weight.shape[1] // GROUP)
    assert bool((scale > 0).all())
    assert bool(scale.isfinite().all())
    assert is_bf16(scale)


@pytest.mark.parametrize("weight_format", [INT4, INT4_OFFSET, INT8])
def test_zeros_come_back_as_zeros(weight_format) -> None:
    weight = torch.zeros(2, 64)
    weight[1, 32:] = torch.randn(32)  # a group of zeros beside another one
    found = quantize(weight, weight_format).dequantize()
    assert found[0].abs().max() < 1e-15
    assert found[1, :32].abs().max() < 1e-15
    assert relative_error(torch.zeros(2, 64), quantize(torch.zeros(2, 64), weight_format)) == 0.0


@given(weights())
@settings(deadline=None)
def test_int8_is_within_half_a_step_of_each_row(weight: Tensor) -> None:
    stored = stored_as(INT8, weight)
    step = weight.abs().amax(1, keepdim=True) / 127
    error = (stored.dequantize() - weight).abs()
    assert bool((error <= 0.5001 * step + 1e-18).all())
    assert stored.qdata.dtype == torch.int8
    assert stored.scale.shape == (weight.shape[0], 1)
    assert bool((stored.scale > 0).all())


def numpy_values(stored: Any) -> Floats:
    """``W = s q + o`` for each group, from the stored parts alone."""
    scale, grid = stored.scale.numpy(), by_group(stored.qdata).numpy()
    offset = -stored.zero_point.numpy().astype(np.float64) * scale
    values = scale[..., None].astype(np.float64) * grid + offset[..., None]
    return values.reshape(stored.shape).astype(np.float32)


@pytest.mark.parametrize("weight_format", [INT4, INT4_OFFSET])
@given(weight=weights())
@settings(deadline=None)
def test_dequantize_is_scale_times_grid_plus_offset(weight_format, weight: Tensor) -> None:
    stored = stored_as(weight_format, weight)
    largest = float(weight.abs().max())
    found, expected = stored.dequantize().numpy(), numpy_values(stored)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * largest + 1e-30)


@given(weights())
@settings(deadline=None)
def test_offsets_are_whole_steps_of_their_row(weight: Tensor) -> None:
    stored = stored_as(INT4_OFFSET, weight)
    offset = -stored.zero_point * stored.scale
    step = offset.abs().amax(1, keepdim=True) / 127
    steps = torch.where(step > 0, offset / step, 0.0)
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=2e-3)


@given(weights())
@settings(deadline=None)
def test_offsets_make_the_error_of_a_group_at_most_that_of_its_step_and_offset(
    weight: Tensor,
) -> None:
    stored = stored_as(INT4_OFFSET, weight)
    step = (stored.zero_point * stored.scale).abs().amax(1) / 127
    groups = by_group(weight)
    # The widest level spacing tried covers the spread in ten steps.
    widest = (groups.amax(-1) - groups.amin(-1)) / 10
    bound = 0.51 * widest + step[:, None] + 1e-18
    error = by_group(stored.dequantize() - weight).abs().amax(-1)
    assert bool((error <= bound).all())


def grid_weights(levels: int, seed: int = 0) -> Tensor:
    """As read from a Q4_1 file: 16 (or fewer) levels d q + m for each group, d and m in fp16."""
    generator = np.random.default_rng(seed)
    scale = np.abs(generator.normal(0.02, 0.005, (8, 6, 1))).astype(np.float16).astype(np.float32)
    low = (-7.5 * scale + generator.normal(0, 0.01, scale.shape)).astype(np.float16)
    grid = generator.integers(0, levels, (8, 6, GROUP))
    grid[..., 0], grid[..., 1] = 0, levels - 1  # the ends are used
    return torch.from_numpy((scale * grid + low).astype(np.float32).reshape(8, -1))


@pytest.mark.parametrize("levels", [16, 15, 13, 11])
def test_weights_on_a_grid_come_back_almost_exactly(levels: int) -> None:
    weight = grid_weights(levels)
    with_offset = relative_error(weight, quantize(weight, INT4_OFFSET))
    symmetric = relative_error(weight, quantize(weight, INT4))
    # What is left is the rounding of scales to bf16 and of offsets to int8: the grid is found.
    assert with_offset < 3e-4
    assert with_offset < symmetric / 10


@given(weights())
@settings(deadline=None)
def test_rows_of_int8_with_one_step_a_row(values: Tensor) -> None:
    found, step = quantize_rows(values)
    assert found.dtype == torch.int8
    assert step.shape == values.shape[:1]
    error = (found.float() * step[:, None] - values).abs()
    assert bool((error <= 0.5001 * step[:, None]).all())


def test_relative_error_is_squared_error_over_squared_weight() -> None:
    weight = torch.randn(4, 64)
    stored = quantize(weight, INT4)
    found = numpy_values(stored).astype(np.float64)
    truth = weight.numpy().astype(np.float64)
    expected = ((found - truth) ** 2).sum() / (truth**2).sum()
    assert relative_error(weight, stored) == pytest.approx(expected, rel=1e-4)


# --- seen through a plan --------------------------------------------------------------------


class Two:
    """A checkpoint of two tensors."""

    config = "the configuration"

    def __init__(self) -> None:
        self.tensors = {"norm": torch.ones(64), "matrix": torch.randn(8, 64)}

    def names(self) -> list[str]:
        return list(self.tensors)

    def tensor(self, name: str) -> Tensor:
        return self.tensors[name].clone()


PLAN = {"norm": FLOAT, "matrix": INT4}


def test_source_quantizes_what_the_plan_says_and_notes_the_error() -> None:
    source = QuantizedSource(Two(), PLAN)
    assert type(source.parameter("norm")) is Tensor
    assert source.errors == {}
    stored: Any = source.parameter("matrix")
    assert stored.target_dtype == torch.int4  # type: ignore[attr-defined]  # torch's stubs lack it
    assert set(source.errors) == {"matrix"}
    assert 0 < source.errors["matrix"] < 0.05


def test_stored_weights_read_like_the_checkpoint() -> None:
    checkpoint = Two()
    stored = StoredWeights(checkpoint, PLAN)
    assert (stored.config, stored.names()) == (checkpoint.config, checkpoint.names())
    assert torch.equal(stored.tensor("norm"), checkpoint.tensor("norm"))
    expected = quantize(checkpoint.tensor("matrix"), INT4)
    assert torch.equal(stored.tensor("matrix").dequantize(), expected.dequantize())

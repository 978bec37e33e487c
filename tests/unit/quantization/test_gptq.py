"""Calibrated rounding: what it may choose, and that it pays where it should."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdk_builder.quantization.formats import INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.gptq import gptq, output_error
from sdk_builder.quantization.tensors import quantize

FORMATS = [INT4, INT4_OFFSET, INT4.grouped(64), INT8]


def correlated(inputs: int, seed: int) -> Tensor:
    """Inputs ``[512, in]`` that mostly lie in a space of a few dimensions, as activations do."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(6, inputs, generator=generator)
    found = torch.randn(512, 6, generator=generator) @ mixing
    return found + 0.2 * torch.randn(512, inputs, generator=generator)


def matrix(seed: int, rows: int = 24, inputs: int = 128) -> Tensor:
    return torch.randn(rows, inputs, generator=torch.Generator().manual_seed(seed)) * 0.02


def mean_square_of_outputs(weight: Tensor, stored: Tensor, inputs: Tensor) -> float:
    """The mean over tokens of the squared difference of the outputs, computed from the outputs."""
    return float((inputs @ (stored - weight).T).square().sum(1).mean())


@pytest.mark.parametrize("weight_format", FORMATS, ids=lambda one: one.name)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_outputs_are_closer_than_after_rounding(weight_format: WeightFormat, seed: int):
    weight, inputs = matrix(seed), correlated(128, seed)
    moment = inputs.T @ inputs / len(inputs)
    calibrated = gptq(weight, moment, weight_format).dequantize()
    rounded = quantize(weight, weight_format).dequantize()
    found = mean_square_of_outputs(weight, calibrated, inputs)
    assert found < 0.5 * mean_square_of_outputs(weight, rounded, inputs)


@pytest.mark.parametrize("weight_format", FORMATS, ids=lambda one: one.name)
def test_fitting_scales_and_integers_to_each_other_never_harms(weight_format: WeightFormat):
    weight, inputs = matrix(5), correlated(128, 5)
    moment = inputs.T @ inputs / len(inputs)
    errors = [
        mean_square_of_outputs(
            weight, gptq(weight, moment, weight_format, rounds=rounds).dequantize(), inputs
        )
        for rounds in (0, 1, 3)
    ]
    assert errors[1] < errors[0]
    assert errors[2] <= errors[1] * 1.02  # the damping is part of what is minimized


def test_output_error_is_the_mean_square_of_the_outputs_difference():
    weight, inputs = matrix(7), correlated(128, 7)
    stored = weight + 0.01 * matrix(8)
    moment = inputs.T @ inputs / len(inputs)
    expected = mean_square_of_outputs(weight, stored, inputs)
    assert output_error(weight, stored, moment) == pytest.approx(expected, rel=1e-3)


def test_with_independent_inputs_int8_is_plain_rounding_to_the_same_grid():
    """Without correlation there is nothing to make up for."""
    weight = matrix(3)
    stored = gptq(weight, torch.eye(128), INT8, rounds=0)
    nearest = (weight / stored.scale).round().clamp(-127, 127)
    assert torch.equal(stored.qdata.float(), nearest)


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 9),
    groups=st.integers(1, 4),
    which=st.sampled_from(FORMATS),
    flaw=st.sampled_from(["none", "zero row", "zero inputs", "one sign", "large"]),
)
@settings(max_examples=40, deadline=None)
def test_every_value_can_be_stored(
    seed: int, rows: int, groups: int, which: WeightFormat, flaw: str
):
    size = which.group_size or 32
    weight, inputs = matrix(seed, rows, groups * size), correlated(groups * size, seed)
    if flaw == "zero row":
        weight[0] = 0.0
    elif flaw == "zero inputs":
        inputs[:, : size // 2] = 0.0
    elif flaw == "one sign":
        weight = weight.abs()
    elif flaw == "large":
        weight, inputs = weight * 1e4, inputs * 1e3
    stored = gptq(weight, inputs.T @ inputs / len(inputs), which)
    assert stored.dequantize().isfinite().all()
    assert (stored.scale > 0).all()
    low, high = (-8, 7) if which.bits == 4 else (-127, 127)
    assert low <= int(stored.qdata.min())
    assert int(stored.qdata.max()) <= high
    if which.bits == 4:
        assert torch.equal(stored.scale, stored.scale.bfloat16().float())
    if which.offset:
        offset = -stored.zero_point * stored.scale
        step = offset.abs().amax(1, keepdim=True) / 127
        levels = offset / step.clamp_min(1e-30)
        assert torch.allclose(levels, levels.round(), atol=1e-3)
    else:
        assert not stored.zero_point.any()

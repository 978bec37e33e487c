"""Arithmetic of a step, by PaLM's formula worked out by hand."""

from __future__ import annotations

import pytest

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.presets import PRESETS
from sdk_builder.training.flops import flops_per_token, peak_flops_per_s

SHAPE = {
    "vocab_size": 100,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
LAYERS = 3 * (16 * 8 + 8 * 8 + 3 * 8 * 16 + 2 * 8) + 8


def test_each_parameter_of_a_product_counts_six_times_and_attention_twelve():
    config = ShaktiConfig(**SHAPE)
    expected = 6 * (100 * 8 + LAYERS) + 12 * 3 * 8 * 50
    assert flops_per_token(config, 50, causal=False) == expected
    assert flops_per_token(config, 50, causal=True) == expected - 6 * 3 * 8 * 50


def test_an_embedding_of_its_own_is_looked_up_and_does_not_count():
    tied = flops_per_token(ShaktiConfig(**SHAPE), 50, causal=True)
    config = ShaktiConfig(**SHAPE, tie_word_embeddings=False)
    assert flops_per_token(config, 50, causal=True) == tied


def test_shakti_100m_at_2048_positions():
    """0.59 of 6 N and 0.31 of attention, in 10^9."""
    config = ShaktiConfig(**PRESETS["shakti-100m"].values)
    parameters = PRESETS["shakti-100m"].parameters
    expected = 6 * parameters + 12 * 10 * 10 * 128 * 2048
    assert flops_per_token(config, 2048, causal=False) == expected


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_peak_is_that_of_the_gpu_s_name(name: str, peak: float | None):
    assert peak_flops_per_s(name) == peak

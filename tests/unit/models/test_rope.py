"""Rotary tables equal transformers' own."""

from __future__ import annotations

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import rotate
from sdk_builder.models.rope import inverse_frequencies, rope_tables, rotary_angles

SCALING = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def reference(theta: float, scaling: dict[str, object], length: int) -> tuple[torch.Tensor, ...]:
    config = LlamaConfig(
        hidden_size=128,
        num_attention_heads=2,
        max_position_embeddings=131072,
        rope_parameters={"rope_theta": theta, **(scaling or {"rope_type": "default"})},
    )
    positions = torch.arange(length)[None]
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1), positions)
    return cos[0, :, :32], sin[0, :, :32]


def test_plain_tables_equal_transformers() -> None:
    config = ShaktiConfig(hidden_size=128, num_attention_heads=2, rope_theta=1e5)
    for mine, theirs in zip(rope_tables(config, 4096), reference(1e5, {}, 4096), strict=True):
        assert mine.shape == (4096, 32)
        assert mine.dtype is torch.float32
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_llama_3_tables_equal_transformers() -> None:
    config = ShaktiConfig(
        hidden_size=128, num_attention_heads=2, rope_theta=5e5, rope_scaling=SCALING
    )
    for mine, theirs in zip(
        rope_tables(config, 10000), reference(5e5, SCALING, 10000), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-3)  # angles up to 1e4 radians


def test_angles_of_rows_at_different_positions() -> None:
    config = ShaktiConfig(hidden_size=128, num_attention_heads=2)
    positions = torch.tensor([[0, 1, 2], [5, 6, 7]])
    cos, _ = rotary_angles(inverse_frequencies(config), positions)
    table, _ = rope_tables(config, 8)
    assert torch.equal(cos, table[positions])


def test_scores_depend_on_the_distance_only() -> None:
    config = ShaktiConfig(hidden_size=128, num_attention_heads=2)
    cos, sin = (table[None, :, None] for table in rope_tables(config, 100))
    q, k = torch.randn(2, 1, 1, 1, 64, generator=torch.Generator().manual_seed(0)).double()
    at = lambda x, p: rotate(x, cos[:, p : p + 1].double(), sin[:, p : p + 1].double())  # noqa: E731
    near, far = (at(q, 3) * at(k, 1)).sum(), (at(q, 93) * at(k, 91)).sum()
    torch.testing.assert_close(near, far, rtol=1e-4, atol=1e-5)

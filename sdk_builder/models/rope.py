"""Rotary position embeddings: frequencies and cosine / sine tables.

Notation as in `config.py`: S positions, hd head dimension.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sdk_builder.models.config import ShaktiConfig


def inverse_frequencies(config: ShaktiConfig, device: torch.device | None = None) -> Tensor:
    """Angle per position of each rotary pair, [hd/2] float32, Llama 3 scaling included."""
    half = torch.arange(0, config.head_dim, 2, dtype=torch.int64, device=device).float()
    plain: Tensor = 1.0 / (config.rope_theta ** (half / config.head_dim))
    return plain if config.rope_scaling is None else plain / llama3_factors(config, plain)


def llama3_factors(config: ShaktiConfig, plain: Tensor) -> Tensor:
    """What Llama 3 divides each frequency by, [hd/2] float32: 1 for short wavelengths,
    `factor` for long ones, a smooth blend between."""
    scaling = config.rope_scaling
    assert scaling is not None
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * plain / (2 * math.pi)
    blend = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return 1.0 / ((1.0 - blend) / scaling["factor"] + blend)


def rope_tables(config: ShaktiConfig, length: int) -> tuple[Tensor, Tensor]:
    """(cos, sin) of positions 0 .. length-1, each [length, hd/2] float32."""
    return rotary_angles(inverse_frequencies(config), torch.arange(length))


def rotary_angles(frequencies: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """(cos, sin) for `positions` [..., S] of any integers: each [..., S, hd/2] float32."""
    angles = positions[..., None].float() * frequencies
    return angles.cos(), angles.sin()

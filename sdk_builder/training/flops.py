"""Arithmetic of a training step, and how much of a device's peak it reaches (MFU).

As appendix B of the PaLM paper counts it (arXiv 2204.02311): per token, 6 for each parameter that
takes part in a product, and 12 L H hd S for attention over S positions, as if every position saw
all others; forward and backward, recomputation not counted. A causal mask leaves half of
attention's part, which is stated as well: 6 L H hd S. The embedding is looked up, not multiplied;
a tied table counts once, as the head. Notation as in `models/config.py`.
"""

from __future__ import annotations

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.presets import parameter_count

# Dense bf16 products, operations a second, from the makers' data sheets; the first name that is
# part of the device's own counts.
PEAK_BF16_FLOPS_PER_S = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "H800": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}


def flops_per_token(config: ShaktiConfig, length: int, *, causal: bool) -> float:
    """Of forward and backward, in sequences of `length` tokens."""
    multiplied = parameter_count(config.to_dict())
    if not config.tie_word_embeddings:
        multiplied -= config.vocab_size * config.hidden_size
    width = config.num_attention_heads * config.head_dim
    attention = (6 if causal else 12) * config.num_hidden_layers * width * length
    return float(6 * multiplied + attention)


def peak_flops_per_s(device_name: str) -> float | None:
    """Of a GPU by its name; None for one that the table does not have."""
    return next((peak for name, peak in PEAK_BF16_FLOPS_PER_S.items() if name in device_name), None)

"""What a user may change of a scheme. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.quantization.formats import INT4, INT4_OFFSET, INT8, WeightFormat

# How quantized values are found; "auto" is the best that the model and the scheme allow. "qat": by
# training, which only the folders have that `shakti-sdk train qat` wrote.
METHODS = ("auto", "gptq", "rounding", "qat")
GROUP_SIZES = (32, 64, 128, 256)
EMBEDDINGS: dict[str, WeightFormat] = {one.name: one for one in (INT4, INT4_OFFSET, INT8)}
KV_FORMATS = ("fp32", "int8")


@dataclass(frozen=True)
class QuantOptions:
    """None leaves a choice to the scheme.

    group_size: weights that share an int4 scale; embedding: name of the format of embedding and
    head, see `EMBEDDINGS`; bits: mean effective bits per weight that no plan exceeds.
    """

    group_size: int | None = None
    embedding: str | None = None
    bits: float | None = None

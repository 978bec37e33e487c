"""What a model loses with another attention than the one that it was trained with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdk_builder.attention import USUAL_CHUNK, Pattern, RingCache

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Checkpoint


def perplexity_ratio(checkpoint: Checkpoint, ids: Sequence[int], pattern: Pattern | None) -> float:
    """Perplexity of `ids`, one text, with `pattern` over that with the model's own attention.

    Both are the float model's. Raises CheckpointError.
    """
    from sdk_builder.models.streamed import streamed_losses

    def mean(one: Pattern | None) -> float:
        ring = None if one is None else RingCache(one, USUAL_CHUNK)
        return float(streamed_losses(checkpoint, ids, ring).mean())

    return math.exp(mean(pattern) - mean(checkpoint.config.pattern))

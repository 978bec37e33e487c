"""What logits say about the tokens that came: losses, best tokens, divergence; all in nats."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows at once where whole distributions are needed: their copies then stay in the cache.
_ROWS = 16


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target: ``[N, V]`` and ``[N]`` give ``[N]`` float32."""
    return F.cross_entropy(logits, targets, reduction="none")


def are_best(logits: Tensor, targets: Tensor) -> Tensor:
    """Whether each target is the most likely token, ``[N]`` bool; of equals the first counts."""
    chosen = logits.gather(1, targets[:, None])[:, 0]
    best = chosen == logits.amax(-1)
    if best.any():  # argmax costs seven times as much as amax
        best[best.clone()] = logits[best].argmax(-1) == targets[best]
    return best


def divergences(reference: Tensor, logits: Tensor) -> Tensor:
    """KL divergence of `logits` from `reference` at each position: twice ``[N, V]`` to ``[N]``."""
    parts = []
    for wanted, found in zip(reference.split(_ROWS), logits.split(_ROWS), strict=True):
        log_wanted, log_found = wanted.log_softmax(-1), found.log_softmax(-1)
        parts.append((log_wanted.exp() * (log_wanted - log_found)).sum(-1))
    return torch.cat(parts)

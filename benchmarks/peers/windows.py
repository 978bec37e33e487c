"""Perplexity by llama-perplexity's rule, so that our figures and llama.cpp's compare exactly.

The text's tokens are cut into windows of `window` that do not overlap; what is left at the end is
not used. Each window starts from an empty cache, and its first token is replaced by the BOS token
where the tokenizer adds one. Only predictions made from positions window // 2 to window - 2 count,
so each has at least half a window before it. Perplexity is exp of their mean negative
log-likelihood in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdk_builder.errors import InputError

Score = Callable[[Sequence[int]], Tensor]
"""Ids of one window [S] -> logits of every position [S, V] float32, from an empty cache."""


@dataclass(frozen=True)
class WindowLoss:
    """nll_per_token: mean loss of each window's counted tokens, nats; counted: tokens in all."""

    nll_per_token: tuple[float, ...]
    counted: int

    @property
    def nll(self) -> float:
        """Mean loss of a token, nats (all windows count equally many)."""
        return sum(self.nll_per_token) / len(self.nll_per_token)

    @property
    def perplexity(self) -> float:
        return math.exp(self.nll)


def cut(ids: Sequence[int], window: int, *, bos: int | None, limit: int) -> list[list[int]]:
    """The first `limit` whole windows of `ids`; bos: id that replaces each one's first token.

    Raises InputError for a text of fewer than two windows, as llama-perplexity refuses it.
    """
    count = min(limit, len(ids) // window)
    if len(ids) < 2 * window:
        raise InputError(
            f"The text has {len(ids)} tokens, two windows of {window} are the least.",
            "Give a longer text, or a smaller window.",
        )
    found = [list(ids[at * window : (at + 1) * window]) for at in range(count)]
    return found if bos is None else [[bos, *window_ids[1:]] for window_ids in found]


def counted_loss(logits: Tensor, ids: Sequence[int]) -> float:
    """Mean loss in nats of the tokens of one window that count; logits [S, V] of all positions."""
    first, last = len(ids) // 2, len(ids) - 1
    targets = torch.tensor(ids[first + 1 :])
    return float(torch.nn.functional.cross_entropy(logits[first:last].double(), targets))


def measure(
    score: Score, windows: Sequence[Sequence[int]], said: Callable[[int], None] = lambda _: None
) -> WindowLoss:
    """Loss of each window; `said` is told how many are done."""
    losses = []
    for done, ids in enumerate(windows, 1):
        losses.append(counted_loss(score(ids), ids))
        said(done)
    return WindowLoss(tuple(losses), sum(len(ids) - 1 - len(ids) // 2 for ids in windows))

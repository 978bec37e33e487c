"""Perplexity of the program itself on a text, by a sliding window.

Each window of `window` tokens is run from an empty cache; its first part is context, only the last
`stride` tokens are counted (all of them in the first window), so every counted token but the first
window's has at least ``window - stride`` tokens before it. With the same window, stride and text,
figures of two bundles compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import InputError, UsageError
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

DEFAULT_WINDOW = 1024


@dataclass(frozen=True)
class PerplexityResult:
    """perplexity: exp of the mean negative log-likelihood (nats) of `tokens` counted tokens."""

    perplexity: float
    tokens: int
    window: int
    stride: int


@dataclass(frozen=True)
class Window:
    """Run ids[start:stop], count the predictions of ids[counted:stop]."""

    start: int
    counted: int
    stop: int


def evaluate(
    bundle: Bundle,
    text: str,
    *,
    max_tokens: int | None = None,
    window: int | None = None,
    stride: int | None = None,
    steps: Steps | None = None,
) -> PerplexityResult:
    """Perplexity of `bundle` on the first `max_tokens` tokens of `text`.

    window defaults to 1024, or to the context of the program where that is shorter. stride defaults
    to half the window, and is less than it: the first counted token of a window needs one before
    it. Raises InputError when the text has fewer than two tokens, UsageError when the window does
    not fit the program's context.
    """
    steps = steps or Steps.silent()
    with Session(bundle) as session:
        ids = session.encode(text)[:max_tokens]
        if len(ids) < 2:
            raise InputError("the text has fewer than two tokens", "give a longer text")
        if window is None:
            window = min(DEFAULT_WINDOW, session.engine.context_length)
        return score_ids(session, ids, window, window // 2 if stride is None else stride, steps)


def score_ids(
    session: Session, ids: Sequence[int], window: int, stride: int, steps: Steps
) -> PerplexityResult:
    """As `evaluate`, on token ids."""
    context = session.engine.context_length
    if not 2 <= window <= context or not 1 <= stride < window:
        raise UsageError(
            f"a window of {window} with stride {stride} does not fit a context of {context}",
            "choose 2 <= window <= context and 1 <= stride < window",
        )
    total, counted = 0.0, 0
    with steps.step("Measuring perplexity") as step:
        for part in windows(len(ids), window, stride):
            logits = session.score(ids[part.start : part.stop - 1])
            targets = torch.tensor(ids[part.counted : part.stop])
            kept = logits[part.counted - part.start - 1 :]
            total += float(torch.nn.functional.cross_entropy(kept, targets, reduction="sum"))
            counted += len(targets)
            step.progress(part.stop, len(ids))
    return PerplexityResult(math.exp(total / counted), counted, window, stride)


def windows(length: int, window: int, stride: int) -> Iterator[Window]:
    """Windows that count each of the ids 1 .. length-1 exactly once."""
    counted = 1
    stop = min(window, length)
    while counted < length:
        yield Window(max(0, stop - window), counted, stop)
        counted, stop = stop, min(stop + stride, length)

"""Perplexity of the program itself on a text, by a sliding window.

Each window of `window` tokens is run from an empty cache; its first part is context, only the last
`stride` tokens are counted (all of them in the first window), so every counted token but the first
window's has at least ``window - stride`` tokens before it. With the same window, stride and text,
figures of two bundles compare.

Windows are fed in chunks of the program's own size, and each chunk's logits are read where they
come out: memory does not grow with the window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass

import torch
from torch import Tensor

from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import InputError, UsageError
from sdk_builder.evaluation.journal import Journal
from sdk_builder.evaluation.progress import Progress
from sdk_builder.evaluation.references import Reference, Scores
from sdk_builder.evaluation.token_scores import divergences, losses
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

DEFAULT_WINDOW = 1024


@dataclass(frozen=True)
class Against:
    """A bundle beside its reference, over the same tokens.

    ratio: of the perplexities; ratio_stderr: its standard error, by the differences of the two
    losses token by token; kl: mean divergence from the reference, nats a token; top1: share of
    positions where both find the same token most likely.
    """

    name: str
    perplexity: float
    ratio: float
    ratio_stderr: float
    kl: float
    top1: float


@dataclass(frozen=True)
class PerplexityResult:
    """perplexity: exp of the mean negative log-likelihood (nats) of `tokens` counted tokens.

    nll: that mean; nll_stderr: its standard error, taking tokens as independent.
    """

    perplexity: float
    tokens: int
    window: int
    stride: int
    nll: float
    nll_stderr: float
    against: Against | None = None


@dataclass(frozen=True)
class Window:
    """Run ids[start:stop], count the predictions of ids[counted:stop]."""

    start: int
    counted: int
    stop: int

    @property
    def computed(self) -> int:
        """Tokens that are run: the last one is only predicted."""
        return self.stop - 1 - self.start


@dataclass(frozen=True)
class Sums:
    """Sums over counted tokens; those of parts add up. Losses in nats; `_2` are squares.

    difference: the bundle's loss less the reference's. Zero without a reference.
    """

    tokens: int = 0
    loss: float = 0.0
    loss_2: float = 0.0
    difference: float = 0.0
    difference_2: float = 0.0
    kl: float = 0.0
    agreed: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


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
    with Session(bundle) as session:
        ids = text_ids(session, text, max_tokens)
        return perplexity_of_ids(session.engine, ids, window, stride, steps=steps)


def text_ids(session: Session, text: str, max_tokens: int | None) -> list[int]:
    """The first `max_tokens` tokens of `text`. Raises InputError when there are fewer than two."""
    ids = session.encode(text)[:max_tokens]
    if len(ids) < 2:
        raise InputError("the text has fewer than two tokens", "give a longer text")
    return ids


def perplexity_of_ids(
    engine: Scores,
    ids: Sequence[int],
    window: int | None = None,
    stride: int | None = None,
    *,
    reference: Reference | None = None,
    journal: Journal | None = None,
    steps: Steps | None = None,
) -> PerplexityResult:
    """As `evaluate`, of a loaded program on token ids.

    reference: what to compare with, token by token; journal: windows that it has are not computed
    again, those that are go into it. Raises UsageError.
    """
    contexts = [engine.context_length, *([reference.scores.context_length] if reference else [])]
    context = min(contexts)
    window = min(DEFAULT_WINDOW, context) if window is None else window
    stride = window // 2 if stride is None else stride
    if not 2 <= window <= context or not 1 <= stride < window:
        raise UsageError(
            f"a window of {window} with stride {stride} does not fit a context of {context}",
            "choose 2 <= window <= context and 1 <= stride < window",
        )
    sums = _measure(engine, ids, list(windows(len(ids), window, stride)), reference, journal, steps)
    return _result(sums, window, stride, reference)


def windows(length: int, window: int, stride: int) -> Iterator[Window]:
    """Windows that count each of the ids 1 .. length-1 exactly once."""
    counted = 1
    stop = min(window, length)
    while counted < length:
        yield Window(max(0, stop - window), counted, stop)
        counted, stop = stop, min(stop + stride, length)


def _measure(
    engine: Scores,
    ids: Sequence[int],
    parts: Sequence[Window],
    reference: Reference | None,
    journal: Journal | None,
    steps: Steps | None,
) -> Sums:
    """The sums over all windows."""
    total = Sums()
    with (steps or Steps.silent()).step("Measuring perplexity") as step:
        names = [f"{part.start}:{part.counted}:{part.stop}" for part in parts]
        missing = [
            part
            for part, name in zip(parts, names, strict=True)
            if not (journal and journal.get(name))
        ]
        if len(missing) < len(parts):
            step.note(f"{len(parts) - len(missing)} of {len(parts)} windows were measured before")
        progress = Progress(step, sum(part.computed for part in missing))
        for part, name in zip(parts, names, strict=True):
            known = journal.get(name) if journal else None
            if known is None:
                found = window_sums(engine, ids, part, reference.scores if reference else None)
                if journal:
                    journal.add(name, asdict(found))
                progress.add(part.computed)
            else:
                found = Sums(**known)
            total += found
    return total


def window_sums(engine: Scores, ids: Sequence[int], part: Window, reference: Scores | None) -> Sums:
    """The sums over one window, run from an empty cache."""
    chunk = min(one.max_chunk for one in (engine, reference) if one is not None)
    last = part.stop - 1  # is predicted, and predicts nothing
    total = Sums()
    for at in range(part.start, last, chunk):
        piece = ids[at : min(at + chunk, last)]
        logits = engine.score(piece, at - part.start)
        wanted = reference.score(piece, at - part.start) if reference else None
        first = max(part.counted - 1 - at, 0)
        if first < len(piece):
            targets = torch.tensor(ids[at + first + 1 : at + len(piece) + 1])
            total += _sums(logits[first:], targets, None if wanted is None else wanted[first:])
    return total


def _sums(logits: Tensor, targets: Tensor, reference: Tensor | None) -> Sums:
    """logits and reference ``[N, V]``, targets ``[N]``."""
    loss = losses(logits, targets).double()
    sums = Sums(len(targets), float(loss.sum()), float(loss.square().sum()))
    if reference is None:
        return sums
    difference = loss - losses(reference, targets).double()
    return sums + Sums(
        difference=float(difference.sum()),
        difference_2=float(difference.square().sum()),
        kl=float(divergences(reference, logits).double().sum()),
        agreed=int((reference.argmax(-1) == logits.argmax(-1)).sum()),
    )


def _result(sums: Sums, window: int, stride: int, reference: Reference | None) -> PerplexityResult:
    count = sums.tokens
    nll = sums.loss / count
    against = None
    if reference is not None:
        difference = sums.difference / count
        ratio = math.exp(difference)
        against = Against(
            name=reference.name,
            perplexity=math.exp(nll - difference),
            ratio=ratio,
            ratio_stderr=ratio * _standard_error(sums.difference, sums.difference_2, count),
            kl=sums.kl / count,
            top1=sums.agreed / count,
        )
    error = _standard_error(sums.loss, sums.loss_2, count)
    return PerplexityResult(math.exp(nll), count, window, stride, nll, error, against)


def _standard_error(total: float, squares: float, count: int) -> float:
    """Of the mean of `count` values with this sum and sum of squares; 0 for a single one."""
    if count < 2:
        return 0.0
    variance = max(squares - total * total / count, 0.0) / (count - 1)
    return math.sqrt(variance / count)

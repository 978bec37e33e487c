"""Log-likelihoods of continuations, each shared beginning computed once.

Requests are put in the order of their tokens, so that those with a common beginning follow one
another; the KV cache keeps it, and only what differs is run. Requests that differ in their last
token alone (one-token choices) are read off one position.

int8 activations make a deep model's logits depend on how its input is cut into chunks. A request is
therefore always cut in the same way, whatever came before it: whole chunks as far as its context
goes, the rest of the context, the continuation. Only what was cut so is used again, and a score
depends on the request and the bundle alone: not on the other requests, nor on where a run stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdk_builder.attention import RingCache
from sdk_builder.errors import InputError
from sdk_builder.evaluation.references import Scores
from sdk_builder.evaluation.token_scores import are_best, losses
from sdk_builder.runtime.session import common_prefix


@dataclass(frozen=True)
class Continuation:
    """Score `ids[-count:]` after what is before it; `ids` has at least one token more."""

    ids: tuple[int, ...]
    count: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """What is run: all but the last token, which is only predicted."""
        return self.ids[:-1]


@dataclass(frozen=True)
class Scored:
    """A result: `index` of its request, the continuation's log-likelihood in nats, whether each of
    its tokens was the most likely one, and how many tokens were run for it."""

    index: int
    log_likelihood: float
    greedy: bool
    computed: int


def continuation(context: Sequence[int], tokens: Sequence[int], most: int) -> Continuation:
    """Of `tokens` after `context`, cut from the left to `most` tokens to run.

    Raises InputError for nothing to score, or more than can be run.
    """
    if not context or not tokens:
        raise InputError(
            "There is a request without a context or continuation token.",
            "The task asks for the likelihood of nothing; look at its doc_to_choice.",
        )
    if len(tokens) > most:
        raise InputError(
            f"A continuation has {len(tokens)} tokens, the context is {most}.",
            "Export with a longer --context.",
        )
    return Continuation((*context, *tokens)[-(most + 1) :], len(tokens))


@dataclass(frozen=True)
class _Run:
    """What the program is run on: `inputs`, whose logits matter from position `first` on."""

    inputs: tuple[int, ...] = ()
    first: int = 0

    def whole(self, chunk: int) -> int:
        """How far it is cut into whole chunks."""
        return self.first // chunk * chunk

    def start_after(self, held: _Run, chunk: int) -> int:
        """From where on it has to be run if the cache holds `held`."""
        shared = common_prefix(held.inputs, self.inputs)
        if held.first == self.first <= shared:
            return self.first
        return min(shared // chunk * chunk, held.whole(chunk), self.whole(chunk))

    def pieces(self, start: int, chunk: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(position, ids) of each call from `start` on."""
        at = start
        while at < len(self.inputs):
            stop = min(at + chunk, self.first if at < self.first else len(self.inputs))
            yield at, self.inputs[at:stop]
            at = stop


class ContinuationScorer:
    """Scores continuations on a program, whose score cache no one else may use meanwhile.

    computed_tokens: what the program was run on, over all calls; asked_tokens: what it would have
    been without reuse. ring: of a program with a sliding window, which forgets.
    """

    def __init__(self, engine: Scores, ring: RingCache | None = None) -> None:
        self._ring = ring
        self._written = 0  # positions that the cache has held since it was empty
        self.computed_tokens = 0
        self.asked_tokens = 0
        self._engine = engine
        self._held = _Run()

    def score(self, requests: Sequence[Continuation]) -> Iterator[Scored]:
        """The results as they come, in an order of the scorer's own."""
        for run, indices in _plan(requests):
            before = self.computed_tokens
            members = [requests[index] for index in indices]
            found = self._score(run, members)
            computed = self.computed_tokens - before
            for index, one, (log_likelihood, greedy) in zip(indices, members, found, strict=True):
                self.asked_tokens += len(one.inputs)
                yield Scored(index, log_likelihood, greedy, computed)
                computed = 0  # counted with the first of them

    def score_beside(
        self, one: Continuation, others: Sequence[Continuation]
    ) -> tuple[float, list[float]]:
        """The log-likelihood of `one`, and from the same call an upper bound of each other's.

        A bound is the likelihood of the tokens that the other has in common with `one` and of the
        first that it has not; 0 for one with another context. With int8 activations it is as near
        as another cut is.
        """
        (run, _), *_ = _plan([one])
        known = torch.tensor(one.ids[run.first + 1 :], dtype=torch.long)
        logits = torch.cat([rows for _, rows in self._rows(run)])
        value = -float(losses(logits, known).double().sum())
        normalizers = logits.logsumexp(-1)
        bounds = []
        for other in others:
            targets = torch.tensor(other.ids[run.first + 1 :], dtype=torch.long)
            shared = common_prefix(one.ids, other.ids) - run.first
            count = min(shared, len(known), len(targets)) if shared > 0 else 0
            found = logits[torch.arange(count), targets[:count]] - normalizers[:count]
            bounds.append(float(found.double().sum()))
        return value, bounds

    def cost(self, requests: Sequence[Continuation]) -> int:
        """How many tokens scoring these would run now."""
        held, total = self._held, 0
        for run, _ in _plan(requests):
            total += len(run.inputs) - run.start_after(held, self._engine.max_chunk)
            held = run
        return total

    def _score(self, run: _Run, members: Sequence[Continuation]) -> list[tuple[float, bool]]:
        """(log-likelihood, greedy) of members, which have the run's inputs."""
        lost, best = [torch.empty(0)], [torch.empty(0, dtype=torch.bool)]
        final = torch.empty(0)
        for at, logits in self._rows(run):
            known = torch.tensor(run.inputs[at + 1 : at + 1 + len(logits)], dtype=torch.long)
            lost.append(losses(logits[: len(known)], known))
            best.append(are_best(logits[: len(known)], known))
            final = logits[-1:]  # of the last position when all is done
        shared_losses, shared_best = torch.cat(lost).double(), torch.cat(best)
        targets = torch.tensor([one.ids[-1] for one in members])
        last_losses = losses(final.expand(len(members), -1), targets).double()
        last_best = (targets == final.argmax(-1)).tolist()
        results = []
        for one, last, is_best in zip(members, last_losses, last_best, strict=True):
            mine = slice(len(shared_losses) - (one.count - 1), None)
            total = float(shared_losses[mine].sum() + last)
            results.append((-total, is_best and bool(shared_best[mine].all())))
        return results

    def _rows(self, run: _Run) -> Iterator[tuple[int, Tensor]]:
        """(position, logits ``[n, V]`` from there on) of positions `first` to the last."""
        chunk = self._engine.max_chunk
        start = run.start_after(self._held, chunk)
        if self._ring is not None:
            start = self._ring.reusable(start, self._written)
        self._written = max(len(run.inputs), self._written if start else 0)
        self._held = _Run()  # in case that a call fails
        for at, piece in run.pieces(start, chunk):
            logits = self._engine.score(piece, at)
            self.computed_tokens += len(piece)
            if at >= run.first:
                yield at, logits
        self._held = run


def _plan(requests: Sequence[Continuation]) -> list[tuple[_Run, list[int]]]:
    """Runs in the order of their tokens, with the indices of the requests that each serves.

    Requests share a run if they have the same inputs and the same continuation but for its end.
    """
    together: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for index, one in enumerate(requests):
        first = len(one.ids) - 1 - one.count
        together.setdefault((one.inputs, first), []).append(index)
    return [(_Run(*key), indices) for key, indices in sorted(together.items())]

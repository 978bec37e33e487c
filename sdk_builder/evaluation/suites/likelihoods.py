"""Log-likelihoods of what items ask, on a bundle, by lm-eval's rules of where tokens meet.

Where only the likeliest answer matters, most need not be computed: no answer is likelier than its
first tokens, whose likelihood comes along with that of any answer that begins alike (all have the
first position in common), and one whose beginning is less likely than a whole other answer is out.
Those that are left are scored as any other continuation is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sdk_builder.evaluation.continuations import Continuation, ContinuationScorer, continuation
from sdk_builder.evaluation.journal import Journal, digest
from sdk_builder.evaluation.progress import Progress
from sdk_builder.evaluation.suites.suite import Asked, Item, Suite
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

# With int8 activations a token's likelihood depends a little on the tokens that run with it: how
# far an answer may be from the best before it is out, nats.
_MARGIN = 2.0
_MARGIN_OF_FLOAT = 0.05


@dataclass(frozen=True)
class _Question:
    """An item's continuations. index: of the item."""

    index: int
    wanted: tuple[Continuation, ...]


class Likelihoods:
    """Answers items on a session, which no one else may use meanwhile.

    journal: items that it has are not computed again. truncated: texts that were cut from the left;
    computed_tokens: what was run.
    """

    def __init__(self, session: Session, journal: Journal | None, steps: Steps) -> None:
        self._session = session
        self._info = session.manifest.tokenizer
        self._scorer = ContinuationScorer(session.engine, session.manifest.program.ring)
        self._journal = journal
        self._steps = steps
        is_float = session.manifest.quantization.scheme == "none"
        self._margin = _MARGIN_OF_FLOAT if is_float else _MARGIN
        self.truncated = 0

    @property
    def computed_tokens(self) -> int:
        return self._scorer.computed_tokens

    def of(self, suite: Suite, items: Sequence[Item], title: str) -> list[tuple[float, ...]]:
        """Nats of all that each item asks; of an answer that is out, a number above its own and
        below the best's. title: of the step that shows the progress. Raises InputError."""
        names = [_name(suite, item) for item in items]
        known: dict[int, tuple[float, ...]] = {}
        for index, name in enumerate(names):
            value = None if self._journal is None else self._journal.get(name)
            if value is not None:
                known[index] = tuple(value)
        questions = [
            _Question(index, tuple(map(self._continuation, item.asked)))
            for index, item in enumerate(items)
            if index not in known
        ]
        if questions:
            with self._steps.step(f"{title}: scoring {len(questions)} items") as step:
                progress = Progress(step, len(questions))
                for index, found in self._answers(suite, items, questions):
                    known[index] = found
                    if self._journal is not None:
                        self._journal.add(names[index], list(found))
                    progress.add(1)
        return [known[index] for index in range(len(items))]

    def _answers(
        self, suite: Suite, items: Sequence[Item], questions: Sequence[_Question]
    ) -> Iterator[tuple[int, tuple[float, ...]]]:
        """In the order of their tokens, so that what several begin with is run once."""
        for one in sorted(questions, key=lambda one: one.wanted[0].ids):
            if suite.decisions is None:
                yield one.index, self._all(one.wanted)
            else:
                decisions = suite.decisions(items[one.index])
                score = self._scorer.score_beside
                yield one.index, likeliest(score, one.wanted, decisions, self._margin)

    def _all(self, wanted: Sequence[Continuation]) -> tuple[float, ...]:
        found = {one.index: one.log_likelihood for one in self._scorer.score(wanted)}
        return tuple(found[at] for at in range(len(wanted)))

    def _continuation(self, asked: Asked) -> Continuation:
        context, tokens = self.encode(asked)
        most = self._session.engine.context_length
        self.truncated += len(context) + len(tokens) > most + 1
        return continuation(context, tokens, most)

    def encode(self, asked: Asked) -> tuple[list[int], list[int]]:
        """Context and continuation as lm-eval's `hf` model has them: encoded together and split
        where the context ends, whose last spaces go to the continuation; before a text without
        context stands bos (else eos), unless it begins with that itself."""
        text = asked.context.rstrip()
        if not text:
            first = self._info.eos_ids[0] if self._info.bos_id is None else self._info.bos_id
            ids = self._tokens(asked.context + asked.continuation, add_bos=False)
            return ([first], ids) if ids[:1] != [first] else (ids[:1], ids[1:])
        whole = self._tokens(asked.context + asked.continuation)
        context = self._tokens(text)
        return context, whole[len(context) :]

    def _tokens(self, text: str, *, add_bos: bool = True) -> list[int]:
        ids: list[int] = self._session.tokenizer.encode(text, add_special_tokens=False).ids
        if add_bos and self._info.add_bos:
            assert self._info.bos_id is not None  # the manifest holds no add_bos without it
            return [self._info.bos_id, *ids]
        return ids


def likeliest(
    score: Callable[[Continuation, Sequence[Continuation]], tuple[float, Sequence[float]]],
    wanted: Sequence[Continuation],
    decisions: Sequence[Sequence[int]],
    margin: float,
) -> tuple[float, ...]:
    """Likelihoods of `wanted`, of which the likeliest of each set in `decisions` is exact and every
    other no less than it is, and still less than that one.

    score: as `ContinuationScorer.score_beside`; margin: how far its bounds may be off, nats.
    """
    values = [0.0] * len(wanted)
    exact: set[int] = set()

    def is_out(at: int) -> bool:
        return all(
            any(other in exact and values[other] > values[at] + margin for other in one)
            for one in decisions
            if at in one
        )

    while left := [at for at in range(len(wanted)) if at not in exact and not is_out(at)]:
        best = max(left, key=values.__getitem__)
        value, bounds = score(wanted[best], wanted)
        exact.add(best)
        values = [
            old if at in exact else min(old, bound)
            for at, (old, bound) in enumerate(zip(values, bounds, strict=True))
        ]
        values[best] = value
    return tuple(values)


def _name(suite: Suite, item: Item) -> str:
    """Equal only where all numbers would come out the same."""
    wanted = [[one.context, one.continuation] for one in item.asked]
    decisions = None if suite.decisions is None else [list(one) for one in suite.decisions(item)]
    return digest(["likelihoods", 2, wanted, decisions])

"""Several data, mixed by weights."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from sdk_builder.errors import DataError, UsageError
from sdk_builder.training.data.passes import START, Data, Example, Pass, Position
from sdk_builder.training.data.report import DataReport

Ending: TypeAlias = Literal["stop", "go-on", "repeat"]


@dataclass(frozen=True)
class Part:
    """Data and how often an example is drawn from it, relative to the others' weights."""

    data: Data
    weight: float = 1.0


class Mixture:
    """Examples drawn from the parts at random, by weight and seed; weights count examples, not
    tokens. With one part and "repeat" that part is read for ever.

    ending: when a part has no more examples, the mixture ends ("stop"), goes on with the others
    ("go-on"), or reads that part again in its next epoch's order ("repeat").

    Raises UsageError.
    """

    def __init__(self, parts: Sequence[Part], *, seed: int, ending: Ending = "stop") -> None:
        if not parts or not all(0 < part.weight < math.inf for part in parts):
            raise UsageError(
                f"Weights of {[part.weight for part in parts]} cannot be mixed.",
                "Give at least one part, and each a weight above 0.",
            )
        if ending not in get_args(Ending):
            raise UsageError(f"A mixture's ending is {ending!r}.", "Use stop, go-on or repeat.")
        self.parts, self.seed, self.ending = tuple(parts), seed, ending

    def examples(self, start: Position = START) -> Pass:
        return _MixturePass(self, start)


class _MixturePass:
    def __init__(self, mixture: Mixture, start: Position) -> None:
        self._mixture, self._start = mixture, start
        starts = start.parts or (replace(START, epoch=start.epoch),) * len(mixture.parts)
        if len(starts) != len(mixture.parts):
            raise DataError(
                f"A position in a mixture of {len(starts)} parts does not fit one of "
                f"{len(mixture.parts)}.",
                "Go on with the same parts, or start from the beginning.",
            )
        self._passes = [
            part.data.examples(one) for part, one in zip(mixture.parts, starts, strict=True)
        ]
        self._alive = {at for at, one in enumerate(starts) if not (one.ended or start.ended)}
        self._drawn = start.drawn
        self._random = random.Random(f"{mixture.seed}/{start.epoch}")
        for _ in range(start.drawn):  # one draw an example, whatever part it came from
            self._random.random()

    @property
    def position(self) -> Position:
        return Position(
            epoch=self._start.epoch,
            drawn=self._drawn,
            ended=not self._alive,
            parts=tuple(one.position for one in self._passes),
        )

    @property
    def reports(self) -> tuple[DataReport, ...]:
        return tuple(report for one in self._passes for report in one.reports)

    def __iter__(self) -> Iterator[Example]:
        return self

    def __next__(self) -> Example:
        point = self._random.random()
        while self._alive:
            part = self._part_at(point)
            example = next(self._passes[part], None)
            if example is not None:
                self._drawn += 1
                return example
            self._end(part)
        raise StopIteration

    def _part_at(self, point: float) -> int:
        """The part whose share of the living ones' weights `point`, from 0 to 1, falls into."""
        alive = sorted(self._alive)
        weights = [self._mixture.parts[part].weight for part in alive]
        left = point * sum(weights)
        for part, weight in zip(alive, weights, strict=True):
            left -= weight
            if left < 0:
                return part
        return alive[-1]

    def _end(self, part: int) -> None:
        ending = self._mixture.ending
        if ending == "repeat":
            again = Position(epoch=self._passes[part].position.epoch + 1)
            self._passes[part] = self._mixture.parts[part].data.examples(again)
        elif ending == "go-on":
            self._alive.discard(part)
        else:
            self._alive.clear()

"""A pass over data: an iterator of examples that knows its position and its reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sdk_builder.errors import DataError
from sdk_builder.rows.row import Origin
from sdk_builder.training.data.records import Record
from sdk_builder.training.data.report import DataReport


@dataclass(frozen=True)
class Example:
    """A record and where it came from."""

    record: Record
    origin: Origin


@dataclass(frozen=True)
class Position:
    """How far a pass has come; plain enough for a checkpoint.

    epoch: whose order the rows have. drawn: examples so far in that epoch; rows: those read for
    them. ended: nothing is left. parts: of a mixture.
    """

    epoch: int = 0
    drawn: int = 0
    rows: int = 0
    ended: bool = False
    parts: tuple[Position, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Position:
        """What `as_dict` gave, maybe by way of JSON. Raises DataError."""
        try:
            return cls(
                epoch=int(given["epoch"]),
                drawn=int(given["drawn"]),
                rows=int(given["rows"]),
                ended=bool(given["ended"]),
                parts=tuple(cls.from_dict(one) for one in given["parts"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"This is no position in training data: {given!r}.", "Start from the beginning."
            ) from error


START = Position()


class Pass(Protocol):
    """One way through the data."""

    @property
    def position(self) -> Position:
        """Behind the newest example."""

    @property
    def reports(self) -> tuple[DataReport, ...]:
        """One a source, of what this pass has read of it in its epoch."""

    def __iter__(self) -> Iterator[Example]: ...

    def __next__(self) -> Example: ...


class Data(Protocol):
    """Examples in an order that depends on nothing but the data and the seeds."""

    def examples(self, start: Position = START) -> Pass:
        """A pass that goes on behind `start`. Raises DataError, here or on the way."""


def position_after(data: Data, drawn: int) -> Position:
    """Where a pass is after `drawn` examples of the first epoch. Reads them; a saved Position is
    cheaper. Raises DataError, also if there are fewer."""
    found = data.examples()
    for at in range(drawn):
        if next(found, None) is None:
            raise DataError(
                f"There are only {at} examples, not {drawn}.", "Is this the data of that run?"
            )
    return found.position

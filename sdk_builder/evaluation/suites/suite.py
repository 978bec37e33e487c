"""What a suite is: how rows become items, what is asked, what the answers say. No torch.

An item's outcome is a row of numbers; a metric is computed from their sums (see `statistics`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdk_builder.errors import DataError
from sdk_builder.evaluation.results import Better, Unit
from sdk_builder.evaluation.statistics import Estimator
from sdk_builder.rows.row import Row

Outcome = Mapping[str, float]
EACH = "item"  # the column that counts items


@dataclass(frozen=True)
class Asked:
    """The log-likelihood of `continuation` after `context`; an empty one is a text's beginning."""

    context: str
    continuation: str


@dataclass(frozen=True)
class Item:
    """One item. groups: the categories that it counts in; cluster: what it shares a template with;
    asked: the likelihoods it takes; key: what the outcome needs to know of the row; stratum: what a
    limited choice keeps the share of."""

    where: str
    groups: tuple[str, ...]
    cluster: str
    asked: tuple[Asked, ...]
    key: Any = None
    stratum: str = ""

    @property
    def text(self) -> str:
        """All that is asked, for hashes and orders."""
        return "\x1e".join(f"{one.context}\x1f{one.continuation}" for one in self.asked)


@dataclass(frozen=True)
class MetricOf:
    """One metric. outcome: the column that tells whether an item's answer changed, if one does;
    counts: the column that counts the items that it is over."""

    name: str
    estimator: Estimator
    unit: Unit = "share"
    better: Better | None = None
    outcome: str | None = None
    counts: str = EACH


@dataclass(frozen=True)
class Suite:
    """One suite.

    parse: an item of a row, None for a row that is not of it, raises DataError; score: the outcome
    of an item from the log-likelihoods of what it asked; decisions: sets of what it asked, of each
    of which only the likeliest matters, None where every likelihood does; hub: where the data is,
    if it is not given; hint: what else to give.
    """

    name: str
    title: str
    parse: Callable[[Row], Item | None]
    score: Callable[[Item, Sequence[float]], Outcome]
    metrics: tuple[MetricOf, ...]
    licence: str
    hint: str
    hub: str | None = None
    decisions: Callable[[Item], Sequence[Sequence[int]]] | None = None


def text_of(row: Row, name: str) -> str:
    """A text that is not empty. Raises DataError."""
    found = value_of(row, name)
    if not isinstance(found, str) or not found.strip():
        raise DataError(f"{row.origin}: {name} is no text.", "Mend or remove the row.")
    return found


def value_of(row: Row, name: str) -> Any:
    """The field `name`. Raises DataError where the row has none."""
    if name not in row.fields:
        has = ", ".join(map(str, row.fields)) or "nothing"
        raise DataError(f"{row.origin} has no field {name}; it has {has}.", "Is it that data set?")
    return row.fields[name]


def one_of(row: Row, name: str, known: Sequence[str]) -> str:
    """A text that is one of `known`. Raises DataError."""
    found = text_of(row, name)
    if found not in known:
        raise DataError(f"{row.origin}: {name} is {found!r}.", f"It may be {', '.join(known)}.")
    return found

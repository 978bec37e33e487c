"""What the pages say, as values: every printer shows the same cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sdk_builder.report.drawing import Drawing


@dataclass(frozen=True)
class Column:
    """A column's head. Numbers stand to the right; numbers and codes are never broken."""

    name: str
    kind: Literal["text", "number", "code"] = "text"

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.kind == "number"


Mark = Literal["", "measured", "published", "missing"]
# A value that is missing says so itself.
MARK_WORDS: Mapping[Mark, str] = MappingProxyType(
    {"": "", "measured": "measured here", "published": "published by the paper", "missing": ""}
)


@dataclass(frozen=True)
class Cell:
    """A value, and what stands small below it; `mark`: whose value it is, where that is asked."""

    text: str
    detail: str = ""
    mark: Mark = ""

    @property
    def whose(self) -> str:
        """The mark in words."""
        return MARK_WORDS[self.mark]


@dataclass(frozen=True)
class Table:
    """A table; `name` is its anchor, `empty` what is said instead of one without rows.

    The first cell of a row is its head.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    empty: str = ""


@dataclass(frozen=True)
class Warned:
    """Something that weakens a number, and the results that it is about (none: all)."""

    text: str
    where: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} ({'; '.join(self.where)})" if self.where else self.text


@dataclass(frozen=True)
class Provenance:
    """Where a result's numbers come from: terms and what they are."""

    label: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Content:
    """The whole report."""

    title: str
    lead: tuple[str, ...]
    headline: Table
    warnings: tuple[Warned, ...]
    drawings: tuple[Drawing, ...]
    tables: tuple[Table, ...]
    method: tuple[str, ...]
    provenance: tuple[Provenance, ...]

"""What became of the rows of a source: how many were kept, and why others were dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdk_builder.rows.row import Origin, Reason

EXAMPLES = 3  # kept for each reason


@dataclass(frozen=True)
class Dropped:
    """A dropped row's place, and what was wrong with it."""

    origin: Origin
    detail: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.detail}"


@dataclass(frozen=True)
class DataReport:
    """Rows of one source in one pass. read = kept + those dropped; bad shards are files of which
    (the rest) could not be read."""

    source: str
    read: int
    kept: int
    dropped: Mapping[Reason, int]
    examples: Mapping[Reason, tuple[Dropped, ...]]  # the first ones; bad shards, too
    bad_shards: int = 0

    @property
    def dropped_share(self) -> float:
        """Of the rows read; 0 where there were none."""
        return (self.read - self.kept) / self.read if self.read else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": self.source,
            "read": self.read,
            "kept": self.kept,
            "dropped": {reason.value: count for reason, count in self.dropped.items()},
            "bad_shards": self.bad_shards,
            "examples": {
                reason.value: [str(one) for one in some] for reason, some in self.examples.items()
            },
        }

    def summary(self) -> str:
        """One line, reasons by their number."""
        by_count = sorted(self.dropped.items(), key=lambda one: (-one[1], one[0].value))
        why = ", ".join(f"{count} {reason}" for reason, count in by_count)
        shards = f"; {self.bad_shards} bad shards" if self.bad_shards else ""
        kept = f"{self.source}: {self.kept} of {self.read} rows kept"
        return f"{kept} ({why}){shards}" if why else f"{kept}{shards}"


@dataclass
class Tally:
    """Counts a pass; `report` is what it has come to."""

    source: str
    read: int = 0
    kept: int = 0
    bad_shards: int = 0
    dropped: dict[Reason, int] = field(default_factory=dict)
    examples: dict[Reason, list[Dropped]] = field(default_factory=dict)

    def keep(self) -> None:
        self.read += 1
        self.kept += 1

    def drop(self, reason: Reason, origin: Origin, detail: str) -> None:
        some = self.examples.setdefault(reason, [])
        if len(some) < EXAMPLES:
            some.append(Dropped(origin, detail))
        if reason is Reason.BAD_SHARD:
            self.bad_shards += 1
            return
        self.read += 1
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    @property
    def report(self) -> DataReport:
        examples = {reason: tuple(some) for reason, some in self.examples.items()}
        return DataReport(
            self.source, self.read, self.kept, dict(self.dropped), examples, self.bad_shards
        )

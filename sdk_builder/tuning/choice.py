"""What a search found: rows, the front, which row to take. Pure functions, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sdk_builder.tuning.pareto import front
from sdk_builder.tuning.records import Measurement
from sdk_builder.tuning.space import Planned

Status = Literal["measured", "failed", "too large", "not tried"]


@dataclass(frozen=True)
class Limits:
    """The user's; None is no limit. size_bytes: of the program; ratio: perplexity over float."""

    size_bytes: int | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Row:
    """One candidate in the end.

    ratio: perplexity over the float model's; reason: why it was not measured; meets: both limits;
    reused: read back, not measured now.
    """

    planned: Planned
    status: Status
    measured: Measurement | None = None
    ratio: float | None = None
    reason: str = ""
    on_front: bool = False
    meets: bool = False
    reused: bool = False

    @property
    def size_bytes(self) -> int:
        """Of the program; predicted where there is none."""
        return self.measured.size_bytes if self.measured else self.planned.size_bytes

    @property
    def bits_per_weight(self) -> float:
        """As `size_bytes`."""
        return self.measured.bits_per_weight if self.measured else self.planned.bits_per_weight


def judge(rows: Sequence[Row], limits: Limits, *, with_speed: bool = False) -> tuple[Row, ...]:
    """`rows` with their marks: on the front of size and ratio, and within the limits.

    Where KV caches differ in size, it counts as a cost, too; with_speed: so does slow decoding.
    """
    measured = [index for index, row in enumerate(rows) if row.measured is not None]
    marked = {measured[at] for at in front(_costs([rows[at] for at in measured], with_speed))}
    return tuple(
        replace(row, on_front=index in marked, meets=_meets(row, limits))
        for index, row in enumerate(rows)
    )


def recommend(rows: Sequence[Row], limits: Limits) -> Row | None:
    """The row to take, of those within the limits.

    With a limit of the ratio the smallest, else the one with the best quality; size, quality and
    the KV cache decide between equals. None where no row is within the limits.
    """
    meeting = [row for row in rows if row.meets]

    def cost(row: Row) -> tuple[float, ...]:
        assert row.ratio is not None
        size, quality = float(row.size_bytes), row.ratio
        first = (size, quality) if limits.ratio is not None else (quality, size)
        return (*first, *_kv(row))

    return min(meeting, key=cost, default=None)


def _costs(rows: Sequence[Row], with_speed: bool) -> list[tuple[float, ...]]:
    caches = len({_kv(row) for row in rows}) > 1
    return [
        (
            float(row.size_bytes),
            row.ratio or 0.0,
            *(_kv(row) if caches else ()),
            *((-_decode(row),) if with_speed else ()),
        )
        for row in rows
    ]


def _kv(row: Row) -> tuple[float, ...]:
    return (float((row.measured and row.measured.kv_bytes) or 0),)


def _decode(row: Row) -> float:
    return (row.measured and row.measured.decode_ratio) or 0.0


def _meets(row: Row, limits: Limits) -> bool:
    if row.measured is None or row.ratio is None:
        return False
    small = limits.size_bytes is None or row.size_bytes <= limits.size_bytes
    return small and (limits.ratio is None or row.ratio <= limits.ratio)

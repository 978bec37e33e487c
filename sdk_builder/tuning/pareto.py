"""Which of several measured points nobody beats. No torch."""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]
"""Costs, less is better; all points of a comparison have the same ones."""


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is nowhere worse than `other` and somewhere better."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def front(points: Sequence[Point]) -> tuple[int, ...]:
    """Indices of the points that no other dominates, by increasing first cost.

    Of equal points all are on the front.
    """
    order = sorted(range(len(points)), key=lambda index: tuple(points[index]))
    kept: list[int] = []
    for index in order:  # whatever dominates a point comes before it
        if not any(dominates(points[other], points[index]) for other in kept):
            kept.append(index)
    return tuple(kept)

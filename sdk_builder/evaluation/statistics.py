"""Intervals and tests for numbers over items that come in clusters. numpy only.

A metric is a function of sums over the items (hits, trials, ...), so that a resample is a weighted
sum and thousands of them are one matrix product. Items that share a template are drawn together:
taken one by one they would make an interval too narrow (the cluster bootstrap, Field and Welsh,
J. R. Stat. Soc. B 69, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
Floats = NDArray[np.float64]
Sums = Mapping[str, Floats]
Estimator = Callable[[Sums], Floats]
"""Sums by name, each ``[N]`` -> the metric ``[N]``, NaN where it is not defined."""

_CHUNK = 250  # resamples at once, for memory's sake
_LEAST_CLUSTERS = 2


@dataclass(frozen=True)
class Table:
    """What is summed: columns ``[items]`` by name, and the cluster ``[items]`` of each item."""

    columns: Mapping[str, Floats]
    clusters: NDArray[np.int64]

    @property
    def size(self) -> int:
        """How many items."""
        return len(self.clusters)

    def by_cluster(self) -> Floats:
        """Sums of each cluster, ``[clusters, columns]``."""
        found = np.zeros((int(self.clusters.max(initial=-1)) + 1, len(self.columns)))
        for at, column in enumerate(self.columns.values()):
            np.add.at(found[:, at], self.clusters, column)
        return found


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """Of a paired comparison: first − second, its interval, and the p-value of no difference."""

    value: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def table(rows: Sequence[Mapping[str, float]], clusters: Sequence[str]) -> Table:
    """Rows of the same names, each in a cluster."""
    names = list(rows[0]) if rows else []
    columns = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
    order = {one: at for at, one in enumerate(dict.fromkeys(clusters))}
    return Table(columns, np.array([order[one] for one in clusters], dtype=np.int64))


def value_of(found: Table, estimator: Estimator) -> float | None:
    """The metric over all items; None without any."""
    if not found.size:
        return None
    sums = found.by_cluster().sum(0)
    return _number(estimator(_named(found, sums[None]))[0])


def estimate(
    found: Table, estimator: Estimator, *, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """The metric with its percentile interval over `RESAMPLES` of the clusters.

    There is no interval with less than two clusters, nor where half of the resamples say nothing.
    """
    value = value_of(found, estimator)
    if value is None:
        return Estimate(None)
    clusters = found.by_cluster()
    if len(clusters) < _LEAST_CLUSTERS:
        return Estimate(value)
    drawn = np.concatenate(
        [estimator(_named(found, w @ clusters)) for w in _weights(len(clusters), seed)]
    )
    return Estimate(value, *_interval(drawn, confidence))


def difference(
    first: Table,
    second: Table,
    estimator: Estimator,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The metric of `first` less that of `second`, which are of the same items in the same order.

    The interval resamples clusters for both at once. The p-value is of a permutation test: if the
    two did not differ, each cluster's outcomes might as well be exchanged (Good, Permutation,
    Parametric and Bootstrap Tests of Hypotheses, 2005). Raises ValueError for other items.
    """
    if not np.array_equal(first.clusters, second.clusters):
        raise ValueError("a paired comparison is of the same items in the same order")
    one, other = value_of(first, estimator), value_of(second, estimator)
    if one is None or other is None:
        return Difference(None)
    a, b = first.by_cluster(), second.by_cluster()
    if len(a) < _LEAST_CLUSTERS:
        return Difference(one - other)
    drawn = np.concatenate(
        [
            estimator(_named(first, w @ a)) - estimator(_named(second, w @ b))
            for w in _weights(len(a), seed)
        ]
    )
    low, high = _interval(drawn, confidence)
    return Difference(one - other, low, high, _p_value(first, a, b, estimator, one - other, seed))


def _p_value(
    named: Table, a: Floats, b: Floats, estimator: Estimator, found: float, seed: int
) -> float:
    generator = np.random.default_rng(seed)
    total, apart = a + b, a - b
    as_far = 0
    for _ in range(RESAMPLES // _CHUNK):
        signs = generator.choice((-1.0, 1.0), (_CHUNK, len(a)))
        half = signs @ apart
        exchanged = estimator(_named(named, (total.sum(0) + half) / 2)) - estimator(
            _named(named, (total.sum(0) - half) / 2)
        )
        # What is not defined there is no evidence of a difference.
        as_far += int((~(np.abs(exchanged) < abs(found) - 1e-12)).sum())
    return (1 + as_far) / (1 + RESAMPLES)


def _weights(count: int, seed: int) -> Sequence[Floats]:
    """How often each of `count` clusters is drawn, ``[chunk, count]`` for each chunk."""
    generator = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    return [
        generator.multinomial(count, even, size=_CHUNK).astype(np.float64)
        for _ in range(RESAMPLES // _CHUNK)
    ]


def _interval(drawn: Floats, confidence: float) -> tuple[float | None, float | None]:
    known = drawn[~np.isnan(drawn)]
    if 2 * len(known) < len(drawn):
        return None, None
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def _named(found: Table, sums: Floats) -> Sums:
    """``[N, columns]`` as columns by name."""
    return {name: sums[:, at] for at, name in enumerate(found.columns)}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def share(hits: str, of: str) -> Estimator:
    """Σ hits / Σ of."""

    def found(sums: Sums) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(sums[of] > 0, sums[hits] / sums[of], np.nan)

    return found

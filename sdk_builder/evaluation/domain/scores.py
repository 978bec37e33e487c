"""Scores of items as metrics of a suite, with bootstrap intervals. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk_builder.evaluation.domain.items import DOMAINS, KINDS, DomainItem
from sdk_builder.evaluation.results import ALL, Metric

METRICS = {
    "relevancy": "answer_relevancy",
    "summarization": "summarization",
    "factual": "factual",
}
RESAMPLES = 2000
_CONFIDENCE = 0.95


def summarized(
    items: Sequence[DomainItem], scores: Sequence[float], seed: int
) -> tuple[Metric, ...]:
    """The mean of each kind over all domains and in each one; None where there is no item."""
    return tuple(
        _metric(
            METRICS[kind],
            group,
            [
                score
                for item, score in zip(items, scores, strict=True)
                if item.kind == kind and group in (ALL, item.domain)
            ],
            seed,
        )
        for kind in KINDS
        for group in (ALL, *DOMAINS)
    )


def _metric(name: str, group: str, scores: Sequence[float], seed: int) -> Metric:
    low, high = interval(scores, seed)
    return Metric(
        metric=name,
        group=group,
        value=float(np.mean(np.sort(scores))) if scores else None,
        low=low,
        high=high,
        items=len(scores),
        unit="share",
        better="higher",
    )


def interval(scores: Sequence[float], seed: int) -> tuple[float | None, float | None]:
    """The percentile bootstrap's 95 % interval of the mean; None, None for fewer than two.

    The order of scores does not matter.
    """
    if len(scores) < 2:
        return None, None
    values = np.sort(np.asarray(scores, np.float64))
    chance = np.random.default_rng(seed)
    means = [values[chance.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)

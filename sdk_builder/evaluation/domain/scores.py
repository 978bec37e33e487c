"""Scores of items as metrics of a suite, and what differs between two bundles. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdk_builder.evaluation.domain.items import DOMAINS, KINDS, DomainItem
from sdk_builder.evaluation.results import ALL, Comparison, Metric
from sdk_builder.evaluation.statistics import Table, difference, estimate, share, table

METRICS = {
    "relevancy": "answer_relevancy",
    "summarization": "summarization",
    "factual": "factual",
}
_MEAN = share("score", "item")


def summarized(
    items: Sequence[DomainItem], scores: Sequence[float], seed: int
) -> tuple[Metric, ...]:
    """The mean of each kind over all domains and in each one; None where there is no item."""
    return tuple(
        _metric(METRICS[kind], group, _table(items, scores, kind, group), seed)
        for kind in KINDS
        for group in (ALL, *DOMAINS)
    )


def compared(
    items: Sequence[DomainItem],
    of: Sequence[float],
    against: Sequence[float],
    labels: tuple[str, str],
    seed: int,
) -> Iterator[Comparison]:
    """Each kind's mean over all domains, of one bundle less the other's on the same items."""
    for kind in KINDS:
        first, second = (_table(items, scores, kind, ALL) for scores in (of, against))
        found = difference(first, second, _MEAN, seed=seed)
        yield Comparison(
            suite="domain",
            metric=METRICS[kind],
            of=labels[0],
            against=labels[1],
            difference=found.value,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            items=first.size,
        )


def _table(items: Sequence[DomainItem], scores: Sequence[float], kind: str, group: str) -> Table:
    rows = [
        {"item": 1.0, "score": score}
        for item, score in zip(items, scores, strict=True)
        if item.kind == kind and group in (ALL, item.domain)
    ]
    return table(rows, [str(at) for at in range(len(rows))])


def _metric(name: str, group: str, found: Table, seed: int) -> Metric:
    result = estimate(found, _MEAN, seed=seed)
    return Metric(
        metric=name,
        group=group,
        value=result.value,
        low=result.low,
        high=result.high,
        items=found.size,
        unit="share",
        better="higher",
    )

"""From outcomes of items to metrics by group, and what differs between two bundles. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sdk_builder.evaluation.results import ALL, Comparison, Metric
from sdk_builder.evaluation.statistics import Table, difference, estimate, table
from sdk_builder.evaluation.suites.suite import Item, MetricOf, Outcome, Suite

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scored:
    """Items and their outcomes on one bundle; label: what it is called in comparisons."""

    label: str
    items: tuple[Item, ...]
    outcomes: tuple[Outcome, ...]

    def group(self, name: str) -> Table:
        """The table of a group's items."""
        chosen = [at for at, item in enumerate(self.items) if name in (ALL, *item.groups)]
        rows = [self.outcomes[at] for at in chosen]
        return table(rows, [self.items[at].cluster for at in chosen])

    @property
    def groups(self) -> tuple[str, ...]:
        """`ALL`, then the groups in the order of their names; not those that say the same as it."""
        names = sorted({name for item in self.items for name in item.groups})
        return (ALL, *(names if len(names) > 1 else ()))


def metrics_of(suite: Suite, scored: Scored, seed: int = 0) -> Iterator[Metric]:
    """Every metric of every group, with its interval."""
    for group in scored.groups:
        found = scored.group(group)
        for one in suite.metrics:
            result = estimate(found, one.estimator, confidence=CONFIDENCE, seed=seed)
            yield Metric(
                metric=one.name,
                group=group,
                value=result.value,
                low=result.low,
                high=result.high,
                items=_count(one, found),
                unit=one.unit,
                better=one.better,
            )


def comparisons_of(
    suite: Suite, of: Scored, against: Scored, seed: int = 0
) -> Iterator[Comparison]:
    """Every metric of all items, of one bundle less the other's. Raises ValueError where their
    items are not the same."""
    if [item.text for item in of.items] != [item.text for item in against.items]:
        raise ValueError("a paired comparison is of the same items in the same order")
    first, second = of.group(ALL), against.group(ALL)
    for one in suite.metrics:
        found = difference(first, second, one.estimator, confidence=CONFIDENCE, seed=seed)
        yield Comparison(
            suite=suite.name,
            metric=one.name,
            of=of.label,
            against=against.label,
            difference=found.value,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            items=_count(one, first),
            changed=_changed(one, of.outcomes, against.outcomes),
            unit=one.unit,
        )


def _count(metric: MetricOf, found: Table) -> int:
    return int(found.columns[metric.counts].sum()) if found.size else 0


def _changed(
    metric: MetricOf, outcomes: Sequence[Outcome], others: Sequence[Outcome]
) -> int | None:
    if metric.outcome is None:
        return None
    name = metric.outcome
    return sum(a[name] != b[name] for a, b in zip(outcomes, others, strict=True))

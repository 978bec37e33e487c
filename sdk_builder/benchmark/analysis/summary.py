"""A result file in a few lines: each case's median and quartiles, as `bench` prints them."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.benchmark.analysis.statistics import median, spread
from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Sample
from sdk_builder.benchmark.results import Results


@dataclass(frozen=True)
class CaseRow:
    """A case's valid samples in numbers: tokens/s, or ms for what has no tokens to count."""

    case: str
    samples: int
    invalid: int
    median: float
    low_quartile: float
    high_quartile: float
    unit: str


def case_rows(results: Results) -> tuple[CaseRow, ...]:
    """A row for each case of the plan that has a valid sample."""
    rows = []
    for case in results.run.plan.cases:
        valid = results.valid_of(case)
        if valid:
            rows.append(_row(case, valid, results))
    return tuple(rows)


def peak_memory_bytes(results: Results) -> int | None:
    """The largest resident set that any process of the run reached; None: not known."""
    return max((one.peak_memory_bytes or 0 for one in results.samples), default=0) or None


def in_ms(case: Case) -> bool:
    """Whether a case is a time for people, not a rate."""
    return case.kind in ("load", "ttft")


def _row(case: Case, valid: tuple[Sample, ...], results: Results) -> CaseRow:
    values = [one.duration_ms if in_ms(case) else one.rate or 0.0 for one in valid]
    around = spread(values)
    invalid = sum(one.case == case for one in results.invalid)
    unit = "ms" if in_ms(case) else "tokens/s"
    return CaseRow(case.id, len(valid), invalid, median(values), around.q25, around.q75, unit)

"""The numbers of a run that a reader asks for first, and how numbers are written."""

from __future__ import annotations

import re
from functools import lru_cache

from sdk_builder.benchmark.analysis.energy import Energy, NotMeasured, energy_per_token
from sdk_builder.benchmark.analysis.statistics import Summary, summarize
from sdk_builder.report.dataset import CaseSamples, Result, case_order

MIB = 1024 * 1024
FEWEST_SAMPLES = 5  # a case with fewer is marked


def summary_of(series: CaseSamples) -> Summary | None:
    """Median, interval and spread of a case's valid samples; None where it has none."""
    return _summary(series.values) if series.valid else None


@lru_cache(maxsize=4096)
def _summary(values: tuple[float, ...]) -> Summary:
    return summarize(values)


def energy_of(series: CaseSamples) -> Energy | NotMeasured:
    """Energy of a token of the case, or why it is not measured."""
    return energy_per_token(series.case, series.result.samples, seen=series.result.samples)


def headline_case(result: Result, kind: str) -> CaseSamples | None:
    """The case of a kind that stands for the run, among those that have valid samples.

    An empty KV cache (or the least depth); the runtime's own choice of threads, or else the
    setting with the best median; the most tokens.
    """
    found = result.of_kind(kind)
    if not found:
        return None
    least = min(series.case.depth for series in found)
    found = tuple(series for series in found if series.case.depth == least)
    own_choice = tuple(series for series in found if series.case.threads is None)
    if own_choice:
        return max(own_choice, key=lambda series: case_order(series.case))
    most = max(series.case.tokens for series in found)
    longest = [series for series in found if series.case.tokens == most]
    sign = 1 if kind in ("prefill", "decode") else -1  # tokens/s, or ms
    return max(longest, key=lambda series: sign * _summary(series.values).median)


def peak_memory(result: Result) -> tuple[float, ...]:
    """The peak resident set in MiB of each process that measured a valid sample."""
    peaks: dict[int, int] = {}
    for sample in result.valid:
        if sample.peak_memory_bytes is not None:
            peaks[sample.attempt] = max(peaks.get(sample.attempt, 0), sample.peak_memory_bytes)
    return tuple(peak / MIB for peak in peaks.values())


def show(value: float) -> str:
    """A number for people, three digits or all whole ones: 0.0713, 7.13, 71.3, 713, 7131."""
    if 0 < abs(value) < 0.9995:
        return f"{value:.3g}"
    for digits, below in ((2, 9.995), (1, 99.95)):
        if abs(value) < below:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def show_range(low: float, high: float) -> str:
    """An interval for people."""
    return f"{show(low)} to {show(high)}"


def when(text: str) -> str:
    """A record's time for people: ``2026-11-24 03:06:41 UTC``; as it is if it is no such time."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$", r"\1 \2 UTC", text)


def join(*parts: str) -> str:
    """The parts that are not empty, with a middle dot between them."""
    return " · ".join(part for part in parts if part)


def counted(count: int, one: str, many: str = "") -> str:
    """``1 sample``, ``2 samples``."""
    return f"{count} {one if count == 1 else many or one + 's'}"

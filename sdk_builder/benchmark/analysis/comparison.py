"""Is NEW slower than BASE? The decision behind `shakti-sdk compare`.

Each case that both sides measured is tested by itself: "NEW's durations are longer than BASE's
by more than the margin" has to be shown against everything that moves durations without a
change: noise and heating within a run (`shift.ShiftTest`), and the offset that a run has as a
whole. The offset's standard deviation is given by the user, or estimated where both sides bring
enough runs, or assumed (`RUN_TO_RUN_SD`). Holm's procedure holds the chance of any false alarm,
over all cases together, at 1 - confidence.

A case that has too few samples to be decided, whatever they say, is told apart from one in
which nothing was found. Ratios are NEW's duration over BASE's: above 1 is slower.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sdk_builder.benchmark.analysis.shift import (
    ROUNDING,
    Offset,
    ShiftTest,
    holm,
    sizes_needed,
    smallest_p,
)
from sdk_builder.benchmark.analysis.statistics import CONFIDENCE, MAD_TO_SD, median
from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Run, Sample
from sdk_builder.errors import InconclusiveError, InputError, RegressionFound, UsageError

MARGIN = 0.03
POWER = 0.8  # at which the detectable ratio is stated
# Whole runs of the same thing on one phone are 1 to 2 % apart (temperature at the start, other
# processes, where the memory lies); their standard deviation, as a share of the duration.
RUN_TO_RUN_SD = 0.015
# Fewer degrees of freedom than three runs a side give make an estimate worse than the assumption.
_LEAST_DF = 4

Verdict = Literal["regression", "faster", "no_regression_shown", "not_enough_samples"]
Difference = Literal["devices", "plans", "runtimes"]
OffsetSource = Literal["given", "estimated", "assumed"]


@dataclass(frozen=True)
class Measured:
    """One result file: its first line and its samples, invalid ones included."""

    run: Run
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class CaseComparison:
    """One case, both sides.

    ratio: the median of all NEW/BASE ratios of durations (Hodges and Lehmann), with its interval
    low to high at the comparison's confidence; each None without samples, the interval also
    where there are too few. p_value: of "slower by at most the margin", Holm's correction
    included; None where not tested. detectable_ratio: the true ratio that a test of this size
    and noise would call a regression in 80 of 100 comparisons (approximate).
    samples_needed: valid samples that each side needs, where there are not enough.
    """

    case: Case
    base_ms: tuple[float, ...]
    new_ms: tuple[float, ...]
    verdict: Verdict
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    detectable_ratio: float | None = None
    samples_needed: int | None = None
    run_to_run_sd: float = 0.0
    run_to_run: OffsetSource = "assumed"


@dataclass(frozen=True)
class Comparison:
    """All cases that both sides planned; base_only and new_only are those of one side alone."""

    margin: float
    confidence: float
    cases: tuple[CaseComparison, ...]
    base_only: tuple[str, ...] = ()
    new_only: tuple[str, ...] = ()

    def having(self, verdict: Verdict) -> tuple[CaseComparison, ...]:
        """The cases with this verdict."""
        return tuple(case for case in self.cases if case.verdict == verdict)

    def raise_if_bad(self) -> None:
        """Raise RegressionFound if a case is worse, else InconclusiveError if one is undecided."""
        if worse := self.having("regression"):
            named = ", ".join(f"{c.case.id} ({(c.ratio or 1) - 1:+.1%})" for c in worse)
            raise RegressionFound(
                f"Slower by more than {self.margin:.1%}, at {self.confidence:.0%} confidence: "
                f"{named}.",
                "Measure both sides again to be sure; accept it with a larger margin.",
            )
        if undecided := self.having("not_enough_samples"):
            needed = max(case.samples_needed or 1 for case in undecided)
            raise InconclusiveError(
                f"Not enough samples to decide: {', '.join(c.case.id for c in undecided)}.",
                f"Measure at least {needed} rounds on each side.",
            )


def compare(
    base: Sequence[Measured],
    new: Sequence[Measured],
    *,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
    run_to_run_sd: float | None = None,
    across: Collection[Difference] = (),
) -> Comparison:
    """Test every case of NEW against BASE; each side is one run, or several of the same thing.

    margin: the share by which NEW may be slower. run_to_run_sd: of whole runs, as a share of the
    duration; None: estimated from three or more runs a side, else RUN_TO_RUN_SD; 0 claims that
    both sides saw the very same conditions. across: what may differ between the sides.
    Raises UsageError for numbers that make no sense; InputError for results that must not be
    compared, or share no case.
    """
    _check_numbers(margin, confidence, run_to_run_sd)
    check_comparable(base, new, across)
    ours, theirs = _planned(base), _planned(new)
    shared = [case for name, case in ours.items() if name in theirs]
    if not shared:
        raise InputError("BASE and NEW have no case in common.", "Measure both with the same plan.")
    rules = _Rules(math.log1p(margin), 1.0 - confidence, run_to_run_sd, len(shared))
    sides = [_Sides.of(case, base, new) for case in shared]
    return Comparison(
        margin=margin,
        confidence=confidence,
        cases=_decide(sides, rules),
        base_only=tuple(name for name in ours if name not in theirs),
        new_only=tuple(name for name in theirs if name not in ours),
    )


def parse_margin(text: str) -> float:
    """``3%`` or ``0.03`` as a share. Raises UsageError for anything else, a plain 3 included."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text, re.ASCII)
    share = float(match[1]) / (100.0 if match[2] else 1.0) if match else math.nan
    if not 0.0 <= share < 1.0:
        raise UsageError(
            f"{text!r} is no margin.", "Give per cent, such as 3%, or a share, such as 0.03."
        )
    return share


def check_comparable(
    base: Sequence[Measured], new: Sequence[Measured], across: Collection[Difference] = ()
) -> None:
    """Raise InputError unless the runs may be compared."""
    for name, side in (("BASE", base), ("NEW", new)):
        if not side:
            raise InputError(f"{name} has no results.", "Give at least one result file.")
        if len({(m.run.bundle.identity, m.run.runtime) for m in side}) > 1:
            raise InputError(
                f"The files of {name} measured different bundles or runtimes.",
                "Several files on one side are repetitions: give those of one bundle.",
            )
    ids = [measured.run.run_id for measured in (*base, *new)]
    if repeated := sorted({run_id for run_id in ids if ids.count(run_id) > 1}):
        raise InputError(
            f"The same run is given twice: {', '.join(repeated)}.",
            "A run says nothing new a second time: leave it out.",
        )
    looks: tuple[tuple[Difference, Callable[[Run], object]], ...] = (
        ("devices", lambda run: f"{run.device.model} ({run.device.id})"),
        ("plans", _what_is_measured),
        ("runtimes", lambda run: run.runtime.name),
    )
    for what, look in looks:
        found = list(dict.fromkeys(look(measured.run) for measured in (*base, *new)))
        if len(found) > 1 and what not in across:
            named = f": {', '.join(map(str, found))}" if what != "plans" else ""
            raise InputError(
                f"The results are of different {what}{named}.",
                f"If that is what you want to compare: --across {what}.",
            )


def _what_is_measured(run: Run) -> object:
    """The plan without its number of rounds, in which two runs may differ."""
    return run.plan.model_copy(update={"rounds": 1}).hash


@dataclass(frozen=True)
class _Rules:
    shift: float  # the margin, on the logarithmic scale
    alpha: float
    run_to_run_sd: float | None
    cases: int

    @property
    def first_step(self) -> float:
        """The level at which Holm's procedure begins."""
        return self.alpha / self.cases


@dataclass(frozen=True)
class _Sides:
    """The valid durations of one case, run by run, ms."""

    case: Case
    base: tuple[tuple[float, ...], ...]
    new: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, case: Case, base: Sequence[Measured], new: Sequence[Measured]) -> _Sides:
        def durations(side: Sequence[Measured]) -> tuple[tuple[float, ...], ...]:
            runs = (_durations_ms(measured, case) for measured in side)
            return tuple(run for run in runs if run)

        return cls(case, durations(base), durations(new))

    @property
    def base_ms(self) -> tuple[float, ...]:
        return tuple(ms for run in self.base for ms in run)

    @property
    def new_ms(self) -> tuple[float, ...]:
        return tuple(ms for run in self.new for ms in run)

    def offset(self, given: float | None) -> tuple[Offset, float, OffsetSource]:
        """How the two sides differ for no reason; the spread of runs; where that is from."""
        sizes = [[len(run) for run in side] for side in (self.base, self.new)]
        # A side of one run has the run's whole offset, one of k equal runs that over root k.
        weight = math.sqrt(sum(sum(n * n for n in side) / sum(side) ** 2 for side in sizes))
        df = len(self.base) + len(self.new) - 2
        if given is not None:
            return Offset(given * weight), given, "given"
        if df < _LEAST_DF or min(len(self.base), len(self.new)) < 2:
            return Offset(RUN_TO_RUN_SD * weight), RUN_TO_RUN_SD, "assumed"
        squares = 0.0
        for side in (self.base, self.new):
            levels = [median([math.log(ms) for ms in run]) for run in side]
            middle = math.fsum(levels) / len(levels)
            squares += math.fsum((level - middle) ** 2 for level in levels)
        sd = math.sqrt(squares / df)
        return Offset(sd * weight, df), sd, "estimated"

    def noise_sd(self) -> float:
        """The noise within runs, on the logarithmic scale; outliers hardly count."""
        residuals = []
        runs = (*self.base, *self.new)
        for run in runs:
            logs = [math.log(ms) for ms in run]
            residuals += [abs(value - median(logs)) for value in logs]
        free = len(residuals) - len(runs)
        if free <= 0:
            return 0.0
        return MAD_TO_SD * median(residuals) * math.sqrt(len(residuals) / free)


def _durations_ms(measured: Measured, case: Case) -> tuple[float, ...]:
    """One duration a round, for only rounds are independent repetitions."""
    rounds: dict[int, list[float]] = {}
    for sample in measured.samples:
        if sample.invalid_reason is None and sample.case == case:
            rounds.setdefault(sample.round, []).append(sample.duration_ms)
    return tuple(median(durations) for durations in rounds.values())


def _decide(sides: Sequence[_Sides], rules: _Rules) -> tuple[CaseComparison, ...]:
    """The verdicts. The family is all shared cases, however many samples each has."""
    testable = [
        both
        for both in sides
        if smallest_p(len(both.base_ms), len(both.new_ms)) <= rules.first_step + ROUNDING
        and both.base_ms
        and both.new_ms
    ]
    tests = {both.case: _test(both, rules) for both in testable}
    slower = holm([test.p_above(rules.shift) for test in tests.values()])
    quicker = holm([test.p_below(0.0) for test in tests.values()])
    p_values = dict(zip(tests, zip(slower, quicker, strict=True), strict=True))
    return tuple(
        _decided(both, tests[both.case], *p_values[both.case], rules)
        if both.case in tests
        else _undecided(both, rules)
        for both in sides
    )


def _test(both: _Sides, rules: _Rules) -> ShiftTest:
    base, new = ([math.log(ms) for ms in side] for side in (both.base_ms, both.new_ms))
    return ShiftTest(base, new, both.offset(rules.run_to_run_sd)[0])


def _decided(
    both: _Sides, test: ShiftTest, slower: float, quicker: float, rules: _Rules
) -> CaseComparison:
    verdict: Verdict = "no_regression_shown"
    if slower <= rules.alpha + ROUNDING:
        verdict = "regression"
    elif quicker <= rules.alpha + ROUNDING:
        verdict = "faster"
    _, run_to_run_sd, source = both.offset(rules.run_to_run_sd)
    bounds = test.interval(1.0 - rules.alpha)
    found = test.detectable(both.noise_sd(), rules.first_step, POWER)
    return CaseComparison(
        case=both.case,
        base_ms=both.base_ms,
        new_ms=both.new_ms,
        verdict=verdict,
        ratio=math.exp(test.center),
        low=math.exp(bounds[0]) if bounds else None,
        high=math.exp(bounds[1]) if bounds else None,
        p_value=slower,
        detectable_ratio=math.exp(rules.shift + found),
        run_to_run_sd=run_to_run_sd,
        run_to_run=source,
    )


def _undecided(both: _Sides, rules: _Rules) -> CaseComparison:
    ratio = None
    if both.base_ms and both.new_ms:
        ratio = math.exp(_test(both, rules).center)
    return CaseComparison(
        case=both.case,
        base_ms=both.base_ms,
        new_ms=both.new_ms,
        verdict="not_enough_samples",
        ratio=ratio,
        samples_needed=sizes_needed(rules.first_step),
    )


def _planned(side: Sequence[Measured]) -> dict[str, Case]:
    """The cases of all runs of a side, in the order of their plans."""
    return {case.id: case for measured in side for case in measured.run.plan.cases}


def _check_numbers(margin: float, confidence: float, run_to_run_sd: float | None) -> None:
    if not 0.0 <= margin < 1.0:
        raise UsageError(f"A margin is a share from 0 to below 1, not {margin:g}.")
    if not 0.5 <= confidence < 1.0:
        raise UsageError(f"A confidence is from 0.5 to below 1, not {confidence:g}.")
    if run_to_run_sd is not None and not 0.0 <= run_to_run_sd < 1.0:
        raise UsageError(f"A spread of runs is a share from 0 to below 1, not {run_to_run_sd:g}.")

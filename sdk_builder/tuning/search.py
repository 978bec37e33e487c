"""The loop of a search: cheapest information first, every finished trial kept. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from statistics import mean

from sdk_builder.errors import (
    ExportError,
    Interrupted,
    SessionError,
    ShaktiError,
    UsageError,
    VerificationError,
)
from sdk_builder.interrupts import is_ctrl_c
from sdk_builder.log import Steps, format_seconds
from sdk_builder.tuning.choice import Limits, Row, judge, recommend
from sdk_builder.tuning.records import Conditions, Measurement, Trial, TrialStore
from sdk_builder.tuning.runner import Runner
from sdk_builder.tuning.space import Candidate, Planned

# A candidate's own fault, the same every time; anything else (a full disk) ends the search.
_CANDIDATES_FAULT = (ExportError, SessionError, UsageError, VerificationError)
# A limit of the ratio is out of reach when this many of the largest miss it by so many times what
# it allows: smaller ones lose more.
_PATIENCE, _FAR = 3, 2.0


@dataclass(frozen=True)
class Found:
    """The outcome: a row for each candidate, in the order of the space.

    stopped: why not all were tried, or empty; baseline: name of the one that speeds are ratios to.
    """

    rows: tuple[Row, ...]
    recommended: Row | None
    reference_perplexity: float | None
    baseline: str
    stopped: str = ""


@dataclass
class Search:
    """One search. keep: bundles that stay: "best", "all" or "none"; exhaustive: never stop early;
    with_speed: decoding is a cost on the front, too.

    Raises Interrupted on Ctrl-C, with what to do to go on.
    """

    runner: Runner
    store: TrialStore
    conditions: Conditions
    limits: Limits
    steps: Steps
    keep: str = "best"
    exhaustive: bool = False
    with_speed: bool = False

    def run(self, space: Sequence[Planned]) -> Found:
        """Try what `space` holds, as far as the limits make sense of it."""
        order = _order([one for one in space if self._excluded(one) is None], space)
        if not order:
            reason = "no candidate can be exported within the size limit"
            return self._found(space, _Progress(None, None), reason)
        with self._resumable():
            so_far = _Progress(self.runner.reference_perplexity(), self._baseline())
            stopped = self._try_all(order, so_far)
            found = self._found(space, so_far, stopped)
            self._tidy(order, so_far, found.recommended, last=True)
        return found

    def _try_all(self, order: Sequence[Planned], so_far: _Progress) -> str:
        """Fill the rows, the known ones in any case; why it stopped early, or empty."""
        stopped = ""
        for number, planned in enumerate(order, start=1):
            trial = self.store.find(self.conditions.key(planned.candidate))
            reused = trial is not None
            if trial is None:
                if not (stopped or self.exhaustive):
                    stopped = _out_of_reach(so_far.rows.values(), self.limits)
                if stopped:
                    continue
                trial = self._try(planned, so_far, number, len(order))
            so_far.add(planned, trial, reused=reused)
            best = recommend(judge(list(so_far.rows.values()), self.limits), self.limits)
            self._tidy(order[:number], so_far, best)
        return stopped

    def _try(self, planned: Planned, so_far: _Progress, number: int, total: int) -> Trial:
        """Run one candidate; what is its own fault is its result. Keeps it in the store."""
        candidate, place = planned.candidate, f"{number} of {total}: {planned.candidate.name}"
        lasting, measured, reason = True, None, ""
        with self.steps.step(place) as step:
            try:
                measured = self.runner.run(candidate, so_far.baseline, step)
            except _CANDIDATES_FAULT as error:
                if is_ctrl_c(error):
                    raise KeyboardInterrupt from error
                reason = error.message
            except (ShaktiError, OSError, MemoryError):
                raise
            except Exception as error:
                if is_ctrl_c(error):
                    raise KeyboardInterrupt from error
                # A defect, maybe mended by the next version: not kept, and not the others' end.
                first = (str(error).strip().splitlines() or [""])[0][:200]
                reason = f"internal error: {type(error).__name__}: {first}".rstrip(": ")
                lasting = False
            so_far.durations_s.append(step.seconds)
            left_s = mean(so_far.durations_s) * (total - number)
            eta = f", at most {format_seconds(left_s)} left" if left_s else ""
            step.result(f"{place}: {reason or so_far.summary(measured)}{eta}")
        baseline = so_far.baseline or (candidate if measured else None)
        trial = Trial(
            key=self.conditions.key(candidate),
            candidate=asdict(candidate),
            reason=reason,
            measured=measured,
            baseline=asdict(baseline) if baseline else None,
            seconds=round(so_far.durations_s[-1], 3),
            conditions=asdict(self.conditions),
        )
        if lasting:
            self.store.add(trial)
        return trial

    def _baseline(self) -> Candidate | None:
        """That of earlier trials under these conditions, so that all ratios compare."""
        for trial in self.store:
            if trial.measured is None or trial.baseline is None:
                continue
            try:
                candidate, baseline = Candidate(**trial.candidate), Candidate(**trial.baseline)  # type: ignore[arg-type]
            except TypeError:  # of a version with other fields
                continue
            if trial.key == self.conditions.key(candidate):
                return baseline
        return None

    def _excluded(self, planned: Planned) -> Row | None:
        """The row of a candidate that is not worth an export."""
        if planned.problem:
            return Row(planned, "failed", reason=planned.problem)
        limit = self.limits.size_bytes
        if limit is not None and planned.size_bytes > limit:
            return Row(planned, "too large", reason=f"predicted {planned.size_bytes / 1e6:.1f} MB")
        return None

    def _found(self, space: Sequence[Planned], so_far: _Progress, stopped: str) -> Found:
        every = [
            so_far.rows.get(one.candidate) or self._excluded(one) or Row(one, "not tried")
            for one in space
        ]
        rows = judge(every, self.limits, with_speed=self.with_speed)
        baseline = so_far.baseline.name if so_far.baseline else ""
        return Found(rows, recommend(rows, self.limits), so_far.reference, baseline, stopped)

    def _tidy(
        self, tried: Sequence[Planned], so_far: _Progress, best: Row | None, *, last: bool = False
    ) -> None:
        """Delete bundles that nobody asked to keep; the baseline's is needed until the end."""
        if self.keep == "all":
            return
        wanted = {best.planned.candidate} if best is not None and self.keep == "best" else set()
        there = {one.candidate for one in tried}
        if so_far.baseline is not None:
            (there if last else wanted).add(so_far.baseline)
        for candidate in there - wanted:
            self.runner.discard(candidate)

    @contextmanager
    def _resumable(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Stopped. Finished trials are kept in {self.store.path}.",
                "Run the same command again: it goes on where it stopped.",
            ) from error


@dataclass
class _Progress:
    """What a running search knows: durations are of this run's trials."""

    reference: float | None
    baseline: Candidate | None
    rows: dict[Candidate, Row] = field(default_factory=dict)
    durations_s: list[float] = field(default_factory=list)

    def add(self, planned: Planned, trial: Trial, *, reused: bool) -> None:
        """A finished trial; the first that was measured is what others are compared with."""
        row = Row(planned, "failed", reason=trial.reason, reused=reused)
        if trial.measured is not None:
            ratio = self.ratio(trial.measured)
            row = replace(row, status="measured", measured=trial.measured, ratio=ratio)
            self.baseline = self.baseline or planned.candidate
        self.rows[planned.candidate] = row

    def ratio(self, measured: Measurement) -> float:
        """Perplexity over the float model's."""
        assert self.reference is not None
        return measured.perplexity / self.reference

    def summary(self, measured: Measurement | None) -> str:
        """The result of a trial in a few words."""
        if measured is None:
            return ""
        return f"{measured.size_bytes / 1e6:.1f} MB, perplexity × {self.ratio(measured):.4f}"


def _order(candidates: Sequence[Planned], space: Sequence[Planned]) -> list[Planned]:
    """First what export does by itself, then from the largest down.

    The largest tell first whether a limit of quality can be met at all.
    """
    first = [one for one in candidates if one is space[0]]
    rest = [one for one in candidates if one is not space[0]]
    return first + sorted(rest, key=lambda one: -one.size_bytes)


def _out_of_reach(rows: Iterable[Row], limits: Limits) -> str:
    """Why the ratio limit cannot be met, or empty while it may be."""
    tried = [row for row in rows if row.ratio is not None]
    if limits.ratio is None or limits.ratio <= 1 or len(tried) < _PATIENCE:
        return ""
    best = min(row.ratio for row in tried if row.ratio is not None)
    if math.log(best) <= _FAR * math.log(limits.ratio):
        return ""
    return (
        f"the largest candidates were tried first and the best of {len(tried)} has a ratio of "
        f"{best:.3f}, far from {limits.ratio:g}"
    )

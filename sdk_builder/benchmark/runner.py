"""A benchmark from its first round to its last, on one target, into one result file.

Whatever ends it early (Ctrl-C, a crash, a pulled cable, a killed SDK) leaves a file that the same
call goes on with: it first collects what the last attempt left on the target, and measures only
what is missing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from sdk_builder.benchmark.gates import closed_reason, wait_until_open
from sdk_builder.benchmark.output import key_of, parse_output
from sdk_builder.benchmark.plans import round_plan
from sdk_builder.benchmark.protocol import Plan, RoundPlan
from sdk_builder.benchmark.records import Failure, Line, Run, Sample
from sdk_builder.benchmark.results import ResultFile, Results, attempt_of
from sdk_builder.benchmark.subject import Subject
from sdk_builder.benchmark.target import Progress, Target
from sdk_builder.benchmark.verdicts import PASSING, cause_of, raise_if_final
from sdk_builder.device.conditions import Conditions, utc_now
from sdk_builder.errors import (
    DeviceError,
    GateClosedError,
    IncompleteRunError,
    Interrupted,
    ShaktiError,
    UsageError,
)
from sdk_builder.log import Step, Steps, format_seconds

SAME_AGAIN = "What was measured is kept: the same command again goes on from there."


@dataclass(frozen=True)
class Limits:
    """How patient a run is.

    max_wait_s: with a closed gate, at each round; poll_s: between looks at it.
    attempts_without_progress: so many attempts in a row may add no sample that counts.
    """

    max_wait_s: float = 900.0
    poll_s: float = 15.0
    attempts_without_progress: int = 3


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Outcome:
    """What a result file holds in the end.

    samples: how many count; invalid: how many do not; failures: how many things went wrong;
    reasons: why, each once.
    """

    path: Path
    run: Run
    complete: bool
    samples: int
    invalid: int
    failures: int
    reasons: tuple[str, ...]


def new_run(target: Target, subject: Subject, plan: Plan) -> Run:
    """The first line of a new result file."""
    from sdk_builder import __version__

    return Run(
        run_id=secrets.token_hex(8),
        started_at=utc_now(),
        sdk_version=__version__,
        plan=plan,
        plan_hash=plan.hash,
        bundle=subject.facts,
        device=target.facts,
        runtime=target.runtime,
    )


def run_benchmark(
    target: Target,
    subject: Subject,
    plan: Plan,
    path: Path,
    steps: Steps,
    *,
    limits: Limits = DEFAULT_LIMITS,
    fresh: bool = False,
    thorough: bool = True,
    stop: Event | None = None,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Measure what `plan` asks for and `path` does not hold yet.

    fresh: replace the file instead of going on with it. thorough: the first attempt hashes the
    program on the target and checks its golden answers. stop: set by another thread, it ends the
    run at the next sign of progress.

    Raises IncompleteRunError when samples are missing after all retries, GateClosedError,
    VerificationError when the target's program is not the bundle's, InputError when the file
    belongs to another run, Interrupted, OutputError, and the target's own errors.
    """
    if any(case.threads for case in plan.cases) and not target.runtime.threads_settable:
        raise UsageError(
            f"{target.runtime.name} on {target.facts.id} does not let its threads be set.",
            "Leave out the threads.",
        )
    with ResultFile.go_on(path, new_run(target, subject, plan), fresh=fresh) as file:
        if file.results.next_round is None:
            steps.note(f"{path} is complete already")
        else:
            runner = _Runner(target, subject, file, steps, limits, stop or Event(), sleep, clock)
            runner.thorough = thorough
            runner.go()
        return outcome_of(path, file.results)


def outcome_of(path: Path, results: Results) -> Outcome:
    """The outcome that a result file's content amounts to."""
    reasons = [sample.invalid_reason or "" for sample in results.invalid]
    reasons += [f"{failure.cause}: {failure.message}" for failure in results.failures]
    return Outcome(
        path,
        results.run,
        results.next_round is None,
        len(results.valid),
        len(results.invalid),
        len(results.failures),
        tuple(dict.fromkeys(reasons)),
    )


class _Runner:
    """The rounds of one run."""

    def __init__(
        self,
        target: Target,
        subject: Subject,
        file: ResultFile,
        steps: Steps,
        limits: Limits,
        stop: Event,
        sleep: Callable[[float], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self.thorough = True
        self._target = target
        self._subject = subject
        self._file = file
        self._steps = steps
        self._limits = limits
        self._stop = stop
        self._sleep = sleep or self._pause
        self._clock = clock
        self._folder = "."  # known once the bundle is there
        self._idle_attempts = 0
        self._uncollected: RoundPlan | None = None  # its output could not be fetched yet

    @property
    def _results(self) -> Results:
        return self._file.results

    def go(self) -> None:
        """Measure until nothing is missing, or it makes no sense any more."""
        try:
            with self._target.measuring():
                self._recover()
                if self._results.next_round is not None:
                    self._folder = self._target.prepare(self._subject, self._steps)
                while (round_number := self._results.next_round) is not None:
                    self._require_running()
                    self._wait_for_gate()
                    self._attempt(round_number)
        except DeviceError as error:
            if SAME_AGAIN not in error.hint:
                error.hint = f"{error.hint}\n{SAME_AGAIN}".strip()
            raise

    def _recover(self) -> None:
        """Merge what attempts left that nobody was there to collect."""
        before = len(self._results.samples)
        last = self._results.next_attempt - 1
        of_last = [line for line in self._results.lines if attempt_of(line) == last]
        if of_last and not any(end.attempt == last for end in self._results.ends):
            self._merge(self._plan(_round_of(of_last[0]), last))
        next_round = self._results.next_round
        if next_round is not None:
            self._merge(self._plan(next_round, self._results.next_attempt))
        found = len(self._results.samples) - before
        if found:
            self._steps.note(f"{found} samples of an interrupted attempt were collected")

    def _attempt(self, round_number: int) -> None:
        """One process of the target, and what comes of it."""
        if self._uncollected is not None:
            self._merge(self._uncollected)
            self._uncollected = None
            if not self._results.missing(round_number):
                return
        missing = self._results.missing(round_number)
        plan = self._plan(round_number, self._results.next_attempt, thorough=self.thorough)
        rounds = self._results.run.plan.rounds
        title = f"Round {round_number + 1} of {rounds}"
        had = len(self._results.valid)
        with self._steps.step(f"{title}: {_count(len(missing), 'case')}") as step:
            error = self._run_round(plan, step)
            gained = len(self._results.valid) - had
            step.result(f"{title}: {gained} of {_count(len(missing), 'sample')}")
        self.thorough = self.thorough and not gained
        for failure in self._results.failures:
            if failure.attempt == plan.attempt:
                raise_if_final(failure, self._target.facts.id)
        self._idle_attempts = 0 if gained else self._idle_attempts + 1
        if self._idle_attempts >= self._limits.attempts_without_progress:
            raise self._incomplete(round_number, error) from error

    def _run_round(self, plan: RoundPlan, step: Step) -> ShaktiError | None:
        """Run the round and merge its lines; the error, if it is one that may pass.

        Raises the target's error when it will not pass by itself: a phone that is gone.
        """

        def watch(progress: Progress) -> None:
            self._require_running()
            step.progress(progress.done, progress.total)
            step.say(progress.now)

        failed: DeviceError | None = None
        try:
            self._target.run_round(plan, watch)
        except DeviceError as error:
            failed = error
        try:
            self._merge(plan)
        except DeviceError as error:
            failed = failed or error
            self._uncollected = plan
        if failed is None:
            return None
        self._record(plan, failed)
        if not isinstance(failed, PASSING):
            raise failed
        self._steps.warn(f"{self._target.facts.id}: {failed.message}")
        for line in failed.hint.splitlines():
            self._steps.note(line)  # of a crash: the phone's log
        return failed

    def _merge(self, plan: RoundPlan) -> None:
        """Add to the file what the attempt wrote and the file does not have."""
        parsed = parse_output(self._target.output(plan), plan)
        if parsed.skipped:
            count = _count(len(parsed.skipped), "line")
            self._steps.warn(
                f"{self._target.facts.id}: {count} of {plan.output_name} skipped, "
                f"the first: {parsed.skipped[0]}"
            )
        known = {key_of(line) for line in self._results.lines}
        missing = set(self._results.missing(plan.round))
        self._file.append(
            line
            for line in parsed.lines
            if key_of(line) not in known and (not isinstance(line, Sample) or line.case in missing)
        )

    def _record(self, plan: RoundPlan, error: DeviceError) -> None:
        failure = Failure(
            round=plan.round,
            attempt=plan.attempt,
            at=utc_now(),
            cause=cause_of(error),
            message=error.message,
        )
        self._file.append([failure])

    def _plan(self, round_number: int, attempt: int, *, thorough: bool = False) -> RoundPlan:
        results = self._results
        cases = results.missing(round_number) or results.run.plan.cases
        return round_plan(
            results.run.plan,
            results.run.run_id,
            round_number,
            attempt,
            self._folder,
            self._subject.program,
            cases,
            thorough,
        )

    # -- waiting and giving up ------------------------------------------------------------------

    def _wait_for_gate(self) -> None:
        gate = self._results.run.plan.gate
        conditions = self._target.conditions()
        reason = closed_reason(conditions, gate, starting=True)
        if reason is None:
            return
        total_s = self._limits.max_wait_s
        until = f"waiting up to {format_seconds(total_s)}"
        self._steps.warn(f"{self._target.facts.id}: the {reason}; {until}")
        with self._steps.step("Waiting for the gate to open") as step:

            def on_wait(reason: str, _: Conditions, left_s: float) -> None:
                self._require_running()
                step.progress(total_s - left_s, total_s)
                step.say(f"{reason}; {left_s:.0f} s left")

            try:
                wait_until_open(
                    self._target.conditions,
                    gate,
                    max_wait_s=total_s,
                    poll_s=self._limits.poll_s,
                    sleep=self._sleep,
                    clock=self._clock,
                    on_wait=on_wait,
                )
            except GateClosedError as error:
                error.message = f"{self._target.facts.id}: {error.message}"
                raise
            step.result("Waited for the gate to open")

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)
        self._require_running()

    def _require_running(self) -> None:
        if self._stop.is_set():
            raise Interrupted("Stopped.", SAME_AGAIN)

    def _incomplete(self, round_number: int, error: ShaktiError | None) -> IncompleteRunError:
        missing = ", ".join(case.id for case in self._results.missing(round_number))
        reasons = outcome_of(self._file.path, self._results).reasons
        why = f" The last reason: {reasons[-1].rstrip('.')}." if reasons else ""
        log = f"{error.hint}\n" if error else ""  # of an app that crashed
        return IncompleteRunError(
            f"{self._target.facts.id}: {self._limits.attempts_without_progress} attempts in a row "
            f"gave no sample; round {round_number + 1} misses {missing}.{why}",
            log + SAME_AGAIN,
            serial=self._target.facts.id,
        )


def _round_of(line: Line) -> int:
    return getattr(line, "round", 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

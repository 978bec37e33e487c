"""Several benchmarks side by side, one thread each; one that fails does not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdk_builder.benchmark.runner import Outcome
from sdk_builder.errors import ShaktiError
from sdk_builder.log import Display, Mark, Steps

_STOP_WAIT_S = 30.0  # how long stopped jobs get to put their phones back


@dataclass(frozen=True)
class Job:
    """A benchmark to run: `run` gets the steps to report to and the event that stops it."""

    name: str
    run: Callable[[Steps, threading.Event], Outcome]


@dataclass(frozen=True)
class JobResult:
    """How a job ended: with an outcome or with an error."""

    name: str
    outcome: Outcome | None = None
    error: ShaktiError | None = None


def run_fleet(jobs: Sequence[Job], steps: Steps) -> list[JobResult]:
    """Run all jobs to their ends, side by side; their results in the order of `jobs`.

    Each step's line begins with its job's name, unless there is one job only. Ctrl-C stops all
    jobs, and is raised again once they ended. An exception that is no ShaktiError is raised when
    all jobs ended.
    """
    stop = threading.Event()
    if len(jobs) == 1:
        return [_result(jobs[0], steps, stop)]
    lock = threading.RLock()
    running = [_Running(job, _named(steps, job.name, lock), stop) for job in jobs]
    try:
        for one in running:
            one.start()
        for one in running:
            one.ended.wait()
    except KeyboardInterrupt:
        stop.set()
        for one in running:
            if one.ident is not None:  # started
                one.ended.wait(_STOP_WAIT_S)
        raise
    for one in running:
        steps.finished += one.steps.finished
        if one.unforeseen is not None:
            raise one.unforeseen
    return [one.result for one in running]


class _Running(threading.Thread):
    """A job in a thread of its own."""

    def __init__(self, job: Job, steps: Steps, stop: threading.Event) -> None:
        super().__init__(name=job.name, daemon=True)  # a stuck one must not keep us from leaving
        self.steps = steps
        self.result = JobResult(job.name)
        self.unforeseen: BaseException | None = None
        # Waited for instead of join: a join that Ctrl-C interrupts takes the thread for ended.
        self.ended = threading.Event()
        self._job = job
        self._stop_event = stop

    def run(self) -> None:
        try:
            self.result = _result(self._job, self.steps, self._stop_event)
        except BaseException as error:  # raised again where all jobs are joined
            self.unforeseen = error
        finally:
            self.ended.set()


def _result(job: Job, steps: Steps, stop: threading.Event) -> JobResult:
    try:
        return JobResult(job.name, outcome=job.run(steps, stop))
    except ShaktiError as error:
        return JobResult(job.name, error=error)


def _named(steps: Steps, name: str, lock: threading.RLock) -> Steps:
    """Steps that show up on the same display with the name before them."""
    named = Steps.silent()
    named.verbosity, named.clock = steps.verbosity, steps.clock
    named.display = _NamedDisplay(steps.display, name, lock)
    return named


class _NamedDisplay:
    """One job's share of a display that is no good at being used by several at once."""

    def __init__(self, display: Display, name: str, lock: threading.RLock) -> None:
        self._display = display
        self._name = name
        self._lock = lock

    def begin(self, title: str) -> int:
        with self._lock:
            return self._display.begin(f"{self._name}: {title}")

    def progress(self, task: int, done: float, total: float) -> None:
        with self._lock:
            self._display.progress(task, done, total)

    def at(self, task: int, text: str) -> None:
        with self._lock:
            self._display.at(task, f"{self._name}: {text}")

    def end(self, task: int) -> None:
        with self._lock:
            self._display.end(task)

    def line(self, mark: Mark, text: str, duration: str = "") -> None:
        with self._lock:
            self._display.line(mark, f"{self._name}: {text}", duration)

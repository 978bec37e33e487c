"""Several targets at once: apart from each other, together on the screen."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sdk_builder.benchmark.fleet import Job, run_fleet
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.runner import Limits, Outcome, run_benchmark
from sdk_builder.benchmark.subject import subject_of
from sdk_builder.errors import AppCrashedError, DeviceLostError, IncompleteRunError
from sdk_builder.log import Steps
from tests.unit.benchmark.bench_fakes import (
    FakeTarget,
    first_lines,
    host_facts,
    make_bundle,
    plan_of,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("fleet") / "bundle")


def job(name: str, bundle, folder: Path, **fields) -> Job:
    target = FakeTarget(facts=host_facts(id=name), **fields)

    def run(steps: Steps, stop: threading.Event) -> Outcome:
        return run_benchmark(
            target, subject_of(bundle), plan_of(), folder / f"{name}.jsonl", steps,
            limits=Limits(attempts_without_progress=2), stop=stop,
        )  # fmt: skip

    return Job(name, run)


def test_one_that_fails_does_not_stop_the_others(bundle, tmp_path):
    lost = DeviceLostError("Gone.")
    crash = dict.fromkeys(range(9), first_lines(0, AppCrashedError("Crash.")))
    results = run_fleet(
        [
            job("a", bundle, tmp_path),
            job("b", bundle, tmp_path, faults={1: first_lines(1, lost)}),
            job("c", bundle, tmp_path, faults=crash),
            job("d", bundle, tmp_path),
        ],
        Steps.silent(),
    )
    assert [one.name for one in results] == ["a", "b", "c", "d"]
    assert [one.outcome is not None and one.outcome.complete for one in results] == [
        True, False, False, True,
    ]  # fmt: skip
    assert results[1].error is lost
    assert isinstance(results[2].error, IncompleteRunError)
    for name, count in (("a", 6), ("b", 3), ("c", 0), ("d", 6)):
        found = read_results(tmp_path / f"{name}.jsonl")
        assert len(found.valid) == count
        assert found.run.device.id == name


def test_jobs_really_run_side_by_side():
    """Each waits for the other one: one after the other, they would wait for ever."""
    meet = threading.Barrier(3, timeout=20)

    def run(steps: Steps, stop: threading.Event) -> Outcome:
        meet.wait()
        raise DeviceLostError("Met.")

    results = run_fleet([Job(name, run) for name in "abc"], Steps.silent())
    assert [one.error and one.error.message for one in results] == ["Met."] * 3


def test_lines_say_whose_they_are_and_none_is_torn(bundle, tmp_path):
    stream = io.StringIO()
    steps = Steps(stream=stream)
    run_fleet([job(name, bundle, tmp_path) for name in ("left", "right")], steps)
    lines = stream.getvalue().splitlines()
    assert sorted(line.rsplit("  ", 1)[0] for line in lines) == [
        f"✓ {name}: Round {number} of 2: 3 of 3 samples"
        for name in ("left", "right")
        for number in (1, 2)
    ]
    assert len(steps.finished) == 4


def test_single_job_needs_no_name_before_its_lines(bundle, tmp_path):
    stream = io.StringIO()
    [result] = run_fleet([job("only", bundle, tmp_path)], Steps(stream=stream))
    assert result.outcome is not None
    assert stream.getvalue().startswith("✓ Round 1 of 2")


def test_bug_in_one_job_is_raised_when_the_others_are_done(bundle, tmp_path):
    def broken(steps: Steps, stop: threading.Event) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_fleet([Job("broken", broken), job("fine", bundle, tmp_path)], Steps.silent())
    assert len(read_results(tmp_path / "fine.jsonl").valid) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child there")
def test_ctrl_c_stops_all_jobs():
    code = """
import sys, threading
from sdk_builder.benchmark.fleet import Job, run_fleet
from sdk_builder.errors import Interrupted
from sdk_builder.log import Steps

ready = threading.Barrier(2)

def run(steps, stop):
    if ready.wait() == 0:
        print("ready", flush=True)
    stop.wait(60)
    sys.stdout.write(f"stopped {stop.is_set()}\\n")
    raise Interrupted("Stopped.")

try:
    run_fleet([Job("a", run), Job("b", run)], Steps.silent())
except KeyboardInterrupt:
    print("raised")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert sorted(out.read().splitlines()) == ["raised", "stopped True", "stopped True"]
    assert process.wait(timeout=30) == 0

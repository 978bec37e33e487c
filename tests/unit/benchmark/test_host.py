"""This machine as a target, with real worker processes around an artificial engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sdk_builder.benchmark.plans import auto_threads
from sdk_builder.benchmark.records import RoundStart
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.runner import Limits, run_benchmark
from sdk_builder.benchmark.subject import subject_of
from sdk_builder.benchmark.targets.host import WORK_FOLDER, HostTarget
from sdk_builder.benchmark.targets.host_facts import read_facts
from sdk_builder.errors import IncompleteRunError
from sdk_builder.log import Steps
from tests.unit.benchmark.bench_fakes import RUNTIME, make_bundle, plan_of

ROOT = Path(__file__).parents[3]
PLAN = plan_of()
FAST: dict[str, Any] = {"load_ms": 1, "prefill_ms_per_token": 0.01, "decode_ms_per_token": 0.1}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("host") / "bundle")


def host(folder: Path, **spec: Any) -> HostTarget:
    """A target beside FOLDER/here.jsonl whose engine takes FAST times, changed as told."""
    folder.mkdir(exist_ok=True)
    silence_s = spec.pop("silence_s", 60.0)
    path = folder / "spec.json"
    path.write_text(json.dumps({**FAST, **spec}))
    return HostTarget(
        folder / WORK_FOLDER,
        silence_s=silence_s,
        worker_arguments=("--engine", "artificial", "--artificial", str(path)),
        runtime=RUNTIME,
    )


def bench(target: HostTarget, bundle, folder: Path, **options):
    return run_benchmark(
        target, subject_of(bundle), PLAN, folder / "here.jsonl", Steps.silent(), **options
    )


def assert_each_once(folder: Path) -> None:
    found = sorted((one.round, one.case.id) for one in read_results(folder / "here.jsonl").valid)
    assert found == sorted((r, case.id) for r in range(PLAN.rounds) for case in PLAN.cases)


def test_rounds_run_in_worker_processes_and_the_work_folder_goes(bundle, tmp_path):
    outcome = bench(host(tmp_path), bundle, tmp_path)
    assert outcome.complete
    assert_each_once(tmp_path)
    assert not (tmp_path / WORK_FOLDER).exists()
    results = read_results(tmp_path / "here.jsonl")
    assert results.run.device == read_facts()
    assert all((one.peak_memory_bytes or 0) > 2**20 for one in results.samples)
    assert [start.program_sha256 is not None for start in results.rounds] == [True, False]


def test_worker_that_crashes_in_the_middle_is_followed_by_another(bundle, tmp_path):
    outcome = bench(
        host(tmp_path, fault="crash", fault_after_cases=2, fault_attempts=[0, 1]),
        bundle,
        tmp_path,
    )
    assert outcome.complete
    assert outcome.failures == 1  # attempt 1 had one case only, and was spared
    assert outcome.reasons[0].startswith("app_crashed: ")
    assert "exit code 70" in outcome.reasons[0]
    assert_each_once(tmp_path)


def test_worker_that_hangs_is_killed_and_followed_by_another(bundle, tmp_path):
    target = host(
        tmp_path, fault="hang", fault_after_cases=1, fault_rounds=[1], fault_attempts=[1],
        silence_s=6.0,
    )  # fmt: skip
    outcome = bench(target, bundle, tmp_path)
    assert outcome.complete
    assert outcome.reasons[0].startswith("run_stalled: ")
    assert_each_once(tmp_path)


def test_run_that_is_given_up_keeps_its_work_folder_until_it_is_complete(bundle, tmp_path):
    limits = Limits(attempts_without_progress=2)
    with pytest.raises(IncompleteRunError):
        bench(host(tmp_path, fault="crash"), bundle, tmp_path, limits=limits)
    assert (tmp_path / WORK_FOLDER).is_dir()
    assert bench(host(tmp_path), bundle, tmp_path).complete
    assert_each_once(tmp_path)
    assert not (tmp_path / WORK_FOLDER).exists()


RUNNER = """
import sys
from pathlib import Path
from sdk_builder import Bundle
from sdk_builder.log import Steps
from tests.unit.benchmark.test_host import bench, host
folder = Path(sys.argv[1])
bench(host(folder, decode_ms_per_token=200), Bundle.open(sys.argv[2]), folder)
"""


def start_runner(bundle, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), str(bundle.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )


def wait_for_lines(folder: Path, count: int) -> None:
    """Until the first worker has written so many lines."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for output in (folder / WORK_FOLDER).glob("*-r0-a0.jsonl"):
            if output.read_bytes().count(b"\n") >= count:
                return
        time.sleep(0.01)
    raise AssertionError(f"no {count} lines after a minute")


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_runner_killed_in_a_round_goes_on_and_measures_nothing_twice(bundle, tmp_path, how):
    """It dies while the decode case runs: round, load and prefill are on disk, nobody has
    merged them. After SIGKILL the worker lives a little longer, until it misses its reader."""
    runner = start_runner(bundle, tmp_path)
    assert runner.stderr is not None
    try:
        wait_for_lines(tmp_path, 3)
        runner.send_signal(how)
        runner.wait(timeout=60)
    finally:
        runner.kill()
        runner.stderr.close()
    before = read_results(tmp_path / "here.jsonl")
    assert before.lines == ()

    assert bench(host(tmp_path), bundle, tmp_path).complete
    after = read_results(tmp_path / "here.jsonl")
    assert after.run == before.run
    assert_each_once(tmp_path)
    assert len(after.samples) == 6
    attempts = {one.case.id: one.attempt for one in after.valid if one.round == 0}
    assert (attempts["load"], attempts["prefill-8"]) == (0, 0)
    first = after.lines[0]
    assert isinstance(first, RoundStart)
    assert first.attempt == 0
    assert not (tmp_path / WORK_FOLDER).exists()


def test_facts_of_this_machine_are_plausible():
    facts = read_facts()
    assert facts.kind == "host"
    assert facts.id
    assert facts.model
    assert facts.abi
    assert 2**28 < facts.memory_bytes < 2**50
    assert facts.page_size_bytes in {0, 4096, 16384, 65536}
    assert 1 <= len(facts.core_max_mhz) <= (os.cpu_count() or 1)
    assert max(auto_threads(facts)) <= len(facts.core_max_mhz)


def test_executorch_is_named_with_its_version(tmp_path):
    from importlib.metadata import version

    runtime = HostTarget.beside(tmp_path / "here.jsonl").runtime
    assert (runtime.name, runtime.version) == ("executorch", version("executorch"))
    assert runtime.threads_settable

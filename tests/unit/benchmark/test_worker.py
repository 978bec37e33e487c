"""The worker as a process: its lines, its progress, its exit code, and the ways it dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdk_builder.benchmark.output import parse_output
from sdk_builder.benchmark.plans import round_plan
from sdk_builder.benchmark.protocol import Case, RoundPlan
from sdk_builder.benchmark.records import Failure, RoundEnd, RoundStart, Sample
from sdk_builder.benchmark.subject import program_check
from sdk_builder.benchmark.targets.host_conditions import (
    peak_memory_bytes,
    read_conditions,
    scripted_conditions,
)
from sdk_builder.benchmark.worker.artificial import CRASH_CODE
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import InputError
from tests.unit.benchmark.bench_fakes import RUN_ID, make_bundle, plan_of

ROOT = Path(__file__).parents[3]
FAST = {"load_ms": 1, "prefill_ms_per_token": 0.01, "decode_ms_per_token": 0.1}
Work = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("worker") / "bundle")


@pytest.fixture
def plan(bundle) -> RoundPlan:
    whole = plan_of()
    return round_plan(
        whole,
        RUN_ID,
        0,
        0,
        str(bundle.path),
        program_check(bundle.manifest),
        whole.cases,
        thorough=True,
    )


@pytest.fixture
def work(tmp_path, plan) -> Work:
    """Runs the worker with an artificial engine on the plan, changed as told."""

    def run(spec: dict[str, Any] | None = None, *more: str, **changes: Any):
        (tmp_path / "plan.json").write_text(plan.model_copy(update=changes).model_dump_json())
        (tmp_path / "spec.json").write_text(json.dumps({**FAST, **(spec or {})}))
        return subprocess.run(
            [
                *(sys.executable, "-m", "sdk_builder.benchmark.worker"),
                *("--plan", tmp_path / "plan.json", "--output-dir", tmp_path / "out"),
                *("--engine", "artificial", "--artificial", tmp_path / "spec.json", *more),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def lines_of(tmp_path: Path, plan: RoundPlan):
    parsed = parse_output((tmp_path / "out" / plan.output_name).read_bytes(), plan)
    assert parsed.skipped == ()
    return parsed.lines


def test_round_is_measured_in_order_and_says_how_far_it_is(work, tmp_path, plan):
    done = work()
    assert (done.returncode, done.stderr) == (0, "")
    start, *samples, end = lines_of(tmp_path, plan)
    assert isinstance(start, RoundStart)
    assert start.program_sha256 == plan.program.sha256
    assert start.golden is not None
    assert [one.case for one in samples if isinstance(one, Sample)] == list(plan.cases)
    assert isinstance(end, RoundEnd)
    assert end.status == "complete"
    assert done.stdout.splitlines() == [
        "0\t3\tload", "0\t3\tload", "1\t3\tprefill-8", "2\t3\tdecode-4", "3\t3\tdecode-4",
    ]  # fmt: skip


def test_worker_needs_no_torch(work, tmp_path):
    probe = tmp_path / "sitecustomize.py"
    probe.write_text(
        "import sys\nfor name in ('torch', 'executorch', 'transformers'): sys.modules[name] = None"
    )
    done = subprocess.run(
        [sys.executable, "-m", "sdk_builder.benchmark.worker", "--help"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--output-dir" in done.stdout


def test_later_rounds_neither_hash_nor_ask(work, tmp_path, plan):
    check = plan.program.model_copy(update={"thorough": False})
    assert work({"golden": "differ"}, program=check).returncode == 0
    start = lines_of(tmp_path, plan)[0]
    assert isinstance(start, RoundStart)
    assert (start.program_sha256, start.golden) == (None, None)


def failure_of(lines) -> Failure:
    *_, failure, end = lines
    assert isinstance(failure, Failure)
    assert isinstance(end, RoundEnd)
    assert end.status == "failed"
    assert end.message == failure.message
    assert not [one for one in lines if isinstance(one, Sample)]
    assert isinstance(lines[0], RoundStart)
    return failure


def test_wrong_answers_are_a_failure_without_samples(work, tmp_path, plan):
    assert work({"golden": "differ"}).returncode == 0
    assert failure_of(lines_of(tmp_path, plan)).cause == "golden_mismatch"


@pytest.mark.parametrize(
    ("update", "cause"),
    [({"sha256": "0" * 64}, "hash_mismatch"), ({"size_bytes": 5}, "size_mismatch")],
)
def test_another_program_is_a_failure_without_samples(work, tmp_path, plan, update, cause):
    assert work(program=plan.program.model_copy(update=update)).returncode == 0
    assert failure_of(lines_of(tmp_path, plan)).cause == cause


def test_missing_bundle_is_a_failure_without_samples(work, tmp_path, plan):
    assert work(bundle_dir=str(tmp_path / "nowhere")).returncode == 0
    assert failure_of(lines_of(tmp_path, plan)).cause == "bundle_unreadable"


def test_program_that_does_not_load_is_a_failure(work, tmp_path, plan):
    assert work({"load_fails": True}).returncode == 0
    assert failure_of(lines_of(tmp_path, plan)).cause == "load_failed"


def test_case_that_does_not_fit_is_a_failure_that_names_it(work, tmp_path, plan):
    large = Case(kind="prefill", tokens=4096)
    plan = plan.model_copy(update={"cases": (plan.cases[1], large)})
    assert work(cases=plan.cases).returncode == 0
    *_, sample, failure, _ = lines_of(tmp_path, plan)
    assert isinstance(sample, Sample)
    assert isinstance(failure, Failure)
    assert failure.case == large


def test_crash_keeps_the_samples_before_it(work, tmp_path, plan):
    done = work({"fault": "crash", "fault_after_cases": 2})
    assert done.returncode == CRASH_CODE
    lines = lines_of(tmp_path, plan)
    assert [type(line) for line in lines] == [RoundStart, Sample, Sample]


def test_fault_happens_only_in_the_rounds_and_attempts_that_are_listed(work):
    fault = {"fault": "crash", "fault_rounds": [1], "fault_attempts": [1, 2]}
    assert work(fault).returncode == 0
    assert work(fault, round=1, attempt=0).returncode == 0
    assert work(fault, round=0, attempt=1).returncode == 0
    assert work(fault, round=1, attempt=1).returncode == CRASH_CODE


def test_output_that_exists_is_continued(work, tmp_path, plan):
    out = tmp_path / "out" / plan.output_name
    out.parent.mkdir()
    out.write_bytes(b'{"type": "torn')
    work()
    parsed = parse_output(out.read_bytes(), plan)
    assert len(parsed.skipped) == 1
    assert isinstance(parsed.lines[-1], RoundEnd)


def test_round_stops_after_the_sample_that_left_the_gate(work, tmp_path, plan):
    """The looks: before and after the load, at the start, and around each further sample."""
    cool, hot = {"thermal_status": 0}, {"thermal_status": 2}
    script = tmp_path / "looks.json"
    script.write_text(json.dumps([cool] * 4 + [hot]))
    assert work(None, "--conditions-file", str(script)).returncode == 0
    *_, prefill, end = lines_of(tmp_path, plan)
    assert isinstance(prefill, Sample)
    assert prefill.case.kind == "prefill"
    assert (prefill.before.thermal_status, prefill.after.thermal_status) == (0, 2)
    assert isinstance(end, RoundEnd)
    assert end.status == "left_gate"
    assert "moderate" in end.message


def test_unreadable_plan_is_told_on_stderr(tmp_path):
    (tmp_path / "plan.json").write_text('{"protocol": 2}')
    done = subprocess.run(
        [sys.executable, "-m", "sdk_builder.benchmark.worker", "--plan", tmp_path / "plan.json",
         "--output-dir", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "plan.json: protocol" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_worker_stops_when_nobody_listens_any_more(tmp_path, plan):
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    (tmp_path / "spec.json").write_text(json.dumps({**FAST, "load_ms": 500}))
    process = subprocess.Popen(
        [sys.executable, "-m", "sdk_builder.benchmark.worker", "--plan", tmp_path / "plan.json",
         "--output-dir", tmp_path / "out", "--engine", "artificial",
         "--artificial", tmp_path / "spec.json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "0\t3\tload\n"
    process.stdout.close()
    assert process.wait(timeout=30) == 1
    assert "stopped" in process.stderr.read()
    process.stderr.close()
    assert isinstance(lines_of(tmp_path, plan)[0], RoundStart)


# --- conditions --------------------------------------------------------------------------------


def test_this_machines_conditions_are_plausible():
    found = read_conditions()
    assert found.available_memory_bytes is not None
    assert 2**20 < found.available_memory_bytes < 2**50
    assert all(-60 < celsius < 150 for celsius in found.temperatures_c.values())
    assert all(0 <= mhz < 20000 for mhz in found.clocks_mhz)
    assert found.at.endswith("Z")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_peak_memory_grows_by_what_is_taken():
    code = (
        "from sdk_builder.benchmark.targets.host_conditions import peak_memory_bytes as peak\n"
        "before = peak(); data = bytearray(b'x' * (64 * 2**20)); print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 60 * 2**20 < int(done.stdout) < 200 * 2**20
    assert (peak_memory_bytes() or 0) > 2**20


def test_scripted_looks_follow_the_file_as_it_is_now(tmp_path):
    path = tmp_path / "looks.json"
    path.write_text('[{"battery_percent": 90}, {"battery_percent": 89.5, "at": "then"}]')
    look = scripted_conditions(path)
    assert [look().battery_percent for _ in range(3)] == [90.0, 89.5, 89.5]
    assert look().at == "then"
    path.write_text('{"thermal_status": 3, "charging": true}')
    found = look()
    assert (found.thermal_status, found.charging) == (3, True)
    assert found.at.endswith("Z")


@pytest.mark.parametrize("content", ["", "[]", "7", "[7]", '{"thermal_status": 9}', '{"hot": 1}'])
def test_script_that_holds_no_conditions_is_an_input_error(tmp_path, content):
    path = tmp_path / "looks.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"looks\.json holds no conditions"):
        scripted_conditions(path)()

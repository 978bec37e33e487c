"""Runs from end to end on a target in this process: complete, resumed, and given up."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Sample
from sdk_builder.benchmark.results import ResultFile, read_results
from sdk_builder.benchmark.runner import SAME_AGAIN, Limits, new_run, run_benchmark
from sdk_builder.benchmark.subject import subject_of
from sdk_builder.benchmark.verdicts import cause_of
from sdk_builder.benchmark.worker.artificial import ArtificialSpec
from sdk_builder.errors import (
    AppCrashedError,
    DeviceLostError,
    DeviceTimeoutError,
    GateClosedError,
    IncompleteRunError,
    InputError,
    Interrupted,
    RunStalledError,
    UsageError,
    VerificationError,
)
from sdk_builder.log import Mark, SilentDisplay, Steps
from tests.unit.benchmark.bench_fakes import (
    COOL,
    HOT,
    QUICK,
    RUNTIME,
    FakeTarget,
    first_lines,
    make_bundle,
    plan_of,
)

PLAN = plan_of()
LOAD, PREFILL, DECODE = PLAN.cases
CRASH = AppCrashedError("The app ended.", serial="here")
LOST = DeviceLostError("The cable is out.", "Plug it in.", serial="here")
LIMITS = Limits(max_wait_s=60, poll_s=15, attempts_without_progress=3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bench") / "bundle")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "results" / "here.jsonl"


def bench(target, bundle, path, plan=PLAN, **options):
    options = {"limits": LIMITS, "sleep": lambda seconds: None, **options}
    return run_benchmark(target, subject_of(bundle), plan, path, Steps.silent(), **options)


def measured(path: Path) -> list[tuple[int, int, str]]:
    """(round, attempt, case) of the samples that count, in the file's order."""
    return [(one.round, one.attempt, one.case.id) for one in read_results(path).valid]


def assert_each_once(path: Path, plan=PLAN) -> None:
    found = sorted((number, case) for number, _, case in measured(path))
    assert found == sorted((r, case.id) for r in range(plan.rounds) for case in plan.cases)


def test_every_case_is_measured_once_a_round_each_in_a_process_of_its_own(bundle, path):
    target = FakeTarget()
    outcome = bench(target, bundle, path)
    assert outcome.complete
    assert (outcome.samples, outcome.invalid, outcome.failures) == (6, 0, 0)
    assert measured(path) == [
        (0, 0, "load"), (0, 0, "prefill-8"), (0, 0, "decode-4"),
        (1, 1, "load"), (1, 1, "decode-4"), (1, 1, "prefill-8"),
    ]  # fmt: skip
    assert [plan.program.thorough for plan in target.plans] == [True, False]
    assert target.log[0] == "awake"
    assert target.log[-1] == "asleep"
    first = read_results(path).rounds[0]
    assert first.program_sha256 == bundle.manifest.program.sha256
    assert first.golden is not None
    assert first.golden.ranked_first == 1.0


def test_complete_file_is_left_alone(bundle, path):
    bench(FakeTarget(), bundle, path)
    before = path.read_bytes()
    target = FakeTarget()
    assert bench(target, bundle, path).complete
    assert path.read_bytes() == before
    assert (target.plans, target.log) == ([], [])


def test_fresh_run_replaces_the_file(bundle, path):
    bench(FakeTarget(), bundle, path)
    first = read_results(path).run.run_id
    outcome = bench(FakeTarget(), bundle, path, fresh=True)
    assert outcome.run.run_id != first
    assert_each_once(path)


def test_file_of_another_run_is_refused_and_kept(bundle, path):
    bench(FakeTarget(), bundle, path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="another plan"):
        bench(FakeTarget(), bundle, path, plan=plan_of(rounds=3))
    newer = RUNTIME.model_copy(update={"version": "2"})
    with pytest.raises(InputError, match="another runtime"):
        bench(FakeTarget(runtime=newer), bundle, path)
    assert path.read_bytes() == before


def test_threads_are_refused_where_the_runtime_does_not_take_them(bundle, path):
    fixed = RUNTIME.model_copy(update={"threads_settable": False})
    with pytest.raises(UsageError, match="threads"):
        bench(FakeTarget(runtime=fixed), bundle, path, plan=plan_of(Case(kind="load", threads=2)))
    assert not path.exists()


def test_crash_keeps_its_samples_and_another_attempt_measures_the_rest(bundle, path):
    target = FakeTarget(faults={0: first_lines(3, CRASH)})  # round, load, prefill
    outcome = bench(target, bundle, path)
    assert outcome.complete
    assert outcome.failures == 1
    assert outcome.reasons == ("app_crashed: The app ended.",)
    assert [case.id for case in target.plans[1].cases] == ["decode-4"]
    assert_each_once(path)


def test_crash_without_any_line_is_retried_so_often_and_no_more(bundle, path):
    target = FakeTarget(faults=dict.fromkeys(range(9), first_lines(0, CRASH)))
    with pytest.raises(IncompleteRunError, match="3 attempts in a row gave no sample") as caught:
        bench(target, bundle, path)
    assert "load, prefill-8, decode-4" in caught.value.message
    assert SAME_AGAIN in caught.value.hint
    assert [(plan.round, plan.attempt) for plan in target.plans] == [(0, 0), (0, 1), (0, 2)]
    assert [failure.cause for failure in read_results(path).failures] == ["app_crashed"] * 3


def test_run_that_was_given_up_is_completed_by_the_same_call(bundle, path):
    target = FakeTarget(faults=dict.fromkeys(range(3), first_lines(0, CRASH)))
    with pytest.raises(IncompleteRunError):
        bench(target, bundle, path)
    assert bench(target, bundle, path).complete
    assert_each_once(path)


def test_stall_is_retried(bundle, path):
    target = FakeTarget(faults={1: first_lines(2, RunStalledError("Silence."))})
    assert bench(target, bundle, path).complete
    assert read_results(path).failures[0].cause == "run_stalled"
    assert_each_once(path)


def test_lost_phone_ends_the_run_which_goes_on_with_what_the_phone_kept(bundle, path):
    target = FakeTarget(faults={0: first_lines(3, LOST)}, unreadable={0}, unreadable_error=LOST)
    with pytest.raises(DeviceLostError) as caught:
        bench(target, bundle, path)
    assert caught.value.hint.startswith("Plug it in.")
    assert SAME_AGAIN in caught.value.hint
    assert measured(path) == []
    assert read_results(path).failures[0].cause == "device_lost"

    target.unreadable.clear()  # the cable is back
    assert bench(target, bundle, path).complete
    assert measured(path)[:2] == [(0, 0, "load"), (0, 0, "prefill-8")]
    assert_each_once(path)


def test_killed_runner_measures_nothing_twice(bundle, path):
    """It died after the attempt had started: nothing of it is in the file."""
    target = FakeTarget()
    ResultFile.create(path, new_run(target, subject_of(bundle), PLAN)).close()
    run = read_results(path).run
    dying = FakeTarget(faults={0: first_lines(2, KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        bench(dying, bundle, path)
    assert read_results(path).lines == ()
    target.outputs = dict(dying.outputs)
    assert bench(target, bundle, path).run.run_id == run.run_id
    assert measured(path)[0] == (0, 0, "load")
    assert (target.plans[0].attempt, len(target.plans[0].cases)) == (1, 2)
    assert_each_once(path)


@pytest.mark.parametrize("merged", [1, 2, 3])
def test_merge_that_was_cut_short_is_finished_on_resume(bundle, path, merged):
    target = FakeTarget()
    bench(target, bundle, path, plan=plan_of(rounds=1))
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[: 1 + merged]) + whole[1 + merged][:15])
    resumed = FakeTarget(outputs=target.outputs)
    assert bench(resumed, bundle, path, plan=plan_of(rounds=1)).complete
    assert resumed.plans == []
    assert path.read_bytes().splitlines(keepends=True) == whole


def test_output_that_could_not_be_fetched_is_fetched_before_the_next_attempt(bundle, path):
    target = FakeTarget(
        faults={0: first_lines(3, None)},
        unreadable={0},
        unreadable_error=DeviceTimeoutError("No answer."),
    )
    steps = Steps.silent()
    steps.display = Reconnecting(target)
    outcome = run_benchmark(target, subject_of(bundle), PLAN, path, steps, limits=LIMITS)
    assert outcome.complete
    assert [case.id for case in target.plans[1].cases] == ["decode-4"]
    assert_each_once(path)


class Reconnecting(SilentDisplay):
    """A display that makes the target readable again with the first warning."""

    def __init__(self, target: FakeTarget) -> None:
        self._target = target

    def line(self, mark: Mark, text: str, duration: str = "") -> None:
        if mark == "warning":
            self._target.unreadable.clear()


def test_garbage_in_the_output_costs_only_itself(bundle, path, capsys):
    def spoil(data: bytes):
        round_line, load, *rest = data.splitlines(keepends=True)
        return b"".join([b"\xff\xfe junk\n", round_line, load[:40] + b"\n", *rest]), None

    target = FakeTarget(faults={0: spoil})
    steps = Steps()
    outcome = run_benchmark(target, subject_of(bundle), PLAN, path, steps, limits=LIMITS)
    assert outcome.complete
    assert [case.id for case in target.plans[1].cases] == ["load"]
    assert_each_once(path)
    assert "2 lines of" in capsys.readouterr().err


def test_sample_that_left_the_gate_is_kept_as_invalid_and_measured_again(bundle, path):
    looks = [COOL] * 6 + [HOT] + [COOL]  # the decode's second look
    target = FakeTarget(looks=looks)
    outcome = bench(target, bundle, path)
    assert (outcome.complete, outcome.samples, outcome.invalid) == (True, 6, 1)
    assert "thermal status is 2 (moderate)" in outcome.reasons[0]
    results = read_results(path)
    assert [end.status for end in results.ends] == ["left_gate", "complete", "complete"]
    assert results.invalid[0].attempt == 0
    assert_each_once(path)


def test_device_that_always_leaves_the_gate_is_given_up(bundle, path):
    with pytest.raises(IncompleteRunError, match="thermal status is 2"):
        bench(FakeTarget(looks=[HOT]), bundle, path)
    results = read_results(path)
    assert (len(results.valid), len(results.invalid)) == (0, 3)


def test_hot_device_is_waited_for(bundle, path):
    slept: list[float] = []
    target = FakeTarget(host_looks=[HOT, HOT, COOL])
    assert bench(target, bundle, path, sleep=slept.append).complete
    assert slept == [15.0]


def test_device_that_stays_hot_ends_the_run_with_the_way_on(bundle, path):
    now = [0.0]
    with pytest.raises(GateClosedError) as caught:
        bench(
            FakeTarget(host_looks=[HOT]),
            bundle,
            path,
            sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
            clock=lambda: now[0],
        )
    assert now[0] == 60.0
    assert SAME_AGAIN in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "cause"),
    [(QUICK.model_copy(update={"golden": "differ"}), "golden_mismatch")],
)
def test_program_that_answers_otherwise_is_never_measured(bundle, path, spec, cause):
    target = FakeTarget(spec=spec)
    with pytest.raises(VerificationError, match="answers otherwise"):
        bench(target, bundle, path)
    results = read_results(path)
    assert [failure.cause for failure in results.failures] == [cause]
    assert results.samples == ()
    assert len(target.plans) == 1


def test_damaged_program_is_never_run(path, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    program = bundle.path / "model.pte"
    program.write_bytes(program.read_bytes()[:-1] + b"\x00")
    with pytest.raises(VerificationError, match="damaged"):
        bench(FakeTarget(), bundle, path)
    [failure] = read_results(path).failures
    assert failure.cause == "hash_mismatch"


def test_engine_that_fails_in_the_middle_is_tried_again(bundle, path):
    spec = ArtificialSpec(**{**QUICK.model_dump(), "fault": "error", "fault_after_cases": 2,
                             "fault_attempts": (0,)})  # fmt: skip
    outcome = bench(FakeTarget(spec=spec), bundle, path)
    assert outcome.complete
    assert outcome.reasons == ("engine_failed: the artificial engine was told to fail",)
    assert_each_once(path)


def test_program_that_does_not_load_is_given_up(bundle, path):
    spec = QUICK.model_copy(update={"load_fails": True})
    with pytest.raises(IncompleteRunError, match="load_failed"):
        bench(FakeTarget(spec=spec), bundle, path)


def test_stopped_run_ends_at_the_next_sign_of_progress(bundle, path):
    stop = threading.Event()
    stop.set()
    target = FakeTarget()
    with pytest.raises(Interrupted) as caught:
        bench(target, bundle, path, stop=stop)
    assert caught.value.hint == SAME_AGAIN
    assert target.plans == []
    assert bench(target, bundle, path).complete


def test_each_setting_of_threads_has_its_own_load(bundle, path):
    cases = [
        case
        for threads in (1, 2)
        for case in (
            Case(kind="load", threads=threads),
            Case(kind="decode", tokens=2, threads=threads),
        )
    ]
    plan = plan_of(*cases, rounds=1)
    bench(FakeTarget(), bundle, path, plan=plan)
    assert_each_once(path, plan)


def test_causes_are_words():
    assert cause_of(CRASH) == "app_crashed"
    assert cause_of(LOST) == "device_lost"


def test_sample_lines_are_what_the_schema_says(bundle, path):
    bench(FakeTarget(), bundle, path)
    decode = [line for line in read_results(path).lines
              if isinstance(line, Sample) and line.case == DECODE]  # fmt: skip
    for sample in decode:
        assert len(sample.token_ms) == 4
        assert sum(sample.token_ms) == pytest.approx(sample.duration_ms)

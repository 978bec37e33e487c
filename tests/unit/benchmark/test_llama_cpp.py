"""llama-bench as a target of the benchmark, against a program that talks like it."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.output import parse_output
from sdk_builder.benchmark.protocol import Case, Gate, Plan, RoundPlan, WarmUp
from sdk_builder.benchmark.records import (
    Failure,
    Line,
    RoundEnd,
    RoundStart,
    Sample,
    decode_line,
)
from sdk_builder.benchmark.target import Progress, Target
from sdk_builder.benchmark.targets.gguf_header import GgufFacts, read_gguf_facts
from sdk_builder.benchmark.targets.llama_cpp import (
    BenchRow,
    LlamaBench,
    LlamaBenchTarget,
    parse_rows,
    peer_plan,
)
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import InputError, ToolchainError, UsageError
from sdk_builder.log import Steps
from tests.unit.benchmark.llama_bench_stand_in import install
from tests.unit.statistics.makers import DECODE, LOAD, PREFILL, look

MACHINE = DeviceFacts(kind="host", id="here", model="this machine")
DEEP = Case(kind="decode", tokens=16, depth=512, threads=3)
TTFT = Case(kind="ttft", tokens=128)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(*entries: bytes, version: int = 3, keys: int | None = None) -> bytes:
    """A GGUF file of metadata alone."""
    count = len(entries) if keys is None else keys
    return b"GGUF" + struct.pack("<IQQ", version, 0, count) + b"".join(entries)


ENTRIES = (
    text("general.architecture") + struct.pack("<I", 8) + text("llama"),
    text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
    text("tokenizer.ggml.scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.5, 1.5),
    text("tokenizer.chat_template") + struct.pack("<I", 8) + text("x" * 70_000),
    text("llama.context_length") + struct.pack("<II", 4, 2048),
    text("general.name") + struct.pack("<I", 8) + text("Tiny ∞"),
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my model.gguf"
    path.write_bytes(gguf(*ENTRIES))
    return path


class Looks:
    """Conditions that are `hot` from the given look on."""

    def __init__(self, hot_from: int = 10**6) -> None:
        self.count = 0
        self._hot_from = hot_from

    def __call__(self) -> Conditions:
        self.count += 1
        return look(battery_temperature_c=50.0 if self.count > self._hot_from else 30.0)


def opened(
    folder: Path, model: Path, mode: str = "", look: Looks | None = None
) -> LlamaBenchTarget:
    bench = LlamaBench(install(folder, mode), model, timeout_s=60.0)
    return LlamaBenchTarget(bench, facts=MACHINE, look=look or Looks(), output_dir=folder)


def round_plan(target: LlamaBenchTarget, *cases: Case) -> RoundPlan:
    return RoundPlan(
        run_id="0123456789abcdef",
        round=2,
        attempt=3,
        bundle_dir=".",
        program=target.program,
        warm_up=WarmUp(),
        gate=Gate(),
        cases=cases,
    )


def lines(target: LlamaBenchTarget, plan: RoundPlan) -> list[Line]:
    return [decode_line(line) for line in target.output(plan).splitlines()]


# --- measuring ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["", "chatty"])
def test_a_round_writes_what_our_own_worker_would_write(
    tmp_path: Path, model: Path, mode: str
) -> None:
    looks = Looks()
    target: Target = opened(tmp_path, model, mode, looks)
    assert isinstance(target, LlamaBenchTarget)
    plan = round_plan(target, PREFILL, DECODE, DEEP)
    said: list[Progress] = []
    with target.measuring():
        target.run_round(plan, said.append)
    start, *samples, end = lines(target, plan)
    assert isinstance(start, RoundStart)
    assert isinstance(end, RoundEnd)
    assert end.status == "complete"
    assert [sample.case for sample in samples if isinstance(sample, Sample)] == [*plan.cases]
    durations = [sample.duration_ms for sample in samples if isinstance(sample, Sample)]
    assert durations == pytest.approx([128 * 2.0, 128 * 10.0, 16 * 10.0])
    assert {(line.round, line.attempt) for line in (start, end)} == {(2, 3)}
    assert [(one.done, one.total, one.now) for one in said] == [
        (0, 3, "prefill-128"),
        (1, 3, "decode-128"),
        (2, 3, "decode-16@512/3t"),
    ]
    assert parse_output(target.output(plan), plan).skipped == ()
    assert looks.count == 1 + 2 * 3  # when the round starts, and around each case


def test_the_model_file_is_described_as_results_describe_a_bundle(
    tmp_path: Path, model: Path
) -> None:
    target = opened(tmp_path, model)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    bundle = target.bundle
    assert (bundle.name, bundle.model, bundle.family) == ("my model", "Tiny ∞", "llama")
    assert (bundle.identity, bundle.program_sha256) == (sha256, sha256)
    assert bundle.program_size_bytes == model.stat().st_size
    assert (bundle.scheme, bundle.parameters) == ("Q4_K - Medium", 134515008)
    assert bundle.bits_per_weight == pytest.approx(96576768 * 8 / 134515008)
    assert bundle.context_length == 2048
    assert (target.program.file, target.program.sha256) == ("my_model.gguf", sha256)
    assert (target.runtime.name, target.runtime.version) == ("llama.cpp", "b6123 (9c1f2e3)")
    assert target.runtime.threads_settable
    assert target.prepare(target.subject, Steps.silent()) == str(tmp_path)


def test_a_second_attempt_goes_on_in_a_file_of_its_own(tmp_path: Path, model: Path) -> None:
    target = opened(tmp_path, model)
    first = round_plan(target, PREFILL)
    second = first.model_copy(update={"attempt": 4})
    assert target.output(second) == b""
    target.run_round(first, lambda _: None)
    assert target.output(second) == b""
    assert len(lines(target, first)) == 3


def test_a_sample_outside_the_gate_ends_the_round(tmp_path: Path, model: Path) -> None:
    target = opened(tmp_path, model, look=Looks(hot_from=4))  # after the second case: look 5
    plan = round_plan(target, PREFILL, DECODE, DEEP)
    target.run_round(plan, lambda _: None)
    *_, last, end = lines(target, plan)
    assert isinstance(last, Sample)
    assert last.case == DECODE
    assert isinstance(end, RoundEnd)
    assert end.status == "left_gate"
    assert "50.0 °C" in end.message


# --- failures -----------------------------------------------------------------------------


def test_a_case_that_fails_leaves_the_samples_before_it_and_says_why(
    tmp_path: Path, model: Path
) -> None:
    target = opened(tmp_path, model, "crash-on-decode")
    plan = round_plan(target, PREFILL, DECODE, DEEP)
    target.run_round(plan, lambda _: None)
    _, sample, failure, end = lines(target, plan)
    assert isinstance(sample, Sample)
    assert isinstance(failure, Failure)
    assert isinstance(end, RoundEnd)
    assert (failure.cause, failure.case, end.status) == ("peer_failed", DECODE, "failed")
    assert "SIGABRT" in failure.message


def test_a_model_file_that_changes_in_the_middle_is_not_measured(
    tmp_path: Path, model: Path
) -> None:
    target = opened(tmp_path, model)
    plan = round_plan(target, PREFILL)
    with model.open("ab") as file:
        file.write(b"more")
    target.run_round(plan, lambda _: None)
    _, failure, _ = lines(target, plan)
    assert isinstance(failure, Failure)
    assert "changed" in failure.message


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        ("stranger", ToolchainError, "is not llama.cpp's llama-bench"),
        ("old", ToolchainError, "too old"),
        ("unloadable", InputError, "cannot load"),
        ("garbage", ToolchainError, "do not understand"),
        ("silent", ToolchainError, "wrote 0 results"),
    ],
)
def test_what_does_not_work_is_found_before_anything_is_measured(
    tmp_path: Path, model: Path, mode: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        opened(tmp_path, model, mode)
    assert getattr(caught.value, "hint", None) or mode == "silent"


def test_a_result_for_another_shape_is_not_taken_for_the_one_that_was_asked(
    tmp_path: Path, model: Path
) -> None:
    target = opened(tmp_path, model, "other-shape")
    plan = round_plan(target, PREFILL)
    target.run_round(plan, lambda _: None)
    assert any(isinstance(line, Failure) for line in lines(target, plan))
    assert not any(isinstance(line, Sample) for line in lines(target, plan))


def test_a_missing_program_is_named_with_the_way_to_get_it(tmp_path: Path, model: Path) -> None:
    bench = LlamaBench(tmp_path / "nowhere" / "llama-bench", model)
    with pytest.raises(ToolchainError, match="nowhere") as caught:
        LlamaBenchTarget(bench, facts=MACHINE, look=Looks(), output_dir=tmp_path)
    assert "Build llama.cpp" in caught.value.hint


def test_cases_that_llama_bench_lacks_are_left_out_and_named() -> None:
    plan, notes = peer_plan(Plan(cases=(LOAD, PREFILL, TTFT, DECODE), rounds=7))
    assert (plan.cases, plan.rounds) == ((PREFILL, DECODE), 7)
    assert len(notes) == 1
    assert "load, ttft-128" in notes[0]
    assert peer_plan(plan) == (plan, ())
    with pytest.raises(UsageError, match="load"):
        peer_plan(Plan(cases=(LOAD,)))


def test_a_round_with_a_case_that_llama_bench_lacks_is_refused(tmp_path: Path, model: Path) -> None:
    target = opened(tmp_path, model)
    with pytest.raises(UsageError, match="ttft-128"):
        target.run_round(round_plan(target, PREFILL, TTFT), lambda _: None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
ROWS = st.fixed_dictionaries({}, optional=dict.fromkeys(BenchRow.model_fields, JSON))


@given(st.text(max_size=60) | st.text(max_size=20).map("{".__add__) | ROWS.map(json.dumps))
def test_any_text_is_results_or_a_clear_error(noise: str) -> None:
    try:
        rows = parse_rows(noise)
    except ToolchainError as error:
        assert "do not understand" in error.message
    else:
        assert all(isinstance(row, BenchRow) for row in rows)


# --- the model file's header --------------------------------------------------------------


def test_facts_are_found_behind_lists_and_long_texts(model: Path) -> None:
    assert read_gguf_facts(model) == GgufFacts("llama", "Tiny ∞", 2048)


def test_a_file_that_does_not_tell_its_context_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(*ENTRIES[:1]))
    assert read_gguf_facts(path) == GgufFacts("llama", "", 0)
    with pytest.raises(InputError, match="context"):
        opened(tmp_path, path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("headers")
    yield folder
    shutil.rmtree(folder)


@given(st.data())
def test_a_cut_or_changed_header_is_an_error_or_other_facts_never_a_crash(
    scratch: Path, data: st.DataObject
) -> None:
    whole = gguf(*ENTRIES[:3], *ENTRIES[4:])
    cut = data.draw(st.integers(0, len(whole) - 1))
    at = data.draw(st.integers(0, max(cut - 1, 0)))
    damaged = bytearray(whole[:cut])
    if damaged and data.draw(st.booleans()):
        damaged[at] ^= data.draw(st.integers(1, 255))
    path = scratch / "damaged.gguf"
    path.write_bytes(bytes(damaged))
    try:
        read_gguf_facts(path)
    except InputError as error:
        assert "damaged.gguf" in error.message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a GGUF"),
        (b"GGUX" + bytes(20), "not a GGUF"),
        (gguf(version=1), "version 1"),
        (gguf(keys=2**40), "damaged"),
        (gguf(keys=1), "damaged"),
        (gguf(text("k") + struct.pack("<I", 77), keys=1), "damaged"),
        (gguf(text("k") + struct.pack("<IIQ", 9, 8, 2**60), keys=1), "damaged"),
    ],
)
def test_what_is_no_gguf_file_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_gguf_facts(path)

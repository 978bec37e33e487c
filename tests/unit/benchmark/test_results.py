"""Result files: what was written comes back, whatever a crash or a stranger did to the end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Failure, Heartbeat, RoundEnd, encode_line
from sdk_builder.benchmark.results import ResultFile, Results, parse, read_results, results_of
from sdk_builder.errors import DiskFullError, InputError, OutputError, TargetExistsError
from tests.unit.benchmark.bench_fakes import COOL, lines, plan_of, run_of, sample_of

LOAD, PREFILL, DECODE = plan_of().cases
RUN = run_of(plan_of())
ROOT = Path(__file__).parents[3]


def encoded(records) -> bytes:
    return b"".join(encode_line(one).encode() for one in (RUN, *records))


@settings(deadline=None)
@given(lines)
def test_any_records_come_back_as_they_were(records):
    parsed = parse(encoded(records))
    assert parsed.lines == (RUN, *records)
    assert not parsed.torn
    assert parsed.intact_bytes == len(encoded(records))


@settings(deadline=None)
@given(lines, st.data())
def test_truncation_at_any_byte_loses_at_most_the_last_line(tmp_path_factory, records, data):
    whole = encoded(records)
    first = len(encode_line(RUN).encode())
    cut = data.draw(st.integers(first, len(whole)))
    complete = whole[:cut].count(b"\n") - 1  # lines behind the run that still have their newline
    path = tmp_path_factory.mktemp("cut") / "results.jsonl"
    path.write_bytes(whole[:cut])

    assert read_results(path).lines == tuple(records[:complete])
    added = sample_of(DECODE)
    with ResultFile.open(path) as file:
        assert file.results.lines == tuple(records[:complete])
        file.append([added])
    assert read_results(path).lines == (*records[:complete], added)


@settings(deadline=None)
@given(lines, st.binary(min_size=1, max_size=40).filter(lambda junk: b"\n" not in junk))
def test_garbage_at_the_end_costs_nothing_of_what_was_there(records, junk):
    for tail in (junk, junk + b"\n"):
        if tail.isspace():
            continue
        parsed = parse(encoded(records) + tail)
        assert parsed.lines == (RUN, *records)
        assert parsed.torn


def test_zeros_that_a_power_cut_leaves_are_a_torn_line():
    assert parse(encoded([sample_of(LOAD)]) + bytes(4096)).lines == (RUN, sample_of(LOAD))


def test_damage_before_the_end_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes(encode_line(RUN).encode() + b"{broken}\n" + encoded([])[:0]
                     + encode_line(sample_of(LOAD)).encode())  # fmt: skip
    with pytest.raises(InputError, match=r"results\.jsonl:2: not a benchmark record"):
        read_results(path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", encode_line(RUN).encode()[:-20], encode_line(sample_of(LOAD)).encode()]
)
def test_file_that_does_not_begin_with_a_run_is_refused(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no result file"):
        ResultFile.open(path)
    assert path.read_bytes() == content


def test_two_runs_in_one_file_are_refused():
    with pytest.raises(InputError, match="several runs"):
        results_of(parse(encode_line(RUN).encode() * 2), "both.jsonl")


def test_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text("precious")
    with pytest.raises(TargetExistsError):
        ResultFile.create(path, RUN)
    assert path.read_text() == "precious"
    ResultFile.create(path, RUN, replace=True).close()
    assert read_results(path).run == RUN
    assert [one.name for one in tmp_path.iterdir()] == ["results.jsonl"]


def test_file_that_another_process_writes_is_refused(tmp_path):
    path = tmp_path / "results.jsonl"
    code = (
        "import sys; from pathlib import Path; from sdk_builder.benchmark.results import *\n"
        "try: ResultFile.open(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error.message)"
    )
    with ResultFile.create(path, RUN) as file:
        with pytest.raises(OutputError, match="Another benchmark writes"):
            ResultFile.open(path)
        with pytest.raises(OutputError, match="Another benchmark writes"):
            ResultFile.create(path, RUN, replace=True)
        other = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert other.stdout.startswith("OutputError Another benchmark writes"), other.stderr
        file.append([sample_of(LOAD)])
    ResultFile.open(path).close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_is_an_output_error_and_the_results_stay_as_they_were(tmp_path):
    path = tmp_path / "results.jsonl"
    with ResultFile.create(path, RUN) as file:
        file.append([sample_of(LOAD)])
        with open("/dev/full", "wb") as full:
            os.dup2(full.fileno(), file._file.fileno())
        with pytest.raises(DiskFullError) as caught:
            file.append([sample_of(PREFILL)])
        assert getattr(caught.value.__cause__, "errno", None) == errno.ENOSPC
        assert file.results.lines == (sample_of(LOAD),)
    assert read_results(path).lines == (sample_of(LOAD),)


def test_run_with_another_key_is_refused_and_says_what_differs(tmp_path):
    path = tmp_path / "results.jsonl"
    ResultFile.create(path, RUN).close()
    other = run_of(plan_of(rounds=3))
    with pytest.raises(InputError, match="with another plan") as caught:
        ResultFile.go_on(path, other)
    assert "fresh" in caught.value.hint
    with ResultFile.go_on(path, run_of(plan_of(), run_id="f" * 16)) as file:
        assert file.results.run.run_id == RUN.run_id
    with ResultFile.go_on(path, other, fresh=True) as file:
        assert file.results.run == other


def test_missing_is_what_has_no_sample_that_counts_in_the_round():
    results = Results(
        RUN,
        (
            sample_of(LOAD),
            sample_of(PREFILL, invalid_reason="too hot"),
            RoundEnd(round=0, attempt=0, at=COOL.at, status="left_gate"),
            sample_of(DECODE, round=1, attempt=1),
        ),
    )
    assert results.missing(0) == (PREFILL, DECODE)
    assert results.missing(1) == (LOAD, PREFILL)
    assert (results.next_round, results.next_attempt) == (0, 2)
    assert results.valid_of(PREFILL) == ()
    assert results.valid_of(DECODE) == (sample_of(DECODE, round=1, attempt=1),)


def test_run_is_complete_when_every_round_has_every_case():
    everything = [sample_of(case, round=r, attempt=r) for r in (0, 1) for case in plan_of().cases]
    assert Results(RUN, tuple(everything)).next_round is None
    assert Results(RUN, tuple(everything[:-1])).next_round == 1
    assert Results(RUN).next_attempt == 0


def test_failures_count_as_attempts_and_heartbeats_are_not_kept(tmp_path):
    failure = Failure(round=0, attempt=4, at=COOL.at, cause="app_crashed", message="gone")
    path = tmp_path / "results.jsonl"
    path.write_bytes(encoded([Heartbeat(at=COOL.at), failure]))
    results = read_results(path)
    assert results.lines == (failure,)
    assert results.failures == (failure,)
    assert results.next_attempt == 5


def test_cases_that_differ_in_threads_only_are_kept_apart():
    plan = plan_of(Case(kind="decode", tokens=4), Case(kind="decode", tokens=4, threads=2))
    results = Results(run_of(plan), (sample_of(plan.cases[1]),))
    assert results.missing(0) == (plan.cases[0],)

"""Result files become runs that are told apart; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Failure, Line, RuntimeFacts, encode_line
from sdk_builder.errors import InputError
from sdk_builder.report.loading import load
from sdk_builder.report.numbers import headline_case, peak_memory, show, when
from tests.unit.report.results import (
    DECODE,
    LOAD,
    PREFILL,
    at,
    bundle,
    complete,
    device,
    run,
    sample,
    write,
)


def one(tmp_path: Path, lines, name="a.jsonl"):
    return load([write(tmp_path / name, lines)]).results[0]


def test_valid_and_invalid_samples_are_kept_apart(tmp_path):
    this = run([DECODE], rounds=3)
    lines = [
        this,
        sample(DECODE, 1000.0, round=0),
        sample(DECODE, 1600.0, round=1, invalid_reason="thermal status 2"),
    ]
    series = one(tmp_path, lines).series[0]
    assert series.values == (128.0,)
    assert [s.duration_ms for s in series.invalid] == [1600.0]
    assert series.missing_rounds == (1, 2)


def test_load_and_ttft_are_times_and_the_rest_are_rates(tmp_path):
    case = Case(kind="ttft", tokens=10)
    lines = complete(run([LOAD, PREFILL, case]), {LOAD: [250.0], PREFILL: [256.0], case: [40.0]})
    assert [s.values for s in one(tmp_path, lines).series] == [(250.0,), (2000.0,), (40.0,)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"hello\n", "hello.jsonl"),
        (b'{"type": "heartbeat", "at": "x"}\n', "does not begin with a run"),
        (b"\x89PNG\r\n\x1a\n\x00", "hello.jsonl"),
    ],
    ids=["nothing", "blank", "words", "no run", "a picture"],
)
def test_what_is_no_result_file_is_named(tmp_path, data, said):
    path = tmp_path / "hello.jsonl"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load([path])
    assert "hello.jsonl" in caught.value.message
    assert said in caught.value.message


def test_missing_file_and_no_file_at_all_are_errors(tmp_path):
    with pytest.raises(InputError, match="absent.jsonl"):
        load([tmp_path / "absent.jsonl"])
    with pytest.raises(InputError, match="No result files"):
        load([])


def test_torn_last_line_is_a_warning_and_loses_that_line_only(tmp_path):
    lines = complete(run([DECODE]), {DECODE: [1000.0, 1010.0]})
    path = write(tmp_path / "a.jsonl", lines)
    torn = encode_line(sample(DECODE, 990.0, round=2))[:-40]
    path.write_text(path.read_text() + torn)
    dataset = load([path])
    assert len(dataset.results[0].samples) == 2
    assert [w for w in dataset.warnings if "a.jsonl" in w and "middle of a line" in w]


def test_damage_in_the_middle_is_an_error_with_its_line(tmp_path):
    lines = [encode_line(line) for line in complete(run([DECODE]), {DECODE: [1000.0]})]
    path = tmp_path / "a.jsonl"
    path.write_text(lines[0] + lines[1][:30] + "\n" + "".join(lines[2:]))
    with pytest.raises(InputError, match=r"a\.jsonl:2"):
        load([path])


def test_copy_of_a_file_counts_once(tmp_path):
    lines = complete(run([DECODE]), {DECODE: [1000.0]})
    dataset = load([write(tmp_path / n, lines) for n in ("a.jsonl", "b.jsonl")])
    assert len(dataset.results) == 1
    assert "b.jsonl" in dataset.warnings[0]


def test_two_states_of_one_run_are_refused(tmp_path):
    this = run([DECODE])
    paths = [
        write(tmp_path / "a.jsonl", complete(this, {DECODE: [1000.0]})),
        write(tmp_path / "b.jsonl", complete(this, {DECODE: [1000.0, 1100.0]})),
    ]
    with pytest.raises(InputError, match=r"a\.jsonl and .*b\.jsonl"):
        load(paths)


def test_alike_devices_bundles_and_runs_get_names_that_differ(tmp_path):
    same_model = bundle(identity="c" * 64)
    runs = [
        run([DECODE]),
        run([DECODE], mark="again"),
        run([DECODE], device=device(id="OTHER")),
        run([DECODE], bundle=same_model),
        run([DECODE], runtime=RuntimeFacts(name="llama.cpp", protocol=1), mark="peer"),
    ]
    paths = [
        write(tmp_path / f"{i}.jsonl", complete(r, {DECODE: [1000.0]})) for i, r in enumerate(runs)
    ]
    dataset = load(paths)
    labels = [dataset.label(result) for result in dataset.results]
    assert len(set(labels)) == len(runs)
    assert any("(OTHER)" in label for label in labels)
    assert any("[cccccccc]" in label for label in labels)
    assert any("on llama.cpp" in label for label in labels)


def test_names_stay_short_where_nothing_is_alike(tmp_path):
    dataset = load([write(tmp_path / "a.jsonl", complete(run([DECODE]), {DECODE: [1000.0]}))])
    assert dataset.label(dataset.results[0]) == "Pixel 8 · SmolLM2-135M-Instruct q4"


def test_samples_of_unplanned_cases_are_warned_of(tmp_path):
    lines: list[Line] = [run([DECODE]), sample(PREFILL, 100.0)]
    dataset = load([write(tmp_path / "a.jsonl", lines)])
    assert any("prefill-512" in warning for warning in dataset.warnings)


# --- the numbers asked for first ----------------------------------------------------------


def test_headline_takes_least_depth_and_the_runtimes_own_threads(tmp_path):
    deep, two = (
        Case(kind="decode", tokens=128, depth=512),
        Case(kind="decode", tokens=128, threads=2),
    )
    times = {deep: [900.0], two: [500.0], DECODE: [1000.0]}
    head = headline_case(one(tmp_path, complete(run(list(times)), times)), "decode")
    assert head is not None
    assert head.case == DECODE


def test_headline_takes_the_best_threads_where_the_runtime_has_no_choice(tmp_path):
    cases = [Case(kind="ttft", tokens=128, threads=t) for t in (1, 2, 4)]
    times = dict(zip(cases, ([90.0], [50.0], [70.0]), strict=True))
    head = headline_case(one(tmp_path, complete(run(cases), times)), "ttft")
    assert head is not None
    assert head.case.threads == 2


def test_headline_of_what_was_not_measured_is_none(tmp_path):
    result = one(tmp_path, [run([DECODE]), failure()])
    assert headline_case(result, "decode") is None
    assert peak_memory(result) == ()


def failure() -> Failure:
    return Failure(round=0, attempt=0, at=at(0), cause="load_failed", message="no memory")


def test_peak_memory_is_the_largest_of_each_process(tmp_path):
    lines = [
        run([DECODE, PREFILL]),
        sample(DECODE, 1.0, attempt=0, peak_memory_bytes=3 * 2**20),
        sample(PREFILL, 1.0, attempt=0, peak_memory_bytes=5 * 2**20),
        sample(DECODE, 1.0, round=1, attempt=1, peak_memory_bytes=None),
        sample(PREFILL, 1.0, round=1, attempt=1, peak_memory_bytes=4 * 2**20),
    ]
    assert peak_memory(one(tmp_path, lines)) == (5.0, 4.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00"),
        (0.04242, "0.0424"),
        (0.9996, "1.00"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (583.88, "584"),
        (17451.2, "17451"),
    ],
)
def test_numbers_are_shown_with_three_digits(value, shown):
    assert show(value) == shown


def test_times_are_shown_for_people_and_other_text_as_it_is():
    assert when("2026-11-24T03:06:41.123Z") == "2026-11-24 03:06:41 UTC"
    assert when("yesterday") == "yesterday"

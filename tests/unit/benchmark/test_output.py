"""A round's output: garbage is skipped and told, foreign lines never count."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.benchmark.output import key_of, parse_output
from sdk_builder.benchmark.plans import round_plan
from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Heartbeat, RoundEnd, RoundStart, Sample, encode_line
from sdk_builder.benchmark.subject import program_check
from tests.unit.benchmark.bench_fakes import (
    COOL,
    HOT,
    RUN_ID,
    lines,
    plan_of,
    run_of,
    sample_of,
)
from tests.unit.bundle.samples import sample_manifest

FIXTURES = Path(__file__).parents[2] / "fixtures" / "protocol"
LOAD, PREFILL, DECODE = plan_of().cases
MANIFEST = sample_manifest()
PLAN = round_plan(plan_of(), RUN_ID, 0, 0, "/b", program_check(MANIFEST), plan_of().cases, True)
START = RoundStart(protocol=1, run_id=RUN_ID, round=0, attempt=0, at=COOL.at, conditions=COOL)
END = RoundEnd(round=0, attempt=0, at=COOL.at, status="complete")


def encoded(*records) -> bytes:
    return b"".join(encode_line(one).encode() for one in records)


@settings(deadline=None)
@given(lines, st.lists(st.tuples(st.integers(0, 6), st.binary(min_size=1, max_size=30))))
def test_garbage_anywhere_between_lines_is_skipped(records, garbage):
    pieces = [encoded(one) for one in records]
    for at, junk in garbage:
        pieces.insert(at, junk.replace(b"\n", b"?") + b"\n")
    parsed = parse_output(b"".join(pieces))
    assert [key_of(line) for line in parsed.lines] == list(
        dict.fromkeys(key_of(one) for one in records)
    )
    assert len(parsed.skipped) == sum(1 for _, junk in garbage if junk.replace(b"\n", b"?").strip())


@settings(deadline=None)
@given(lines, st.data())
def test_output_cut_at_any_byte_keeps_every_whole_line(records, data):
    whole = encoded(*records)
    cut = data.draw(st.integers(0, len(whole)))
    kept = parse_output(whole[:cut]).lines
    expected = parse_output(encoded(*records[: whole[:cut].count(b"\n")])).lines
    assert kept[: len(expected)] == expected
    assert len(kept) <= len(expected) + 1  # the last one may lack nothing but its newline


def test_skipped_line_is_shown_with_its_number():
    parsed = parse_output(encoded(START) + b"<<< logcat >>>\n" + encoded(END))
    assert parsed.lines == (START, END)
    [skipped] = parsed.skipped
    assert skipped.startswith("line 2: not a benchmark record")
    assert "<<< logcat >>>" in skipped


def test_repeated_samples_are_kept_once_and_heartbeats_not_at_all():
    again = sample_of(PREFILL, duration_ms=99.0)
    parsed = parse_output(
        encoded(START, sample_of(PREFILL), Heartbeat(at=COOL.at), again, END, END), PLAN
    )
    assert parsed.lines == (START, sample_of(PREFILL), END)
    assert parsed.skipped == ()


@pytest.mark.parametrize(
    ("foreign", "why"),
    [
        (sample_of(PREFILL, attempt=3), "attempt 3"),
        (sample_of(PREFILL, round=1), "round 1"),
        (sample_of(Case(kind="prefill", tokens=9)), "prefill-9 was not asked for"),
        (run_of(plan_of()), "run line"),
    ],
)
def test_line_that_does_not_belong_to_the_attempt_is_refused(foreign, why):
    parsed = parse_output(encoded(START, foreign, END), PLAN)
    assert parsed.lines == (START, END)
    assert why in parsed.skipped[0]


def test_everything_behind_another_runs_start_is_refused():
    other = START.model_copy(update={"run_id": "f" * 16})
    parsed = parse_output(encoded(other, sample_of(LOAD), END), PLAN)
    assert parsed.lines == ()
    assert len(parsed.skipped) == 3


def test_samples_of_another_program_are_refused_but_the_start_shows_it():
    other = START.model_copy(update={"program_sha256": "9" * 64})
    parsed = parse_output(encoded(other, sample_of(LOAD), END), PLAN)
    assert parsed.lines == (other, END)


def test_the_sdk_alone_says_what_is_invalid():
    hot = sample_of(LOAD, after=HOT)
    claimed = sample_of(PREFILL, invalid_reason="I felt like it")
    found = parse_output(encoded(START, hot, claimed), PLAN).lines
    samples = [line for line in found if isinstance(line, Sample)]
    assert samples[0].invalid_reason is not None
    assert "thermal status is 2 (moderate)" in samples[0].invalid_reason
    assert samples[1].invalid_reason is None


def test_fixtures_of_the_app_are_read_without_a_complaint():
    for path in sorted(FIXTURES.glob("output-*.jsonl")):
        parsed = parse_output(path.read_bytes())
        assert isinstance(parsed.lines[-1], RoundEnd), path
        assert parsed.skipped == (), path

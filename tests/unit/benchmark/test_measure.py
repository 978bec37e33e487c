"""The clockwork: what is inside the clock, and what it says about an engine with known timings."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from sdk_builder.benchmark.protocol import Case, WarmUp, bench_token
from sdk_builder.benchmark.worker.artificial import ArtificialBench, ArtificialSpec
from sdk_builder.benchmark.worker.engines import golden_answers, golden_is_wrong
from sdk_builder.benchmark.worker.measure import Meter
from sdk_builder.bundle.manifest import GoldenPrompt
from sdk_builder.errors import SessionError
from tests.unit.bundle.samples import sample_manifest

MANIFEST = sample_manifest()  # context 128, chunks of 32, vocabulary 300
VOCABULARY = MANIFEST.model.vocab_size
SLACK_MS = 0.2  # the clock of these tests moves by being read


def about(milliseconds: float):
    return pytest.approx(milliseconds, abs=SLACK_MS)


class Time:
    """A clock that moves by sleeping, and by a microsecond whenever it is read."""

    def __init__(self) -> None:
        self.now_ns = 0

    def clock(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def timed(**fields) -> Meter:
    """A meter and an artificial engine, both by one clock that nothing else disturbs."""
    virtual = Time()
    spec = ArtificialSpec.model_validate_json(ArtificialSpec(**fields).model_dump_json())
    engine = ArtificialBench(
        spec, MANIFEST, round_number=0, attempt=0, clock_ns=virtual.clock, sleep=virtual.sleep
    )
    meter = Meter(engine, MANIFEST, clock_ns=virtual.clock)
    meter.load(None)
    return meter


class Recorder:
    """Keeps the calls; each takes one tick of a clock that nothing else moves."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int], int]] = []
        self.now_ns = 0

    def clock(self) -> int:
        return self.now_ns

    def load(self, threads: int | None) -> None:
        self.now_ns += 1_000_000

    def prefill(self, ids: Sequence[int], start: int) -> None:
        self.calls.append(("prefill", list(ids), start))
        self.now_ns += 1_000_000

    def next_token(self, ids: Sequence[int], start: int) -> int:
        self.calls.append(("next", list(ids), start))
        self.now_ns += 1_000_000
        return (ids[-1] + 1) % VOCABULARY

    def close(self) -> None:
        pass


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def meter(recorder) -> Meter:
    return Meter(recorder, MANIFEST, clock_ns=recorder.clock)


def prompt(start: int, count: int) -> list[int]:
    return [bench_token(at, VOCABULARY) for at in range(start, start + count)]


def test_prefill_feeds_chunks_from_the_depth_on(meter, recorder):
    timing = meter.run(Case(kind="prefill", tokens=70, depth=20))
    assert recorder.calls == [
        ("prefill", prompt(20, 32), 20),
        ("prefill", prompt(52, 32), 52),
        ("prefill", prompt(84, 6), 84),
    ]
    assert (timing.duration_ms, timing.token_ms) == (3.0, ())


def test_ttft_picks_a_token_after_the_last_chunk(meter, recorder):
    meter.run(Case(kind="ttft", tokens=40))
    assert [(name, start, len(ids)) for name, ids, start in recorder.calls] == [
        ("prefill", 0, 32),
        ("next", 32, 8),
    ]


def test_decode_feeds_each_picked_token_back(meter, recorder):
    timing = meter.run(Case(kind="decode", tokens=4, depth=10))
    first = bench_token(10, VOCABULARY)
    assert recorder.calls == [("next", [(first + i) % VOCABULARY], 10 + i) for i in range(4)]
    assert timing.token_ms == (1.0, 1.0, 1.0, 1.0)
    assert timing.duration_ms == 4.0


def test_decode_without_depth_begins_with_the_first_prompt_token(meter, recorder):
    meter.run(Case(kind="decode", tokens=1))
    assert recorder.calls == [("next", [bench_token(0, VOCABULARY)], 0)]


def test_filling_writes_the_prompt_up_to_the_depth(meter, recorder):
    meter.fill(33)
    assert [ids for _, ids, _ in recorder.calls] == [prompt(0, 32), prompt(32, 1)]
    meter.fill(0)
    assert len(recorder.calls) == 2


def test_warm_up_is_cut_to_the_context(meter, recorder):
    meter.warm_up(WarmUp(prefill_tokens=120, decode_tokens=50))
    last_name, _, last = recorder.calls[-1]
    assert (last_name, last) == ("next", 127)


def test_depth_is_filled_outside_the_clock():
    meter = timed(prefill_ms_per_token=1.0, decode_ms_per_token=0.5)
    meter.fill(96)
    assert meter.run(Case(kind="decode", tokens=4, depth=96)).duration_ms == about(2.0)


@pytest.mark.parametrize(
    ("case", "due_ms"),
    [
        (Case(kind="prefill", tokens=64), 32.0),
        (Case(kind="prefill", tokens=50, depth=64), 25.0),
        (Case(kind="ttft", tokens=40), 20.0),
        (Case(kind="decode", tokens=8), 32.0),
    ],
)
def test_known_timings_are_reported_as_they_are(case, due_ms):
    meter = timed(load_ms=30, prefill_ms_per_token=0.5, decode_ms_per_token=4)
    assert meter.load(None).duration_ms == about(30.0)
    meter.fill(case.depth)
    assert meter.run(case).duration_ms == about(due_ms)


def test_stall_is_in_the_token_that_stalled_and_in_no_other():
    meter = timed(decode_ms_per_token=1, stalls={"decode": ((5, 60.0), (11, 40.0))})
    timing = meter.run(Case(kind="decode", tokens=16))
    expected = [1.0] * 16
    expected[5], expected[11] = 61.0, 41.0
    assert timing.token_ms == pytest.approx(expected, abs=SLACK_MS)
    assert timing.duration_ms == about(116.0)
    assert sum(timing.token_ms) == pytest.approx(timing.duration_ms)


def test_stall_in_a_prompt_hits_the_prefill_that_passes_it():
    meter = timed(prefill_ms_per_token=0.1, stalls={"prefill": ((40, 50.0),)})
    assert meter.run(Case(kind="prefill", tokens=64)).duration_ms == about(56.4)
    assert meter.run(Case(kind="prefill", tokens=32)).duration_ms == about(3.2)


def test_threads_divide_the_time_up_to_the_most_that_help():
    meter = timed(decode_ms_per_token=8, max_threads=2)
    found = []
    for threads in (1, 2, 8):
        meter.load(threads)
        found.append(meter.run(Case(kind="decode", tokens=4)).duration_ms)
    assert found == pytest.approx([32.0, 16.0, 16.0], abs=SLACK_MS)


class Watched:
    """The artificial engine in real time, with each call timed from within."""

    def __init__(self, **fields) -> None:
        self.engine = ArtificialBench(ArtificialSpec(**fields), MANIFEST, round_number=0, attempt=0)
        self.call_ms: list[float] = []

    def load(self, threads: int | None) -> None:
        self.engine.load(threads)

    def prefill(self, ids: Sequence[int], start: int) -> None:
        begun = time.perf_counter_ns()
        self.engine.prefill(ids, start)
        self.call_ms.append((time.perf_counter_ns() - begun) / 1e6)

    def next_token(self, ids: Sequence[int], start: int) -> int:
        begun = time.perf_counter_ns()
        token = self.engine.next_token(ids, start)
        self.call_ms.append((time.perf_counter_ns() - begun) / 1e6)
        return token

    def close(self) -> None:
        self.engine.close()


@pytest.mark.parametrize(
    ("case", "due_ms"),
    [
        (Case(kind="prefill", tokens=64), [6.4, 6.4]),
        (Case(kind="ttft", tokens=40), [6.4, 1.6]),
        (Case(kind="decode", tokens=5), [2.0, 2.0, 2.0, 22.0, 2.0]),
    ],
)
def test_in_real_time_a_duration_is_between_what_is_inside_and_what_is_outside(case, due_ms):
    """However busy the machine is: what the engine's calls took is the least that may be
    reported, and what passed around the call the most."""
    watched = Watched(
        load_ms=0, prefill_ms_per_token=0.2, decode_ms_per_token=2, stalls={"decode": ((3, 20.0),)}
    )
    meter = Meter(watched, MANIFEST)
    meter.load(None)
    for _ in range(3):
        watched.call_ms.clear()
        begun = time.perf_counter_ns()
        timing = meter.run(case)
        around_ms = (time.perf_counter_ns() - begun) / 1e6
        assert sum(watched.call_ms) <= timing.duration_ms <= around_ms
        assert all(a >= b for a, b in zip(watched.call_ms, due_ms, strict=True))
        if case.kind == "decode":
            assert all(a >= b for a, b in zip(timing.token_ms, watched.call_ms, strict=True))


@pytest.mark.parametrize(
    ("ids", "start"), [([1] * 33, 0), ([], 0), ([1], 5), ([300], 0), ([-1], 0)]
)
def test_artificial_engine_refuses_what_a_real_one_cannot_do(ids, start):
    engine = ArtificialBench(ArtificialSpec(load_ms=0), MANIFEST, round_number=0, attempt=0)
    engine.load(None)
    with pytest.raises(SessionError):
        engine.prefill(ids, start)


# --- golden answers -----------------------------------------------------------------------------

PROMPTS = (
    GoldenPrompt(prompt_ids=tuple(range(1, 41)), expected_ids=(7, 8, 9, 10), text="long"),
    GoldenPrompt(prompt_ids=(5,), expected_ids=(6, 7), text="short"),
)


class Knows:
    """Answers PROMPTS, but for `wrong` tokens at (prompt, place)."""

    def __init__(self, wrong: set[tuple[int, int]]) -> None:
        self.cache: list[int] = []
        self.table = {}
        for number, one in enumerate(PROMPTS):
            for place, token in enumerate(one.expected_ids):
                key = (*one.prompt_ids, *one.expected_ids[:place])
                self.table[key] = token + 1 if (number, place) in wrong else token

    def load(self, threads: int | None) -> None: ...

    def prefill(self, ids: Sequence[int], start: int) -> None:
        self.cache[start:] = ids

    def next_token(self, ids: Sequence[int], start: int) -> int:
        self.prefill(ids, start)
        return self.table[tuple(self.cache)]

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "repeated", "share", "exact_ok", "share_ok"),
    [
        (set(), 2, 1.0, True, True),
        ({(0, 1)}, 1, 0.875, False, True),
        ({(0, 3), (1, 1)}, 0, 0.625, False, True),
        ({(0, 0), (1, 0), (1, 1)}, 0, 0.375, False, False),
    ],
)
def test_golden_answers_are_judged_by_the_bundles_rule(wrong, repeated, share, exact_ok, share_ok):
    golden = golden_answers(Knows(wrong), PROMPTS, max_chunk=32)
    assert golden is not None
    assert (golden.prompts, golden.repeated, golden.ranked_first) == (2, repeated, share)
    assert (golden_is_wrong(golden, exact=True, least_share=0.6) == "") is exact_ok
    assert (golden_is_wrong(golden, exact=False, least_share=0.6) == "") is share_ok


def test_bundle_without_golden_prompts_has_no_answers():
    assert golden_answers(Knows(set()), (), max_chunk=32) is None

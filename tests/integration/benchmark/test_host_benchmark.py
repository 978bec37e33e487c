"""The benchmark on this machine, with the real runtime and a real (tiny) program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from sdk_builder import Bundle
from sdk_builder.benchmark.plans import OPEN_GATE, make_plan
from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.results import Results, read_results
from sdk_builder.benchmark.runner import run_benchmark
from sdk_builder.benchmark.subject import subject_of
from sdk_builder.benchmark.targets.host import HostTarget
from sdk_builder.benchmark.worker.engines import ExecutorchBench, golden_answers, golden_is_wrong
from sdk_builder.bundle.manifest import GoldenPrompt
from sdk_builder.log import Steps
from sdk_builder.verify.golden import check_golden

ROOT = Path(__file__).parents[3]
PREFILL = Case(kind="prefill", tokens=32, threads=1)
TTFT = Case(kind="ttft", tokens=32, threads=1)
DECODE = Case(kind="decode", tokens=24, threads=1)
ROUNDS = 2

# Times the same work without anything of the benchmark: a loop around the session's own engine.
# Prompt ids are others than the benchmark's: they must not matter.
BY_HAND = """
import json, sys, time
from sdk_builder import Session

with Session(sys.argv[1], threads=1) as session:
    engine, found = session.engine, {"prefill": [], "decode": []}
    prompt = list(range(3, 35))
    for _ in range(9):
        begun = time.monotonic()
        for at in range(0, 32, engine.max_chunk):
            engine.forward(prompt[at : at + engine.max_chunk], at)
        found["prefill"].append((time.monotonic() - begun) * 1000)
        token = 3
        for position in range(24):
            begun = time.monotonic()
            token = int(engine.forward([token], position).argmax())
            found["decode"].append((time.monotonic() - begun) * 1000)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def results(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two rounds of a small plan, measured on this machine."""
    path = tmp_path_factory.mktemp("results") / "host.jsonl"
    plan, _ = make_plan(
        tiny_bundle.manifest.program.context_length,
        prefill=(32,), decode=(24,), depths=(0, 16), ttft=32, threads=(1, 2),
        rounds=ROUNDS, gate=OPEN_GATE,
    )  # fmt: skip
    outcome = run_benchmark(
        HostTarget.beside(path), subject_of(tiny_bundle), plan, path, Steps.silent()
    )
    assert outcome.complete, outcome.reasons
    assert [one.name for one in path.parent.iterdir()] == ["host.jsonl"]
    return read_results(path)


def test_every_case_has_a_sample_a_round(results):
    expected = {
        f"{name}/{threads}t"
        for threads in (1, 2)
        for name in ("load", "prefill-32", "prefill-32@16", "ttft-32", "decode-24", "decode-24@16")
    }
    assert {case.id for case in results.run.plan.cases} == expected
    for case in results.run.plan.cases:
        assert len(results.valid_of(case)) == ROUNDS, case.id
    assert results.failures == ()


def test_program_was_hashed_and_gave_its_golden_answers(results, tiny_bundle):
    first, *later = results.rounds
    assert first.program_sha256 == tiny_bundle.manifest.program.sha256
    assert first.golden is not None
    assert first.golden.repeated == first.golden.prompts == len(tiny_bundle.manifest.golden)
    assert [one.golden for one in later] == [None] * (ROUNDS - 1)


def test_samples_say_where_the_time_went(results):
    for sample in results.samples:
        assert sample.duration_ms > 0
        assert sample.peak_memory_bytes is not None
        assert sample.peak_memory_bytes > results.run.bundle.program_size_bytes
        assert len(sample.token_ms) == (sample.case.tokens if sample.case.kind == "decode" else 0)
        if sample.token_ms:
            assert sum(sample.token_ms) == pytest.approx(sample.duration_ms)


def test_figures_agree_with_a_loop_timed_by_hand(results, tiny_bundle):
    """The harness adds or hides nothing that matters.

    The two are measured minutes apart on a machine that does other things as well, and a token
    of this model takes a fraction of a millisecond: so the fastest prompts and the typical
    tokens are compared, which a spell of something else does not reach, and only a factor of
    2.5 is asked for. A warm-up inside the clock, a wrong number of tokens or a wrong unit would
    be far outside.
    """
    done = subprocess.run(
        [sys.executable, "-c", BY_HAND, str(tiny_bundle.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    by_hand = json.loads(done.stdout)
    prompts = [one.duration_ms for case in (PREFILL, TTFT) for one in results.valid_of(case)]
    tokens = [ms for one in results.valid_of(DECODE) for ms in one.token_ms]
    assert 0.4 < min(prompts) / min(by_hand["prefill"]) < 2.5, (prompts, by_hand["prefill"])
    assert 0.4 < median(tokens) / median(by_hand["decode"]) < 2.5, (tokens, by_hand["decode"])


def test_golden_answers_are_judged_as_verify_does(tiny_bundle):
    """Also where a recorded answer is another one."""
    program = tiny_bundle.manifest.program
    right = tiny_bundle.manifest.golden
    vocabulary = tiny_bundle.manifest.model.vocab_size
    spoiled = [
        GoldenPrompt(
            prompt_ids=one.prompt_ids,
            expected_ids=tuple((token + 1) % vocabulary for token in one.expected_ids),
            text=one.text,
        )
        for one in right
    ]
    bench = ExecutorchBench(tiny_bundle)
    bench.load(1)
    assert bench._engine is not None
    for prompts in (right, (*right[:-1], spoiled[-1]), spoiled):
        golden = golden_answers(bench, prompts, program.max_chunk)
        assert golden is not None
        for exact in (True, False):
            [theirs] = check_golden(bench._engine, prompts, exact=exact)
            ours = golden_is_wrong(golden, exact=exact, least_share=0.6)
            assert (ours == "") is (theirs.status == "pass"), (golden, theirs)
    bench.close()

"""A real llama-bench, from SHAKTI_LLAMA_BENCH or PATH, on the real SmolLM2 GGUF."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from sdk_builder.benchmark.output import parse_output
from sdk_builder.benchmark.protocol import Case, Gate, RoundPlan, WarmUp
from sdk_builder.benchmark.records import RoundEnd, Sample
from sdk_builder.benchmark.targets.host_conditions import read_conditions
from sdk_builder.benchmark.targets.llama_cpp import LlamaBench, LlamaBenchTarget
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import InputError
from sdk_builder.models.gguf_file import read_gguf
from sdk_builder.models.sources import SOURCES, cached_path

PROGRAM = os.environ.get("SHAKTI_LLAMA_BENCH") or shutil.which("llama-bench") or ""
MODEL = cached_path(SOURCES["smollm2-135m"])
MACHINE = DeviceFacts(kind="host", id="here", model="this machine")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PROGRAM, reason="no llama-bench: set SHAKTI_LLAMA_BENCH to one, or put it on PATH"
    ),
    pytest.mark.skipif(not MODEL.is_file(), reason="SmolLM2 is not in the cache of sources"),
]


def opened(model: Path, folder: Path) -> LlamaBenchTarget:
    bench = LlamaBench(Path(PROGRAM), model)
    return LlamaBenchTarget(bench, facts=MACHINE, look=read_conditions, output_dir=folder)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> LlamaBenchTarget:
    return opened(MODEL, tmp_path_factory.mktemp("rounds"))


def test_the_model_is_described_as_its_file_says(target: LlamaBenchTarget) -> None:
    file = read_gguf(MODEL)
    tied = "output.weight" not in file.tensors
    bits = sum(tensor.size for tensor in file.tensors.values()) * 8
    bundle = target.bundle
    assert tied
    assert bundle.parameters == SOURCES["smollm2-135m"].parameters
    assert bundle.bits_per_weight == pytest.approx(bits / bundle.parameters, rel=0.01)
    assert (bundle.family, bundle.scheme) == ("llama", "Q4_1")
    assert bundle.context_length == file.metadata["llama.context_length"]
    assert bundle.program_size_bytes == MODEL.stat().st_size
    assert target.runtime.version.startswith("b")


def test_a_round_measures_every_case_within_the_time_that_passed(target: LlamaBenchTarget) -> None:
    cases = (
        Case(kind="prefill", tokens=64, threads=1),
        Case(kind="decode", tokens=8, threads=1),
        Case(kind="decode", tokens=48, threads=1),
        Case(kind="decode", tokens=8, depth=256),
    )
    plan = RoundPlan(
        run_id="0123456789abcdef", round=0, attempt=0, bundle_dir=".", program=target.program,
        warm_up=WarmUp(), gate=Gate(min_battery_percent=None), cases=cases,
    )  # fmt: skip
    begun = time.monotonic()
    target.run_round(plan, lambda _: None)
    passed_ms = (time.monotonic() - begun) * 1000
    parsed = parse_output(target.output(plan), plan)
    assert parsed.skipped == ()
    *_, end = parsed.lines
    assert isinstance(end, RoundEnd)
    assert end.status == "complete"
    samples = [line for line in parsed.lines if isinstance(line, Sample)]
    durations_ms = {sample.case: sample.duration_ms for sample in samples}
    assert list(durations_ms) == [*cases]
    assert sum(durations_ms.values()) < passed_ms
    assert durations_ms[cases[2]] > durations_ms[cases[1]]  # six times the tokens


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with MODEL.open("rb") as file:
        cut.write_bytes(file.read(8 * 2**20))  # beyond the header, into the weights
    with pytest.raises(InputError, match=r"cannot load .*cut\.gguf"):
        opened(cut, tmp_path)

"""Runs candidates for real: export, quality and speed of the program, its memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import output_errors
from sdk_builder.log import Mark, SilentDisplay, Step, Steps
from sdk_builder.models.checkpoint import load_model
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.runtime.engine import ExecutorchEngine
from sdk_builder.tuning.files import put
from sdk_builder.tuning.measure import Scored, Speed, SpeedPlan, compare_speed, ratio_stderr, score
from sdk_builder.tuning.probe import peak_memory_bytes
from sdk_builder.tuning.records import Measurement
from sdk_builder.tuning.space import Candidate
from sdk_builder.verify.agreement import compare, program_logits, torch_reference

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Checkpoint

_REFERENCE_FILE = "float.safetensors"


@dataclass(frozen=True)
class Setup:
    """What all trials of a search have in common.

    request: of the export, but for the candidate's fields and the output; ids: the text that
    judges; reference_key: of all that decides the float model's figures; folder: for bundles and
    the float model's figures.
    """

    request: ExportRequest
    checkpoint: Checkpoint
    ids: Sequence[int]
    window: int
    stride: int
    speed: SpeedPlan
    reference_key: str
    folder: Path


class ExportRunner:
    """Implements `Runner`."""

    def __init__(self, setup: Setup, steps: Steps) -> None:
        self._setup = setup
        self._steps = steps
        self._baseline: tuple[Candidate, ExecutorchEngine] | None = None

    def bundle_path(self, candidate: Candidate) -> Path:
        """Where a candidate's bundle is, if it is kept."""
        return self._setup.folder / "bundles" / candidate.slug

    def reference_perplexity(self) -> float:
        """The float model in PyTorch over the same windows.

        A program in fp32 would give the same to four digits, and be a file of 4 bytes a weight.
        """
        return self._reference.perplexity

    @cached_property
    def _reference(self) -> Scored:
        path = self._setup.folder / _REFERENCE_FILE
        kept = _read_reference(path, self._setup.reference_key)
        if kept is not None:
            return kept
        with self._steps.step("Measuring the float model") as step:
            setup = self._setup
            logits = torch_reference(load_model(setup.checkpoint))
            scored = score(logits, setup.ids, setup.window, setup.stride, step.progress)
            step.result(
                f"Float model: perplexity {scored.perplexity:.3f} on {scored.tokens} tokens"
            )
        _write_reference(path, setup.reference_key, scored)
        return scored

    def run(self, candidate: Candidate, baseline: Candidate | None, step: Step) -> Measurement:
        """Export and measure. Raises ShaktiError."""
        bundle, setup = self._export(candidate, step), self._setup
        engine = _load(bundle)
        step.say("measuring perplexity")
        logits = partial(program_logits, engine)
        scored = score(logits, setup.ids, setup.window, setup.stride, step.progress)
        step.say("measuring speed")
        speed = self._speed(candidate, engine, baseline, step)
        program, info = bundle.manifest.program, bundle.manifest.quantization
        step.say("measuring memory")
        peak = peak_memory_bytes(
            bundle.program_path,
            context_length=program.context_length,
            max_chunk=program.max_chunk,
        )
        return Measurement(
            size_bytes=program.size_bytes,
            bits_per_weight=info.bits_per_weight,
            method=info.method,
            program_sha256=program.sha256,
            perplexity=scored.perplexity,
            tokens=scored.tokens,
            ratio_stderr=ratio_stderr(self._reference, scored),
            kl=compare(self._reference.kept, scored.kept).kl,
            **asdict(speed),
            kv_bytes=bundle.manifest.kv_cache_bytes,
            peak_memory_bytes=peak,
        )

    def discard(self, candidate: Candidate) -> None:
        """Delete its bundle."""
        rmtree(self.bundle_path(candidate), ignore_errors=True)
        with suppress(OSError):  # the folder of all, when it is empty
            self.bundle_path(candidate).parent.rmdir()

    def _export(self, candidate: Candidate, step: Step) -> Bundle:
        """Make the bundle anew: one that lies there may be of another model."""
        output = self.bundle_path(candidate)
        with output_errors(output):
            output.parent.mkdir(parents=True, exist_ok=True)
        fields = {**vars(self._setup.request), **asdict(candidate), "output": output}
        request = ExportRequest(**{**fields, "force": True, "verify": False, "zip": False})
        return run_export(request, _within(step, self._steps)).bundle

    def _speed(
        self,
        candidate: Candidate,
        engine: ExecutorchEngine,
        baseline: Candidate | None,
        step: Step,
    ) -> Speed:
        setup = self._setup
        other = engine if baseline in (None, candidate) else self._baseline_engine(baseline, step)
        speed = compare_speed(engine, other, setup.checkpoint.config.vocab_size, setup.speed)
        if other is engine:
            self._baseline = (candidate, engine)
            return Speed(speed.prefill_tokens_per_s, speed.decode_tokens_per_s, 1.0, 1.0)
        return speed

    def _baseline_engine(self, baseline: Candidate | None, step: Step) -> ExecutorchEngine:
        """The program that others are compared with, made again after a resume."""
        assert baseline is not None
        if self._baseline is None or self._baseline[0] != baseline:
            step.say(f"exporting {baseline.name} to compare with")
            self._baseline = (baseline, _load(self._export(baseline, step)))
        return self._baseline[1]


def _load(bundle: Bundle) -> ExecutorchEngine:
    return ExecutorchEngine.of(bundle)


def _read_reference(path: Path, key: str) -> Scored | None:
    """What `_write_reference` wrote under the same key."""
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            return Scored(file.get_tensor("losses"), file.get_tensor("kept"))
    except (OSError, SafetensorError):
        return None


def _write_reference(path: Path, key: str, scored: Scored) -> None:
    tensors = {"losses": scored.losses, "kept": scored.kept}
    put(path, lambda file: save_file(tensors, file, {"key": key}))


class _Within(SilentDisplay):
    """Shows the steps of an export as what the trial is at; its warnings stay warnings."""

    def __init__(self, step: Step, steps: Steps) -> None:
        self._step = step
        self._steps = steps

    def begin(self, title: str) -> int:
        self._step.say(title[:1].lower() + title[1:])
        return 0

    def line(self, mark: Mark, text: str, duration: str = "") -> None:
        if mark == "warning":
            self._steps.warn(text)


def _within(step: Step, steps: Steps) -> Steps:
    """Steps for an export within a trial: all of them with -v, else only what it is at."""
    if steps.verbosity:
        return steps
    inner = Steps.silent()
    inner.display = _Within(step, steps)
    return inner

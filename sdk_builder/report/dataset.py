"""Result files as frozen values: runs, their cases, and the samples of each.

A run is never mixed with another one: what is grouped for a figure keeps its run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sdk_builder.benchmark.protocol import KINDS, Case
from sdk_builder.benchmark.records import Sample
from sdk_builder.benchmark.results import Results

USUAL_RUNTIME = "executorch"  # any other is named beside what it ran


@dataclass(frozen=True)
class Result(Results):
    """One result file: what was to be measured, and what came of it."""

    path: Path = field(kw_only=True)

    @property
    def device(self) -> str:
        """The device for people: ``Pixel 8``; its id is added by `Dataset.device_name`."""
        return self.run.device.model or self.run.device.id

    @property
    def series(self) -> tuple[CaseSamples, ...]:
        """The plan's cases in its order, each with its samples."""
        return tuple(CaseSamples(self, case) for case in self.run.plan.cases)

    def of_kind(self, kind: str) -> tuple[CaseSamples, ...]:
        """The cases of a kind that have at least one valid sample."""
        return tuple(s for s in self.series if s.case.kind == kind and s.valid)


@dataclass(frozen=True)
class CaseSamples:
    """One case of one run."""

    result: Result
    case: Case

    @property
    def valid(self) -> tuple[Sample, ...]:
        """The samples that count."""
        return self.result.valid_of(self.case)

    @property
    def invalid(self) -> tuple[Sample, ...]:
        """The samples that do not count."""
        return tuple(sample for sample in self.result.invalid if sample.case == self.case)

    @property
    def missing_rounds(self) -> tuple[int, ...]:
        """The planned rounds, from 0, that have no valid sample of this case."""
        have = {sample.round for sample in self.valid}
        return tuple(index for index in range(self.result.run.plan.rounds) if index not in have)

    @property
    def values(self) -> tuple[float, ...]:
        """Each valid sample in the case's unit: tokens/s, or ms for load and TTFT."""
        return tuple(value_of(sample) for sample in self.valid)


@dataclass(frozen=True)
class Dataset:
    """All results of a report, in the order: device, model, smallest program first."""

    results: tuple[Result, ...]
    warnings: tuple[str, ...] = ()

    def device_name(self, result: Result) -> str:
        """The device's name; with its id where two devices have the same name."""
        name = result.device
        ids = {_device_key(other) for other in self.results if other.device == name}
        return f"{name} ({result.run.device.id})" if len(ids) > 1 else name

    def bundle_name(self, result: Result) -> str:
        """Model and format: ``SmolLM2-135M q4``; with the identity's start where those repeat."""
        return f"{model_name(result)} {self.format_name(result)}"

    def format_name(self, result: Result) -> str:
        """The format alone: ``q4``, with what else tells it from its like."""
        bundle, runtime = result.run.bundle, result.run.runtime.name
        name = bundle.scheme if runtime == USUAL_RUNTIME else f"{bundle.scheme} on {runtime}"
        alike = {
            other.run.bundle.identity
            for other in self.results
            if (model_name(other), other.run.bundle.scheme) == (model_name(result), bundle.scheme)
        }
        return f"{name} [{bundle.identity[:8]}]" if len(alike) > 1 else name

    def run_mark(self, result: Result) -> str:
        """What tells this run from another of the same bundle on the same device, or empty."""
        run = result.run
        alike = [
            other
            for other in self.results
            if _device_key(other) == _device_key(result)
            and other.run.bundle.identity == run.bundle.identity
        ]
        return f"run {run.run_id[:8]}" if len(alike) > 1 else ""

    def label(self, result: Result) -> str:
        """Device, bundle and, where needed, run: what names a result everywhere."""
        parts = (self.device_name(result), self.bundle_name(result), self.run_mark(result))
        return " · ".join(part for part in parts if part)

    def heading(self, result: Result) -> str:
        """Device, model and, where needed, run: what formats are compared under."""
        parts = (self.device_name(result), model_name(result), self.run_mark(result))
        return " · ".join(part for part in parts if part)

    def devices(self) -> tuple[str, ...]:
        """The devices' names in order."""
        return tuple(dict.fromkeys(self.device_name(result) for result in self.results))


def _device_key(result: Result) -> tuple[str, str]:
    return result.run.device.kind, result.run.device.id


def model_name(result: Result) -> str:
    """The model's name for people."""
    return result.run.bundle.model


def value_of(sample: Sample) -> float:
    """Tokens/s for prefill and decode, ms for load and TTFT."""
    if sample.case.kind in ("prefill", "decode"):
        assert sample.rate is not None  # such a case has tokens
        return sample.rate
    return sample.duration_ms


def unit_of(case: Case) -> str:
    """The unit of `value_of`."""
    return "tokens/s" if case.kind in ("prefill", "decode") else "ms"


def case_order(case: Case) -> tuple[int, int, int, int]:
    """Load, prefill, decode, TTFT; then by tokens, depth and threads."""
    return (KINDS.index(case.kind), case.tokens, case.depth, case.threads or 0)

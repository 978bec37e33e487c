"""Runs and samples with given numbers, for tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdk_builder.benchmark.analysis.comparison import Measured
from sdk_builder.benchmark.protocol import PROTOCOL, Case, Plan
from sdk_builder.benchmark.records import BundleFacts, Run, RuntimeFacts, Sample
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts

AT = "2026-11-24T03:06:41.123Z"
PREFILL = Case(kind="prefill", tokens=128)
DECODE = Case(kind="decode", tokens=128)
LOAD = Case(kind="load")


def look(**readings: Any) -> Conditions:
    return Conditions(at=AT, **readings)


def sample(case: Case, duration_ms: float, round_number: int = 0, **more: Any) -> Sample:
    fields = {"before": look(), "after": look(), **more}
    return Sample(
        round=round_number,
        attempt=round_number,
        case=case,
        at=AT,
        duration_ms=duration_ms,
        **fields,
    )


def run_line(number: int, cases: Sequence[Case], **changes: Any) -> Run:
    """A first line; `changes` may name fields of the bundle, device, runtime and plan."""
    plan = Plan(cases=tuple(cases), rounds=changes.get("rounds", 5))
    identity = changes.get("identity", "a" * 64)
    bundle = BundleFacts(
        name="tiny",
        identity=identity,
        model="tiny",
        family="llama",
        parameters=1000,
        untrained=True,
        scheme="q4",
        bits_per_weight=4.5,
        program_sha256=identity,
        program_size_bytes=600,
        context_length=128,
    )
    return Run(
        run_id=f"{number:016x}",
        started_at=AT,
        sdk_version="1.0",
        plan=plan,
        plan_hash=plan.hash,
        bundle=bundle,
        device=DeviceFacts(kind="phone", id=changes.get("device", "serial"), model="Phone"),
        runtime=RuntimeFacts(
            name=changes.get("runtime", "executorch"),
            version=changes.get("version", "1"),
            protocol=PROTOCOL,
        ),
    )


def measured(number: int, durations_ms: Mapping[Case, Sequence[float]], **changes: Any) -> Measured:
    """A result file with one sample a case and round."""
    samples = tuple(
        sample(case, ms, round_number)
        for case, values in durations_ms.items()
        for round_number, ms in enumerate(values)
    )
    return Measured(run_line(number, list(durations_ms), **changes), samples)

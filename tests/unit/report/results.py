"""Result files for tests, built through the records: small ones, and a realistic set."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from sdk_builder.benchmark.protocol import Case, Plan
from sdk_builder.benchmark.records import (
    BundleFacts,
    Failure,
    Golden,
    Line,
    RoundEnd,
    RoundStart,
    Run,
    RuntimeFacts,
    Sample,
    encode_line,
)
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts

START = datetime(2026, 11, 20, 9, 0, tzinfo=timezone.utc)
DECODE = Case(kind="decode", tokens=128)
PREFILL = Case(kind="prefill", tokens=512)
TTFT = Case(kind="ttft", tokens=512)
LOAD = Case(kind="load")
CASES = (LOAD, PREFILL, DECODE, TTFT)


def digest(text: str) -> str:
    """A SHA-256 for something that is not there."""
    return hashlib.sha256(text.encode()).hexdigest()


def at(minutes: float) -> str:
    """The time, `minutes` after the start of all runs."""
    when = START + timedelta(minutes=minutes)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def conditions(minutes: float = 0.0, **values: Any) -> Conditions:
    """A cool phone on battery."""
    known: dict[str, Any] = {
        "thermal_status": 0,
        "temperatures_c": {"skin": 33.0, "cpu": 48.0},
        "battery_percent": 80.0,
        "battery_temperature_c": 30.0,
        "charging": False,
    }
    return Conditions(at=at(minutes), **{**known, **values})


def device(model: str = "Pixel 8", **values: Any) -> DeviceFacts:
    """A phone."""
    known: dict[str, Any] = {
        "kind": "phone",
        "id": digest(model)[:10].upper(),
        "model": model,
        "maker": "Google",
        "soc": "Tensor G3",
        "abi": "arm64-v8a",
        "system": "Android 14 (API 34)",
        "api_level": 34,
        "core_max_mhz": (1704.0,) * 4 + (2367.0,) * 4 + (2914.0,),
        "memory_bytes": 7_900_000_000,
        "page_size_bytes": 4096,
    }
    return DeviceFacts(**{**known, **values})


def bundle(scheme: str = "q4", model: str = "SmolLM2-135M-Instruct", **values: Any) -> BundleFacts:
    """A bundle of 135 million parameters, its size by its scheme."""
    parameters = values.pop("parameters", 134_515_008)
    bits = {"none": 32.0, "q8": 8.03, "q5": 5.5, "q4": 4.55}[scheme]
    known: dict[str, Any] = {
        "name": f"{model.lower()}-{scheme}",
        "identity": digest(f"{model} {scheme}"),
        "model": model,
        "family": "SmolLM2",
        "parameters": parameters,
        "untrained": False,
        "scheme": scheme,
        "bits_per_weight": bits,
        "program_sha256": digest(f"program {model} {scheme}"),
        "program_size_bytes": int(parameters * bits / 8 * 1.01),
        "context_length": 4096,
    }
    return BundleFacts(**{**known, **values})


def run(
    cases: Sequence[Case] = CASES,
    *,
    rounds: int = 5,
    device: DeviceFacts | None = None,
    bundle: BundleFacts | None = None,
    minutes: float = 0.0,
    runtime: RuntimeFacts | None = None,
    mark: str = "",
) -> Run:
    """The first line of a file; `mark` makes another run of the same."""
    where, what = device or globals()["device"](), bundle or globals()["bundle"]()
    plan = Plan(cases=tuple(cases), rounds=rounds)
    on_phone = where.kind == "phone"
    return Run(
        run_id=digest(f"{where.id} {what.identity} {plan.hash} {mark}")[:16],
        started_at=at(minutes),
        sdk_version="0.1.0",
        plan=plan,
        plan_hash=plan.hash,
        bundle=what,
        device=where,
        runtime=runtime
        or RuntimeFacts(
            name="executorch",
            version="1.5.1",
            app="io.shakti.demo" if on_phone else "",
            app_version="1.0.0" if on_phone else "",
            protocol=1,
            threads_settable=not on_phone,
        ),
    )


def sample(
    case: Case, duration_ms: float, *, round: int = 0, minutes: float = 0.0, **values: Any
) -> Sample:
    """One sample; a decode case's tokens share its time evenly."""
    steps = case.tokens if case.kind == "decode" else 0
    known: dict[str, Any] = {
        "round": round,
        "attempt": round,
        "at": at(minutes),
        "duration_ms": duration_ms,
        "token_ms": (duration_ms / steps,) * steps if steps else (),
        "peak_memory_bytes": 400_000_000,
        "before": conditions(minutes),
        "after": conditions(minutes + duration_ms / 60_000),
    }
    return Sample(case=case, **{**known, **values})


def round_start(run: Run, index: int, minutes: float = 0.0, **values: Any) -> RoundStart:
    """The line that begins a round; the first one is thorough."""
    golden = Golden(prompts=4, repeated=3, ranked_first=0.97) if index == 0 else None
    known: dict[str, Any] = {
        "protocol": 1,
        "run_id": run.run_id,
        "round": index,
        "attempt": index,
        "at": at(minutes),
        "program_sha256": run.bundle.program_sha256 if index == 0 else None,
        "golden": golden,
        "conditions": conditions(minutes),
    }
    return RoundStart(**{**known, **values})


def complete(run: Run, durations_ms: Mapping[Case, Sequence[float]]) -> list[Line]:
    """A whole run: for each case one duration a round."""
    lines: list[Line] = [run]
    for index in range(max(len(values) for values in durations_ms.values())):
        lines.append(round_start(run, index, float(index)))
        for case, values in durations_ms.items():
            if index < len(values):
                lines.append(sample(case, values[index], round=index, minutes=index + 0.5))
        lines.append(RoundEnd(round=index, attempt=index, at=at(index + 0.9), status="complete"))
    return lines


def write(path: Path, lines: Sequence[Line]) -> Path:
    """A result file of these lines."""
    path.write_text("".join(encode_line(line) for line in lines), encoding="utf-8")
    return path


# --- a realistic set: three phones and a host -------------------------------------------


@dataclass(frozen=True)
class Machine:
    """How a device behaves: rates of a q4 bundle of 135 million parameters."""

    facts: DeviceFacts
    decode: float  # tokens/s at depth 0
    prefill: float  # tokens/s
    load_ms: float
    noise: float  # relative standard deviation
    heat_c: float  # that a round adds to the battery


PHONES = (
    Machine(device(), 71.0, 640.0, 310.0, 0.012, 0.35),
    Machine(
        device("Galaxy S23", maker="Samsung", soc="Snapdragon 8 Gen 2"),
        96.0,
        910.0,
        240.0,
        0.02,
        0.3,
    ),
    Machine(
        device("Redmi Note 12", maker="Xiaomi", soc="Snapdragon 685", system="Android 13 (API 33)"),
        24.0,
        170.0,
        720.0,
        0.035,
        2.4,
    ),
)
HOST = Machine(
    device(
        "Ryzen 7 5800X", kind="host", id="bench-01", maker="AMD", soc="AMD Ryzen 7 5800X",
        abi="x86_64", system="Linux 6.1", api_level=0, core_max_mhz=(4850.0,) * 8,
    ),
    165.0, 1750.0, 130.0, 0.008, 0.0,
)  # fmt: skip
DEPTHS = (0, 512, 2048, 3584)
SLOWER = {"q4": 1.0, "q8": 0.68, "none": 0.21}  # decode against q4


def _mean_ms(machine: Machine, case: Case, scheme: str, weight: float) -> float:
    threads = min(case.threads or 4, 6)
    scale = threads**0.7 / 4**0.7 / weight
    decode = machine.decode * SLOWER[scheme] * scale / (1 + case.depth / 4200)
    prefill = machine.prefill * (1.0 if scheme != "none" else 0.3) * scale
    if case.kind == "load":
        return machine.load_ms * weight * (2.8 if scheme == "none" else 1.0)
    if case.kind == "decode":
        return case.tokens / decode * 1000
    return case.tokens / prefill * 1000 + (1000 / decode if case.kind == "ttft" else 0.0)


def realistic(
    machine: Machine, what: BundleFacts, cases: Sequence[Case], start: float
) -> list[Line]:
    """Five rounds, with noise; the Redmi gets warm, so its later samples leave the gate."""
    this = run(cases, device=machine.facts, bundle=what, minutes=start)
    dice = random.Random(this.run_id)
    lines: list[Line] = [this]
    weight = what.parameters / 134_515_008
    phone = machine.facts.kind == "phone"
    clock, battery_c = start, 29.5

    def look() -> Conditions:
        if not phone:
            return conditions(
                clock, thermal_status=None, temperatures_c={"k10": 52 + dice.randint(-8, 8) / 10},
                battery_percent=None, battery_temperature_c=None, charging=None,
                clocks_mhz=(4600.0,) * 8, load_average=0.7,
            )  # fmt: skip
        hot = battery_c > 33.4
        return conditions(
            clock, battery_temperature_c=round(battery_c, 1), thermal_status=1 if hot else 0,
            temperatures_c={"skin": round(battery_c + 3.1, 1), "cpu": round(battery_c + 17, 1)},
            battery_percent=round(88 - (clock - start) / 4),
            charge_counter_uah=int(3_400_000 - (clock - start) * 5200),
            battery_current_ua=-900_000, battery_voltage_mv=4012,
        )  # fmt: skip

    for index in range(5):
        lines.append(round_start(this, index, clock, attempt=index, conditions=look()))
        status: Literal["complete", "left_gate"] = "complete"
        for case in cases:
            mean = _mean_ms(machine, case, what.scheme, weight)
            took = mean * (1 + abs(dice.gauss(0, machine.noise)) + dice.gauss(0, machine.noise / 3))
            before = look()
            clock += took / 60_000 + 0.05
            battery_c += machine.heat_c / len(cases) * dice.uniform(0.7, 1.5)
            after = look()
            reason = "thermal status 1 (light) after the sample" if after.thermal_status else None
            peak = int(what.program_size_bytes * 1.25 + 9e7 + dice.gauss(0, 2e6))
            lines.append(
                sample(
                    case,
                    took * (1.18 if reason else 1.0),
                    round=index,
                    minutes=clock,
                    before=before,
                    after=after,
                    invalid_reason=reason,
                    peak_memory_bytes=peak,
                )
            )
            if reason:
                status = "left_gate"
                break
        lines.append(RoundEnd(round=index, attempt=index, at=at(clock), status=status))
        clock += 1.2
        battery_c = max(29.0, battery_c - machine.heat_c * 0.55)
    return lines


def write_realistic(folder: Path) -> list[Path]:
    """Three phones and a host; SmolLM2 as q4, q8 and none; an untrained model on one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    decodes = [Case(kind="decode", tokens=128, depth=depth) for depth in DEPTHS]
    usual = (LOAD, Case(kind="prefill", tokens=128), PREFILL, *decodes, TTFT)
    threads = [Case(kind="decode", tokens=128, threads=count) for count in (1, 2, 4, 6, 8)]
    paths = []
    clock = 0.0
    for machine in (*PHONES, HOST):
        for scheme in ("q4", "q8", "none"):
            if scheme == "none" and machine.facts.model == "Redmi Note 12":
                continue
            extra = threads if machine is HOST and scheme == "q4" else []
            lines = realistic(machine, bundle(scheme), (*usual, *extra), clock)
            paths.append(write(folder / f"{machine.facts.id}-{scheme}.jsonl", lines))
            clock += 25
    untrained = bundle("q4", "Shakti-250M", parameters=250_900_000, untrained=True, family="Shakti")
    paths.append(
        write(folder / "shakti-250m.jsonl", realistic(PHONES[1], untrained, usual[:4], clock))
    )
    return [*paths, _failed(folder, clock + 25)]


def _failed(folder: Path, clock: float) -> Path:
    """The full-precision program is too large for the small phone."""
    this = run(device=PHONES[2].facts, bundle=bundle("none"), minutes=clock)
    failure = Failure(
        round=0, attempt=0, at=at(clock + 1), cause="load_failed",
        message="Program load failed with error 0x20: not enough memory for 543 MB of weights",
    )  # fmt: skip
    end = RoundEnd(round=0, attempt=0, at=at(clock + 1), status="failed", message=failure.message)
    return write(folder / "redmi-none.jsonl", [this, round_start(this, 0, clock), failure, end])

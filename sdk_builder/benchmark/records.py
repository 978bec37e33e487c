"""The lines of a result file: one JSON object each, told apart by `type`.

A file begins with a `run` line, written by the SDK. What follows is what the app, or the worker
on this machine, wrote round by round: `round`, `sample`, `failure`, `round_end`; `heartbeat`
lines are for whoever watches and are not kept. Rates are never stored: they are computed from
tokens and durations.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from sdk_builder.benchmark.protocol import Case, Plan, RunId
from sdk_builder.bundle.record import Count, NotNegative, Positive, Record, Sha256
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import InputError

RESULT_SCHEMA = 1


class BundleFacts(Record):
    """The bundle that was measured; the identity is the manifest's without its provenance."""

    name: str
    identity: Sha256
    model: str
    family: str
    parameters: Positive
    untrained: bool
    scheme: str
    bits_per_weight: NotNegative
    program_sha256: Sha256
    program_size_bytes: Positive
    context_length: Positive
    perplexity: NotNegative | None = None


class RuntimeFacts(Record):
    """What ran the program."""

    name: str  # "executorch", "llama.cpp"
    version: str = ""
    app: str = ""  # "io.shakti.demo", or "" on this machine
    app_version: str = ""
    protocol: Count
    threads_settable: bool = False


class Run(Record):
    """The first line: everything that all samples of the file have in common."""

    type: Literal["run"] = "run"
    schema_version: Literal[1] = 1
    run_id: RunId
    started_at: str
    sdk_version: str
    plan: Plan
    plan_hash: Sha256
    bundle: BundleFacts
    device: DeviceFacts
    runtime: RuntimeFacts

    @property
    def key(self) -> tuple[str, ...]:
        """Two runs may share a file only if these agree."""
        runtime = self.runtime
        return (
            self.plan_hash,
            self.bundle.identity,
            f"{self.device.kind}:{self.device.id}",
            f"{runtime.name} {runtime.version} {runtime.app} {runtime.app_version}",
        )


class Golden(Record):
    """Greedy answers of the device to the bundle's golden prompts."""

    prompts: Positive
    repeated: Count  # to the token
    ranked_first: Annotated[float, Field(ge=0.0, le=1.0)]  # share of tokens, teacher-forced


class RoundStart(Record):
    """A process began to measure."""

    type: Literal["round"] = "round"
    protocol: Count
    run_id: RunId
    round: Count
    attempt: Count
    at: str
    program_sha256: Sha256 | None = None  # as hashed on the device; None: only its size was checked
    golden: Golden | None = None
    conditions: Conditions


class Sample(Record):
    """One timed execution of a case.

    duration_ms: wall clock of a monotonic clock. token_ms: of a decode case, each token's own
    share. peak_memory_bytes: the largest resident set of the process so far.
    """

    type: Literal["sample"] = "sample"
    round: Count
    attempt: Count
    case: Case
    at: str
    duration_ms: Annotated[float, Field(gt=0.0)]
    token_ms: tuple[NotNegative, ...] = ()
    peak_memory_bytes: Count | None = None
    before: Conditions
    after: Conditions
    invalid_reason: str | None = None  # set by the SDK, never by the app

    @property
    def rate(self) -> float | None:
        """Tokens per second; None for a load."""
        return self.case.tokens / (self.duration_ms / 1000) if self.case.tokens else None


class Failure(Record):
    """Something went wrong; the samples before it stand."""

    type: Literal["failure"] = "failure"
    round: Count
    attempt: Count
    at: str
    case: Case | None = None
    cause: str  # "load_failed", "golden_mismatch", "app_crashed", ...
    message: str


class RoundEnd(Record):
    """A process has nothing more to say. Only `complete` means that all its cases ran."""

    type: Literal["round_end"] = "round_end"
    round: Count
    attempt: Count
    at: str
    status: Literal["complete", "left_gate", "failed"]
    message: str = ""


class Heartbeat(Record):
    """The app is alive."""

    type: Literal["heartbeat"] = "heartbeat"
    at: str


Line = Run | RoundStart | Sample | Failure | RoundEnd | Heartbeat
LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])


def encode_line(line: Line) -> str:
    """The record as one line of JSON, newline included."""
    return json.dumps(line.model_dump(mode="json"), ensure_ascii=False, allow_nan=False) + "\n"


def decode_line(text: str | bytes) -> Line:
    """The record of one line.

    Raises InputError, naming the first thing that is wrong with it.
    """
    try:
        return LINES.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise InputError(f"not a benchmark record: {where}: {first['msg']}") from error

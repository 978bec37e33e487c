"""The benchmark protocol: what is measured, and the plan file that says so to the app.

docs/benchmark-protocol.md is this module in words; its JSON schema is made from these records.
A number that the app has to agree with is defined here once.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sdk_builder.bundle.record import (
    Count,
    FileName,
    NotNegative,
    Positive,
    Record,
    Sha256,
    canonical_json,
)
from sdk_builder.device.demo_app import PACKAGE, PHONE_FOLDER

PROTOCOL = 1  # raised by any change that an older app, or an older SDK, would misread

INSTRUMENTATION = f"{PACKAGE}/.BenchInstrumentation"
PLANS_FOLDER = f"{PHONE_FOLDER}/plans"

Kind = Literal["load", "prefill", "decode", "ttft"]
KINDS: tuple[Kind, ...] = ("load", "prefill", "decode", "ttft")
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Case(Record):
    """One thing that is timed.

    load: open the program and run one token through it (weights are packed then). tokens is 0.
    prefill: `tokens` prompt tokens after `depth` tokens in the KV cache.
    ttft: the same, and picking the first token of the answer.
    decode: `tokens` tokens one by one after `depth`, each picked greedily and fed back.
    threads: of the runtime; None leaves them to it.
    """

    kind: Kind
    tokens: Count = 0
    depth: Count = 0
    threads: Positive | None = None

    @property
    def id(self) -> str:
        """A name for people and tables: ``decode-128@512/4t``."""
        count = "" if self.kind == "load" else f"-{self.tokens}"
        depth = f"@{self.depth}" if self.depth else ""
        threads = f"/{self.threads}t" if self.threads else ""
        return f"{self.kind}{count}{depth}{threads}"

    @model_validator(mode="after")
    def _means_something(self) -> Case:
        if self.kind == "load" and (self.tokens or self.depth):
            raise ValueError("a load case has no tokens and no depth")
        if self.kind != "load" and not self.tokens:
            raise ValueError(f"a {self.kind} case needs tokens")
        return self


class WarmUp(Record):
    """What runs untimed after each load, before the first case."""

    prefill_tokens: Count = 64
    decode_tokens: Count = 16


class Gate(Record):
    """Inside which conditions a sample counts; a limit on what is not known lets it pass.

    A round starts only at or below the start temperature; a sample whose conditions, before or
    after, are outside the rest is invalid. None: no such limit.
    """

    max_thermal_status: Count | None = 0
    max_battery_temperature_c: float | None = 42.0
    start_battery_temperature_c: float | None = 38.0
    min_battery_percent: NotNegative | None = 20.0


class Plan(Record):
    """What to measure: every case once a round, each round in a process of its own."""

    cases: tuple[Case, ...] = Field(min_length=1)
    rounds: Positive = 5
    warm_up: WarmUp = WarmUp()
    gate: Gate = Gate()

    @model_validator(mode="after")
    def _cases_differ(self) -> Plan:
        ids = [case.id for case in self.cases]
        if len(set(ids)) != len(ids):
            raise ValueError(f"cases repeat: {', '.join(sorted(ids))}")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of the plan's canonical JSON, hexadecimal."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()


class ProgramCheck(Record):
    """What the app must find before it measures."""

    file: FileName
    size_bytes: Positive
    sha256: Sha256
    # Hash the file and run the golden prompts too; else the size must do (later rounds).
    thorough: bool
    exact: bool  # golden tokens must repeat to the token (fp32 activations)
    least_share: Annotated[float, Field(ge=0.0, le=1.0)]  # else: this share is ranked first


class RoundPlan(Record):
    """The plan file: what the app measures in one process, in this order.

    attempt counts the processes of a run, from 0: a round that was cut short is finished by a
    later attempt with the cases that are left.
    """

    protocol: Literal[1] = 1
    run_id: RunId
    round: Count
    attempt: Count
    bundle_dir: str  # a folder on the device with the bundle's three files
    program: ProgramCheck
    warm_up: WarmUp
    gate: Gate
    cases: tuple[Case, ...] = Field(min_length=1)
    heartbeat_s: Positive = 5  # say something at least this often

    @property
    def output_name(self) -> FileName:
        """Name of the JSONL file that the app writes."""
        return f"{self.run_id}-r{self.round}-a{self.attempt}.jsonl"


def bench_token(position: int, vocab_size: int) -> int:
    """The prompt token at `position` (0 for the first of the KV cache), in [1, vocab_size).

    Any fixed ids would do; these are spread over the vocabulary and the same on every device.
    """
    return 1 + (position * 2654435761 % 2**32) % (vocab_size - 1)


# --- the app's instrumentation ------------------------------------------------------------
# am instrument -w -r -e action describe PACKAGE/.BenchInstrumentation
# am instrument -w -r -e action run -e plan PATH PACKAGE/.BenchInstrumentation

ACTION, PLAN_ARGUMENT = "action", "plan"
DESCRIBE, RUN = "describe", "run"

# INSTRUMENTATION_RESULT of describe; all are text.
KEY_PROTOCOL = "shakti_protocol"
KEY_APP_VERSION = "shakti_app_version"
KEY_RUNTIME = "shakti_runtime"  # "executorch"
KEY_RUNTIME_VERSION = "shakti_runtime_version"
KEY_THREADS_SETTABLE = "shakti_threads_settable"  # "true" or "false"
KEY_RESULTS_DIR = "shakti_results_dir"  # where the JSONL files go; adb's shell can read it

# INSTRUMENTATION_STATUS of run, at least every heartbeat_s seconds.
KEY_DONE, KEY_TOTAL, KEY_NOW = "shakti_done", "shakti_total", "shakti_now"

# INSTRUMENTATION_RESULT of run, for people: the JSONL file's round_end is what counts.
KEY_STATUS, KEY_MESSAGE = "shakti_status", "shakti_message"

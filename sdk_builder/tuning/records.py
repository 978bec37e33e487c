"""Finished trials in a JSONL file: a line each, read back with suspicion. No torch.

A trial is reused only under its own key, a hash of all that decides its outcome.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from sdk_builder.bundle.record import NotNegative, Positive, Record, Sha256
from sdk_builder.errors import output_errors
from sdk_builder.tuning.space import Candidate


class Measurement(Record):
    """What was measured of one candidate; None was not measured.

    size_bytes: of the program; perplexity: on `tokens` counted tokens;
    ratio_stderr: standard error of its ratio to the float model's; kl: from the float model,
    nats a token; decode_ratio, prefill_ratio: speed over that of the baseline, interleaved with
    it; kv_bytes: values of a full KV cache; peak_memory_bytes: what loading and running adds to a
    process.
    """

    size_bytes: Positive
    bits_per_weight: NotNegative
    method: str
    program_sha256: Sha256
    perplexity: NotNegative
    tokens: Positive
    ratio_stderr: NotNegative | None = None
    kl: float | None = None
    decode_ratio: NotNegative | None = None
    prefill_ratio: NotNegative | None = None
    decode_tokens_per_s: NotNegative | None = None
    prefill_tokens_per_s: NotNegative | None = None
    kv_bytes: Positive | None = None
    peak_memory_bytes: Positive | None = None


class Trial(Record):
    """One line. `measured` is None where the candidate failed, for `reason`.

    candidate: the fields of `space.Candidate`; baseline: name of the candidate that speeds are
    ratios to; conditions: what went into `key`, for readers.
    """

    schema_version: Literal[1] = 1
    key: Sha256
    candidate: dict[str, str | int | float | None]
    reason: str = ""
    measured: Measurement | None = None
    baseline: dict[str, str | int | float | None] | None = None
    seconds: NotNegative
    conditions: dict[str, Any]


@dataclass(frozen=True)
class Conditions:
    """All but the candidate that decides a trial's outcome.

    checkpoint: origin and hashes; text_sha256: of the token ids' text; options: of measuring and
    exporting; tools: versions of what makes and runs the program.
    """

    checkpoint: Mapping[str, Any]
    text_sha256: str
    options: Mapping[str, Any]
    tools: Mapping[str, str]

    def key(self, candidate: Candidate) -> str:
        """SHA-256 of these conditions with `candidate`."""
        return _digest({"conditions": asdict(self), "candidate": asdict(candidate)})

    def reference_key(self) -> str:
        """SHA-256 of what decides the float model's figures: no candidate, no exporter."""
        return _digest({"conditions": asdict(self), "candidate": None})


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class TrialStore:
    """The trials of a JSONL file, which need not exist yet.

    fresh: forget what is there; what is added counts instead of it. Lines that are no trial (cut
    off by a crash, or of a newer version) are left alone and ignored. Raises OutputError.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        self._trials = {} if fresh else {trial.key: trial for trial in _read(path)}

    def __iter__(self) -> Iterator[Trial]:
        """Each key's trial, oldest first."""
        return iter(self._trials.values())

    def find(self, key: str) -> Trial | None:
        """The trial with this key; of several the last."""
        return self._trials.get(key)

    def add(self, trial: Trial) -> None:
        """Append `trial` and have it on the disk before returning. Raises OutputError."""
        line = trial.model_dump_json().encode() + b"\n"
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                if file.tell() and not _ends_a_line(self.path):
                    line = b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        self._trials[trial.key] = trial


def _read(path: Path) -> list[Trial]:
    with output_errors(path):  # what cannot be read could not be added to either
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
    trials = []
    for line in lines:
        try:
            trials.append(Trial.model_validate_json(line))
        except ValidationError:
            continue
    return trials


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

"""Measurements beside another tool: what `benchmarks/` scripts write and `report` reads.

A file is one JSON object: who measured, when, on what, and comparisons. A comparison is made of
pairs, ours and the peer's in turn, so that a machine whose speed drifts does not decide it; `ratio`
is the median of ours / peer over the pairs, `low` and `high` their quartiles. Exact measures, such
as a file's size, are one pair with `low == high == ratio`.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from sdk_builder.bundle.record import Positive, Record
from sdk_builder.errors import InputError, output_errors

SUFFIX = ".json"
SCHEMA: Literal["shakti-side-by-side/1"] = "shakti-side-by-side/1"
BUSY_SHARE = 0.1
Better = Literal["lower", "higher"]
Verdict = Literal["aim met", "floor met", "floor missed", "no target"]
Measure = Annotated[float, Field(gt=0)]


class Comparison(Record):
    """One measure of ours beside the peer's.

    measure: a short name that stays the same, such as ``decode_2_threads``; title: for people.
    ours, peer: medians over the pairs, in `unit`. peer_name: the tool, or what else is compared
    with ("memory read limit"). better: which way the ratio is good. floor, aim: what ratio we must
    and want to reach, or None; no aim without a floor. conditions: what a reader needs to weigh the
    measure or repeat it.
    """

    measure: str
    title: str
    model: str
    unit: str
    ours: Measure
    peer: Measure
    peer_name: str
    ratio: Measure
    low: Measure
    high: Measure
    repetitions: Positive
    better: Better
    floor: Measure | None = None
    aim: Measure | None = None
    conditions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _aim_is_beyond_floor(self) -> Comparison:
        if self.aim is not None and (
            self.floor is None or self.advantage(self.aim) < self.advantage(self.floor)
        ):
            raise ValueError("an aim needs a floor that is easier to reach")
        return self

    @property
    def verdict(self) -> Verdict:
        """Which target the median of the ratio reaches."""
        if self.floor is None:
            return "no target"
        if self.aim is not None and self._reaches(self.aim):
            return "aim met"
        return "floor met" if self._reaches(self.floor) else "floor missed"

    def _reaches(self, limit: float) -> bool:
        return self.ratio <= limit if self.better == "lower" else self.ratio >= limit

    def advantage(self, ratio: float) -> float:
        """A ratio, or a limit of it, turned so that more than 1 speaks for us."""
        return 1 / ratio if self.better == "lower" else ratio


class SideBySide(Record):
    """One run of a script: all its comparisons, on one machine.

    started_at: UTC, ISO 8601. machine: processor and cores. versions: by program. busy_share: of
    all cores, what other processes used just before the pairs (median); None where no speed was
    measured.
    """

    schema_name: Literal["shakti-side-by-side/1"] = Field(default=SCHEMA, alias="schema")
    script: str
    started_at: str
    duration_s: float
    machine: str
    busy_share: Annotated[float, Field(ge=0, le=1)] | None = None
    versions: dict[str, str]
    comparisons: tuple[Comparison, ...]

    @property
    def busy(self) -> bool:
        """Whether others used so much that threads which wait for each other were held up."""
        return self.busy_share is not None and self.busy_share > BUSY_SHARE


def paired(
    measure: str, pairs: Sequence[tuple[float, float]], *, better: Better, **facts: object
) -> Comparison:
    """A comparison from (ours, peer) pairs; `facts` are the other fields of Comparison."""
    ratios = sorted(ours / peer for ours, peer in pairs)
    low, _, high = (
        statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    )
    return Comparison.model_validate(
        {
            "measure": measure,
            "ours": float(statistics.median(ours for ours, _ in pairs)),
            "peer": float(statistics.median(peer for _, peer in pairs)),
            "ratio": statistics.median(ratios),
            "low": low,
            "high": high,
            "repetitions": len(pairs),
            "better": better,
            **facts,
        }
    )


def write(path: Path, result: SideBySide) -> None:
    """Write the file under another name, then rename it. Raises OutputError."""
    text = json.dumps(result.model_dump(by_alias=True, mode="json"), indent=2, ensure_ascii=False)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text + "\n", encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def read(path: Path) -> SideBySide:
    """A file of `write`. Raises InputError, naming the file and what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    try:
        return SideBySide.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path} is no side-by-side result: {where}: {first['msg']}.",
            "Give a .json file that a script in benchmarks/ wrote with --out.",
        ) from error


def is_side_by_side(path: Path) -> bool:
    """Whether a file says of itself that it is one, however damaged the rest."""
    try:
        told: object = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(told, Mapping) and told.get("schema") == SCHEMA

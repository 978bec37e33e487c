"""Results of `shakti-sdk eval` as values, read back from its files. No torch.

A file holds one result, or several with what was found between them. Whatever suite it is of, a
result is a list of metrics; what lm-eval and perplexity report becomes one, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sdk_builder.errors import InputError

SCHEMA = "shakti-evaluation-1"
ALL = "all"  # the group that every item is in

Unit = Literal["share", "score", "nats", "ratio"]
Better = Literal["higher", "lower", "zero", "half"]
"""Where a metric is best: as high as can be, as low, at 0, or at one half."""

_Z95 = 1.959964  # of a normal distribution, two sides


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(_Value):
    """One number of a suite. value: None where the items say nothing of it; low, high: its
    confidence interval; items: how many it is over; unit: share is of 1, not of 100."""

    metric: str
    group: str = ALL
    value: float | None
    low: float | None = None
    high: float | None = None
    items: int = Field(ge=0)
    unit: Unit = "share"
    better: Better | None = None


class Comparison(_Value):
    """The same metric of two bundles on the same items, paired item by item.

    difference: of − against; low, high: its confidence interval; p_value: of no difference;
    changed: items whose outcome differs, where an item has one; suite: as in the results.
    """

    suite: str
    metric: str
    group: str = ALL
    of: str
    against: str
    difference: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    items: int = Field(ge=0)
    changed: int | None = None
    unit: Unit = "share"


class Data(_Value):
    """Where items are from. of: how many the source has; seed: of the choice that `limit` made."""

    source: str
    sha256: str
    items: int = Field(ge=0)
    of: int = Field(ge=0)
    limit: int | None = None
    seed: int = 0
    licence: str | None = None


class SuiteResult(_Value):
    """What one bundle scored on one suite. name: the model's; scheme: none, q8, q5 or q4."""

    suite: str
    bundle: str
    name: str
    identity: str
    program_sha256: str
    scheme: str
    bits_per_weight: float
    metrics: tuple[Metric, ...]
    data: tuple[Data, ...] = ()
    confidence: float = 0.95
    options: dict[str, Any] = {}
    seconds: float | None = None
    tools: dict[str, str] = {}

    @property
    def label(self) -> str:
        """Model and format: ``SmolLM2-135M q4``."""
        return f"{self.name} {self.scheme}"

    def find(self, metric: str, group: str = ALL) -> Metric | None:
        """The metric of this name and group."""
        return next((m for m in self.metrics if (m.metric, m.group) == (metric, group)), None)

    def as_document(self) -> dict[str, Any]:
        """For JSON."""
        return {"schema": SCHEMA, **self.model_dump(mode="json")}


@dataclass(frozen=True)
class SuiteScores:
    """One suite on any number of bundles. results: in their order; comparisons: of each with the
    float one, or the first; outcomes: of each item on each bundle, for those who look closer."""

    results: tuple[SuiteResult, ...]
    comparisons: tuple[Comparison, ...]
    outcomes: tuple[Mapping[str, Any], ...]

    @property
    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "suite": self.results[0].suite,
            "results": [one.as_document() for one in self.results],
            "comparisons": [one.model_dump(mode="json") for one in self.comparisons],
        }


def reference_of(schemes: Sequence[str]) -> int:
    """Which of several bundles the others are compared with: the first float one, or the first."""
    return next((at for at, scheme in enumerate(schemes) if scheme == "none"), 0)


class ResultFile(_Value):
    """All that a file has."""

    path: str
    results: tuple[SuiteResult, ...]
    comparisons: tuple[Comparison, ...] = ()


def read_results(paths: Sequence[Path]) -> list[ResultFile]:
    """The files that `shakti-sdk eval -o` wrote. Raises InputError, naming the file."""
    return [_read(path) for path in paths]


def is_evaluation(path: Path) -> bool:
    """Whether a file says of itself that it is one of these."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and any(
        isinstance(one, dict) and one.get("schema") == SCHEMA
        for one in (document, *_members(document))
    )


def _read(path: Path) -> ResultFile:
    hint = "Give files that shakti-sdk eval -o wrote."
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.", hint) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON.", hint) from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is no evaluation result.", hint)
    members = _members(document) or [document]
    try:
        results = tuple(_result(one) for one in members)
        comparisons = tuple(Comparison.model_validate(c) for c in document.get("comparisons", ()))
        return ResultFile(path=str(path), results=results, comparisons=comparisons)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise InputError(f"{path}: {where}: {first['msg']}.", hint) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is no evaluation result of this version.", hint) from error


def _members(document: Mapping[str, Any]) -> list[Any]:
    found = document.get("results")
    return found if isinstance(found, list) else []


def _result(document: Mapping[str, Any]) -> SuiteResult:
    if document["schema"] != SCHEMA:
        raise ValueError(document["schema"])
    fields = {name: document[name] for name in _COMMON if name in document}
    if document["suite"] == "perplexity":
        return SuiteResult(**fields, metrics=tuple(_of_perplexity(document)))
    if document["suite"] == "lm-eval":
        return SuiteResult(**fields, metrics=tuple(map(_of_score, document["scores"])))
    return SuiteResult.model_validate({k: v for k, v in document.items() if k != "schema"})


_COMMON = (
    *("suite", "bundle", "name", "identity", "program_sha256", "scheme", "bits_per_weight"),
    *("seconds", "tools"),
)


def _of_perplexity(found: Mapping[str, Any]) -> Iterator[Metric]:
    tokens, against = int(found["tokens"]), found.get("against")
    yield Metric(
        metric="perplexity", value=found["perplexity"], items=tokens, unit="score", better="lower"
    )
    if against is not None:
        near = _Z95 * against["ratio_stderr"]
        yield Metric(
            metric="perplexity_ratio",
            value=against["ratio"],
            low=against["ratio"] - near,
            high=against["ratio"] + near,
            items=tokens,
            unit="ratio",
            better="lower",
        )
        yield Metric(metric="kl", value=against["kl"], items=tokens, unit="nats", better="zero")


def _of_score(score: Mapping[str, Any]) -> Metric:
    """lm-eval's: the task is the group. Its standard error becomes a normal interval."""
    value, error = float(score["value"]), score["stderr"]
    near = None if error is None else _Z95 * float(error)
    higher = score["higher_is_better"]
    return Metric(
        metric=score["metric"]
        if score["filter"] == "none"
        else f"{score['metric']} ({score['filter']})",
        group=score["task"],
        value=value,
        low=None if near is None else value - near,
        high=None if near is None else value + near,
        items=score["documents"],
        unit="share" if 0 <= value <= 1 else "score",
        better=None if higher is None else "higher" if higher else "lower",
    )

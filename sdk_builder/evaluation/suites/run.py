"""`eval --suite crows-pairs` and its like: one suite on any number of bundles, item by item."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import UsageError
from sdk_builder.evaluation.journal import Journal, digest, versions
from sdk_builder.evaluation.record import describe_bundle, labels_of
from sdk_builder.evaluation.results import Comparison, SuiteResult, SuiteScores, reference_of
from sdk_builder.evaluation.suites import bbq, crows_pairs, hate
from sdk_builder.evaluation.suites.items import Items, read_items
from sdk_builder.evaluation.suites.likelihoods import Likelihoods
from sdk_builder.evaluation.suites.scores import CONFIDENCE, Scored, comparisons_of, metrics_of
from sdk_builder.evaluation.suites.suite import Suite
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        suite.name: suite
        for suite in (crows_pairs.SUITE, bbq.SUITE, hate.TOXIGEN, hate.IMPLICIT_HATE)
    }
)


@dataclass(frozen=True)
class SuiteRequest:
    """What to score. data: files, folders or hub names, none: the suite's own; limit: items of each
    source; seed: of that choice and of the resamples; resume: a journal file."""

    bundles: tuple[Path, ...]
    suite: str
    data: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0
    threads: int | None = None
    resume: Path | None = None


def run_suite(request: SuiteRequest, steps: Steps) -> SuiteScores:
    """Raises UsageError, what `read_items`, `Session` and `Journal` raise, InputError."""
    suite = find_suite(request.suite)
    bundles = [Bundle.open(path) for path in request.bundles]
    with steps.step(f"Reading {suite.title}") as step:
        items = read_items(suite, request.data, limit=request.limit, seed=request.seed)
        step.result(_read(suite, items))
    labels = labels_of([describe_bundle(one) for one in bundles])
    pairs = [
        _run_one(suite, items, bundle, label, request, steps)
        for bundle, label in zip(bundles, labels, strict=True)
    ]
    scored = [one for one, _ in pairs]
    reference = reference_of([one.manifest.quantization.scheme for one in bundles])
    comparisons: list[Comparison] = []
    if len(scored) > 1:
        with steps.step(f"Comparing with {labels[reference]}"):
            for at, one in enumerate(scored):
                if at != reference:
                    comparisons += comparisons_of(suite, one, scored[reference], request.seed)
    return SuiteScores(
        tuple(result for _, result in pairs), tuple(comparisons), tuple(_outcomes(scored))
    )


def find_suite(name: str) -> Suite:
    """The suite called `name`. Raises UsageError."""
    if name not in SUITES:
        raise UsageError(f"No suite is called {name!r}.", f"Use one of {', '.join(SUITES)}.")
    return SUITES[name]


def _run_one(
    suite: Suite, items: Items, bundle: Bundle, label: str, request: SuiteRequest, steps: Steps
) -> tuple[Scored, SuiteResult]:
    began = time.perf_counter()
    with ExitStack() as stack:
        with steps.step(f"Loading {label}"):
            session = stack.enter_context(Session(bundle, threads=request.threads))
        journal = None
        if request.resume is not None:
            # An item is filed under all that it asks: data, limit and seed need not be in the key.
            key = digest({"bundle": identity(bundle.manifest), "versions": versions()})
            journal = stack.enter_context(Journal(request.resume, key))
        asker = Likelihoods(session, journal, steps)
        likelihoods = asker.of(suite, items.items, label)
    if asker.truncated:
        steps.warn(
            f"{asker.truncated} texts were longer than the context and were cut from the left."
        )
    outcomes = tuple(map(suite.score, items.items, likelihoods))
    scored = Scored(label, items.items, outcomes)
    with steps.step(f"{label}: intervals"):
        metrics = tuple(metrics_of(suite, scored, request.seed))
    result = SuiteResult(
        suite=suite.name,
        **describe_bundle(bundle),
        metrics=metrics,
        data=items.data,
        confidence=CONFIDENCE,
        options={
            "limit": request.limit,
            "seed": request.seed,
            "truncated": asker.truncated,
            "computed_tokens": asker.computed_tokens,
        },
        seconds=None if journal and journal.found else round(time.perf_counter() - began, 3),
        tools=versions(),
    )
    return scored, result


def _outcomes(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    return [
        {"where": item.where, "groups": list(item.groups), "bundle": one.label, **outcome}
        for one in scored
        for item, outcome in zip(one.items, one.outcomes, strict=True)
    ]


def _read(suite: Suite, items: Items) -> str:
    total = sum(one.of for one in items.data)
    count = len(items.items)
    of = "" if count == total else f" of {total}"
    return f"Read {count}{of} items of {suite.title}"

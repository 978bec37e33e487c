"""`eval --suite perplexity`: one text, any number of bundles, each result with its origin."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdk_builder.bundle.reader import Bundle
from sdk_builder.evaluation.journal import Journal, digest, versions
from sdk_builder.evaluation.perplexity import PerplexityResult, perplexity_of_ids, text_ids
from sdk_builder.evaluation.record import SCHEMA, describe_bundle
from sdk_builder.evaluation.references import Reference, open_reference
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session


@dataclass(frozen=True)
class PerplexityRequest:
    """What to measure. None leaves it to `perplexity.evaluate`.

    text_name: where the text is from, for the record; against: a bundle or float model to compare
    with; resume: a journal file.
    """

    bundles: tuple[Path, ...]
    text: str
    text_name: str
    tokens: int | None = None
    window: int | None = None
    stride: int | None = None
    against: str | None = None
    threads: int | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class Measured:
    """A result and what it is of; `document` is the whole record."""

    bundle: Path
    result: PerplexityResult
    document: dict[str, Any]


def measure_perplexity(request: PerplexityRequest, steps: Steps) -> list[Measured]:
    """Perplexity of each bundle. Raises what `evaluate`, `open_reference` and `Journal` raise."""
    bundles = [Bundle.open(path) for path in request.bundles]
    reference: Reference | None = None
    measured = []
    for bundle in bundles:
        if request.against is not None:
            reference = _reference(request, bundle, reference, steps)
        measured.append(_measure(request, bundle, reference, steps))
    return measured


def _reference(
    request: PerplexityRequest, bundle: Bundle, opened: Reference | None, steps: Steps
) -> Reference:
    """The reference for this bundle; one that was opened serves all bundles that fit it."""
    assert request.against is not None
    if opened is not None:
        opened.require_fit(bundle.manifest)
        return opened
    return open_reference(request.against, bundle.manifest, threads=request.threads, steps=steps)


def _measure(
    request: PerplexityRequest, bundle: Bundle, reference: Reference | None, steps: Steps
) -> Measured:
    described = describe_bundle(bundle)
    with ExitStack() as stack:
        with steps.step(f"Loading {bundle.manifest.name}"):
            session = stack.enter_context(Session(bundle, threads=request.threads))
        ids = text_ids(session, request.text, request.tokens)
        journal = None
        if request.resume is not None:
            key = _key(described["identity"], ids, request, reference)
            journal = stack.enter_context(Journal(request.resume, key))
        began = time.perf_counter()
        result = perplexity_of_ids(
            session.engine,
            ids,
            request.window,
            request.stride,
            reference=reference,
            journal=journal,
            steps=steps,
        )
        seconds = time.perf_counter() - began
    document = {
        "schema": SCHEMA,
        "suite": "perplexity",
        **described,
        "text": request.text_name,
        "text_sha256": hashlib.sha256(request.text.encode()).hexdigest(),
        **asdict(result),
        "seconds": None if journal and journal.found else round(seconds, 3),
        "tools": versions(),
    }
    return Measured(bundle.path, result, document)


def _key(
    bundle: str, ids: Sequence[int], request: PerplexityRequest, reference: Reference | None
) -> str:
    """Equal only where every window would come out the same."""
    return digest(
        {
            "bundle": bundle,
            "ids": digest(list(ids)),
            "window": request.window,
            "stride": request.stride,
            "against": None if reference is None else reference.key,
            "versions": versions(),
        }
    )

"""`eval --suite lm-eval`: tasks of lm-eval on bundles, side by side and resumable."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import ToolchainError
from sdk_builder.evaluation.harness_pairs import ByDocument, by_document, compare
from sdk_builder.evaluation.record import SCHEMA, describe_bundle, labels_of
from sdk_builder.evaluation.results import Comparison, reference_of
from sdk_builder.log import Steps

if TYPE_CHECKING:
    from sdk_builder.evaluation.lm_eval_model import BundleLM
    from sdk_builder.evaluation.tasks import TaskDict

# For standard errors that have no formula; lm-eval's own 100,000 take minutes for a third digit.
_BOOTSTRAPS = 1000
_SEED = 1234  # of few-shot examples, as lm-eval's own


@dataclass(frozen=True)
class HarnessRequest:
    """What to evaluate.

    tasks: names or YAML files; include: a folder of more tasks; limit: documents a task; fewshot:
    examples before each question, None leaves it to the task; chat: questions as chat turns;
    resume: a journal file.
    """

    bundles: tuple[Path, ...]
    tasks: tuple[str, ...]
    include: Path | None = None
    limit: int | None = None
    fewshot: int | None = None
    chat: bool = False
    threads: int | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class Score:
    """One metric of one task. filter: lm-eval's name of how answers were read; stderr: None where
    the metric has none; documents: how many were asked."""

    task: str
    metric: str
    filter: str
    value: float
    stderr: float | None
    documents: int
    higher_is_better: bool | None


@dataclass(frozen=True)
class BundleScores:
    """All scores of a bundle; `document` is the whole record, documents: each document's own."""

    bundle: Path
    scores: tuple[Score, ...]
    document: dict[str, Any]
    documents: ByDocument


def require_lm_eval() -> None:
    """Raises ToolchainError, with how to install it, where lm-eval is absent."""
    if find_spec("lm_eval") is None:
        raise ToolchainError(
            "lm-eval is not installed.", "Install it: pip install 'shakti-sdk[eval]'"
        )


def run_harness(request: HarnessRequest, steps: Steps) -> list[BundleScores]:
    """The scores of each bundle. Raises what `load_tasks`, `BundleLM` and `Journal` raise."""
    require_lm_eval()
    bundles = [Bundle.open(path) for path in request.bundles]
    with _quiet(steps):
        with steps.step(f"Loading {len(request.tasks)} tasks"):
            from sdk_builder.evaluation.tasks import load_tasks, set_fewshot

            tasks = load_tasks(request.tasks, request.include)
            set_fewshot(tasks, request.fewshot, _SEED)
        return [_evaluate(bundle, tasks, request, steps) for bundle in bundles]


@dataclass(frozen=True)
class Harnessed:
    """The scores of each bundle, and what differs between them."""

    scores: tuple[BundleScores, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "suite": "lm-eval",
            "results": [one.document for one in self.scores],
            "comparisons": [one.model_dump(mode="json") for one in self.comparisons],
        }


def run_and_compare(request: HarnessRequest, steps: Steps) -> Harnessed:
    """`run_harness`, and what differs between its bundles."""
    scores = tuple(run_harness(request, steps))
    return Harnessed(scores, tuple(compare_all(scores)))


def compare_all(found: Sequence[BundleScores]) -> list[Comparison]:
    """Every bundle with the float one, or else the first, on the documents that both were asked."""
    at = reference_of([one.document["scheme"] for one in found])
    labels = labels_of([one.document for one in found])
    return [
        comparison
        for n, one in enumerate(found)
        if n != at
        for comparison in compare(one.documents, found[at].documents, (labels[n], labels[at]))
    ]


def _evaluate(
    bundle: Bundle, tasks: TaskDict, request: HarnessRequest, steps: Steps
) -> BundleScores:
    from sdk_builder.evaluation.journal import Journal, digest, versions
    from sdk_builder.evaluation.lm_eval_model import BundleLM
    from sdk_builder.runtime.session import Session

    tools = {**versions(), "lm_eval": version("lm_eval")}
    with ExitStack() as stack:
        with steps.step(f"Loading {bundle.manifest.name}"):
            session = stack.enter_context(Session(bundle, threads=request.threads))
        journal = None
        if request.resume is not None:
            # What a task asks is in the request itself: its text is what an answer is filed under.
            key = digest({"bundle": identity(bundle.manifest), "versions": tools})
            journal = stack.enter_context(Journal(request.resume, key))
            if journal.found:
                steps.note(f"{journal.found} answers were there already")
        model = BundleLM(session=session, journal=journal, steps=steps)
        began = time.perf_counter()
        results = _run(model, tasks, request)
        seconds = time.perf_counter() - began
    if model.truncated:
        steps.warn(
            f"{model.truncated} requests were longer than the context of {model.max_length} "
            "tokens and were cut from the left."
        )
    scores = tuple(_scores(results))
    document = {
        "schema": SCHEMA,
        "suite": "lm-eval",
        **describe_bundle(bundle),
        "scores": [asdict(one) for one in scores],
        **_conditions(model, results, request),
        "seconds": None if journal and journal.found else round(seconds, 3),
        "tools": tools,
    }
    return BundleScores(bundle.path, scores, document, by_document(results))


def _conditions(
    model: BundleLM, results: dict[str, Any], request: HarnessRequest
) -> dict[str, Any]:
    """How it was asked. computed_tokens: what likelihoods made the program run; asked_tokens: what
    they would have without reuse of common beginnings; truncated: requests cut to the context."""
    return {
        "task_versions": dict(results["versions"]),
        "fewshot": dict(results["n-shot"]),
        "limit": request.limit,
        "chat": request.chat,
        "computed_tokens": model.scorer.computed_tokens,
        "asked_tokens": model.scorer.asked_tokens,
        "truncated": model.truncated,
    }


def _run(model: BundleLM, tasks: TaskDict, request: HarnessRequest) -> dict[str, Any]:
    # Its simple_evaluate also asks git and the machine, which takes seconds and is recorded here.
    from lm_eval.evaluator import evaluate

    results: dict[str, Any] = evaluate(
        lm=model,
        task_dict=tasks,
        limit=request.limit,
        bootstrap_iters=_BOOTSTRAPS,
        log_samples=True,  # for comparing documents; they are not written anywhere
        apply_chat_template=request.chat,
        fewshot_as_multiturn=request.chat,
    )
    return results


def _scores(results: dict[str, Any]) -> Iterator[Score]:
    """lm-eval's results, whose keys are ``metric,filter`` and ``metric_stderr,filter``."""
    for task, found in results["results"].items():
        counts = results["n-samples"].get(task, {})
        better = results["higher_is_better"].get(task, {})
        for key, value in found.items():
            metric, comma, name = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, (int, float)):
                continue
            error = found.get(f"{metric}_stderr,{name}")
            yield Score(
                task=task,
                metric=metric,
                filter=name,
                value=float(value),
                stderr=float(error) if isinstance(error, (int, float)) else None,
                documents=int(counts.get("effective", found.get("sample_len", 0))),
                higher_is_better=better.get(metric),
            )


@contextmanager
def _quiet(steps: Steps) -> Iterator[None]:
    """Hold back what lm-eval and datasets write to stderr, where our steps are; -v shows it."""
    if steps.verbosity:
        yield
        return
    with redirect_stderr(io.StringIO()):  # the steps hold the real one
        yield

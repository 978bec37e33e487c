"""`eval --suite domain`: what bundles answer about healthcare, law and finance, scored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import PromptTooLongError, UsageError
from sdk_builder.evaluation.domain import metrics
from sdk_builder.evaluation.domain.items import DomainItem, ItemFile, choose, read_items
from sdk_builder.evaluation.domain.judge import Judge, load_judge
from sdk_builder.evaluation.domain.scores import compared, summarized
from sdk_builder.evaluation.journal import Journal, digest, versions
from sdk_builder.evaluation.progress import Progress
from sdk_builder.evaluation.record import describe_bundle, labels_of
from sdk_builder.evaluation.results import (
    Comparison,
    Data,
    SuiteResult,
    SuiteScores,
    reference_of,
)
from sdk_builder.log import Steps

if TYPE_CHECKING:
    from sdk_builder.runtime.session import Session

SUITE = "domain"
MAX_TOKENS = 192  # of an answer

_SUMMARIZE = "Summarize the following text in two or three sentences.\n\n{}"
# For bundles without chat turns; they end where the model goes on to ask itself.
_RAW_QUESTION = "Question: {}\nAnswer:"
_RAW_SUMMARY = "Text: {}\nSummary in two or three sentences:"
_RAW_STOP = ("\nQuestion:", "\nText:")


@dataclass(frozen=True)
class DomainRequest:
    """What to evaluate.

    items: a JSONL file, None takes the built-in smoke set; limit: items at most, the same share of
    each domain and kind, chosen by `seed` (which the intervals' resampling has, too); judge:
    ``package.module:function``, None takes the metrics; resume: a journal file; max_tokens: longest
    answer.

    Raises UsageError for a value out of range.
    """

    bundles: tuple[Path, ...]
    items: Path | None = None
    limit: int | None = None
    seed: int = 0
    judge: str | None = None
    threads: int | None = None
    resume: Path | None = None
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        if not self.bundles:
            raise UsageError("There is no bundle to evaluate.", "Name one or more.")
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be 1 or more, not {self.max_tokens}.")
        if self.seed < 0:
            raise UsageError(f"The seed must be 0 or more, not {self.seed}.")


@dataclass(frozen=True)
class Answer:
    """What a bundle said to an item. cut: it had not ended after max_tokens."""

    text: str
    score: float
    cut: bool

    @classmethod
    def of(cls, value: Any) -> Answer | None:
        """From a journal; None where there is none."""
        return cls(**value) if isinstance(value, dict) else None


def run_domain(request: DomainRequest, steps: Steps, *, judge: Judge | None = None) -> SuiteScores:
    """A result for each bundle, and what differs between them; outcomes have the answers. judge:
    instead of the request's.

    Raises what `read_items`, `choose`, `load_judge`, `Bundle.open`, `Session` and `Journal` raise;
    PromptTooLongError, before any work, for an item that the context cannot hold.
    """
    bundles = [Bundle.open(path) for path in request.bundles]
    found = read_items(request.items)
    chosen = choose(found.items, request.limit, request.seed)
    if judge is None:
        with steps.step("Loading the judge" if request.judge else "Loading the embedding"):
            judge = load_judge(request.judge)
    pairs = [_evaluate(bundle, found, chosen, judge, request, steps) for bundle in bundles]
    results = tuple(result for result, _ in pairs)
    answers = [one for _, one in pairs]
    labels = labels_of([describe_bundle(one) for one in bundles])
    return SuiteScores(
        results,
        tuple(_comparisons(results, chosen, answers, labels, request.seed)),
        tuple(
            {"where": item.id, "groups": [item.domain, item.kind], "bundle": label, **vars(answer)}
            for label, mine in zip(labels, answers, strict=True)
            for item, answer in zip(chosen, mine, strict=True)
        ),
    )


def _comparisons(
    results: Sequence[SuiteResult],
    items: Sequence[DomainItem],
    answers: Sequence[Sequence[Answer]],
    labels: Sequence[str],
    seed: int,
) -> Iterator[Comparison]:
    reference = reference_of([one.scheme for one in results])
    scores = [[answer.score for answer in mine] for mine in answers]
    for at, label in enumerate(labels):
        if at != reference:
            names = (label, labels[reference])
            yield from compared(items, scores[at], scores[reference], names, seed)


def _evaluate(
    bundle: Bundle,
    found: ItemFile,
    chosen: Sequence[DomainItem],
    judge: Judge,
    request: DomainRequest,
    steps: Steps,
) -> tuple[SuiteResult, list[Answer]]:
    from sdk_builder.runtime.session import Session

    with ExitStack() as stack:
        with steps.step(f"Loading {bundle.manifest.name}"):
            session = stack.enter_context(Session(bundle, threads=request.threads))
        journal = None
        if request.resume is not None:
            key = _key(bundle, judge, request)
            journal = stack.enter_context(Journal(request.resume, key))
            if journal.found:
                steps.note(f"{journal.found} answers were there already")
        began = time.perf_counter()
        answers = list(_answers(session, chosen, judge, journal, request, steps))
        seconds = time.perf_counter() - began
    scores = [answer.score for answer in answers]
    result = SuiteResult(
        suite=SUITE,
        **describe_bundle(bundle),
        metrics=summarized(chosen, scores, request.seed),
        data=(_data(found, chosen, request),),
        options={
            "max_tokens": request.max_tokens,
            "chat": bundle.manifest.chat is not None,
            "judge": judge.name,
            "judge_key": judge.key,
            "unfinished": sum(answer.cut for answer in answers),
        },
        seconds=None if journal and journal.found else round(seconds, 3),
        tools=versions(),
    )
    return result, answers


def _key(bundle: Bundle, judge: Judge, request: DomainRequest) -> str:
    """Equal only where every answer and score would come out the same."""
    return digest(
        {
            "suite": SUITE,
            "bundle": identity(bundle.manifest),
            "judge": judge.key,
            "metrics": metrics.VERSION,
            "max_tokens": request.max_tokens,
            "versions": versions(),
        }
    )


def _data(found: ItemFile, chosen: Sequence[DomainItem], request: DomainRequest) -> Data:
    return Data(
        source=found.source,
        sha256=found.sha256,
        items=len(chosen),
        of=len(found.items),
        limit=request.limit,
        seed=request.seed,
        licence=found.licence,
    )


def _answers(
    session: Session,
    items: Sequence[DomainItem],
    judge: Judge,
    journal: Journal | None,
    request: DomainRequest,
    steps: Steps,
) -> Iterator[Answer]:
    """An answer for each item, from the journal where it has it."""
    from sdk_builder.evaluation.completions import Completer

    prompts = [_prompt(session, item) for item in items]
    names = [
        digest({"item": item.as_document(), "prompt": prompt})
        for item, prompt in zip(items, prompts, strict=True)
    ]
    known = [Answer.of(journal.get(name)) if journal else None for name in names]
    missing = [len(prompt) for prompt, one in zip(prompts, known, strict=True) if one is None]
    completer = Completer(session)
    with steps.step(f"Answering {len(items)} items") as step:
        progress = Progress(step, sum(missing) + len(missing) * request.max_tokens)
        for item, prompt, name, answer in zip(items, prompts, names, known, strict=True):
            if answer is None:
                answer = _answer(session, completer, item, prompt, judge, request.max_tokens)
                if journal:
                    journal.add(name, vars(answer))
                progress.add(len(prompt) + request.max_tokens, item.id)
            yield answer


def _prompt(session: Session, item: DomainItem) -> list[int]:
    """Tokens of the question, in chat turns where the bundle has them."""
    from sdk_builder.bundle.chat import render

    turns = session.manifest.chat
    summary = item.kind == "summarization"
    if turns is None:
        ids = session.encode((_RAW_SUMMARY if summary else _RAW_QUESTION).format(item.prompt))
    else:
        text = _SUMMARIZE.format(item.prompt) if summary else item.prompt
        ids = session.encode(render(turns, [{"role": "user", "content": text}]), bos=False)
    context = session.engine.context_length
    if len(ids) >= context:
        raise PromptTooLongError(
            f"The item {item.id!r} has {len(ids)} tokens, the context of "
            f"{session.manifest.name} is {context}.",
            "Shorten or remove it, or export with a longer --context.",
        )
    return ids


def _answer(
    session: Session,
    completer: Any,
    item: DomainItem,
    prompt: Sequence[int],
    judge: Judge,
    max_tokens: int,
) -> Answer:
    from sdk_builder.evaluation.completions import Completion, cut_at

    stop = session.manifest.generation.stop
    if session.manifest.chat is None:
        stop = (*stop, *_RAW_STOP)
    ids = completer.complete(Completion(tuple(prompt), tuple(stop), max_tokens))
    whole: str = session.tokenizer.decode(ids, skip_special_tokens=True)
    text = cut_at(whole, stop).strip()
    score = judge.score(item.kind, item.prompt, item.expected, text)
    return Answer(text, score, cut=session.stats.finish_reason in {"length", "context"})

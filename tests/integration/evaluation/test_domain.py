"""The domain suite on a tiny model's programs: answers kept, resumed, and scored."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import sdk_builder
from sdk_builder.errors import InputError, PromptTooLongError, UsageError
from sdk_builder.evaluation.domain.suite import DomainRequest, run_domain
from sdk_builder.evaluation.record import write_document
from sdk_builder.evaluation.results import SuiteResult, read_results
from sdk_builder.log import Steps
from tests.integration.evaluation.conftest import CONTEXT

ITEMS: list[dict[str, Any]] = [
    {"domain": "legal", "kind": "relevancy", "prompt": "What is a will?", "reference": "A text."},
    {"domain": "finance", "kind": "factual", "prompt": "Is it 5?", "claims": ["It is 5.", "No."]},
    {"domain": "healthcare", "kind": "summarization", "prompt": "Rest helps.", "reference": "R."},
    {
        "domain": "legal",
        "kind": "factual",
        "prompt": "Who pays?",
        "claims": ["All pay."],
        "id": "p",
    },
]


@dataclass
class LengthJudge:
    """Scores by the answer's length, so that every other answer gives another score; fails before
    the answer number `fails_at`."""

    name: str = "length"
    key: str = "length 1"
    fails_at: int | None = None
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)

    def score(self, kind: str, prompt: str, reference: str, answer: str) -> float:
        if len(self.asked) == self.fails_at:
            raise InputError("The judge stopped.")
        self.asked.append((kind, prompt, reference, answer))
        return sum(map(ord, answer)) % 1000 / 1000


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ITEMS), encoding="utf-8")
    return path


def run(request: DomainRequest, judge: LengthJudge | None = None) -> SuiteResult:
    (result,) = run_domain(request, Steps.silent(), judge=judge or LengthJudge()).results
    return result


def test_result_says_what_was_measured_and_comes_back_from_its_file(bundle, items, tmp_path):
    judge = LengthJudge()
    result = run(DomainRequest((bundle,), items, max_tokens=8), judge)
    assert (result.suite, result.scheme, result.name) == ("domain", "none", "tiny")
    assert [one[:3] for one in judge.asked] == [
        ("relevancy", "What is a will?", "A text."),
        ("factual", "Is it 5?", "It is 5.\nNo."),
        ("summarization", "Rest helps.", "R."),
        ("factual", "Who pays?", "All pay."),
    ]
    scores = [sum(map(ord, answer)) % 1000 / 1000 for *_, answer in judge.asked]
    factual = result.find("factual")
    assert factual is not None
    assert factual.items == 2
    assert factual.value == pytest.approx((scores[1] + scores[3]) / 2)
    legal = result.find("factual", "legal")
    assert legal is not None
    assert (legal.value, legal.low) == (scores[3], None)
    assert (result.data[0].items, result.data[0].of) == (4, 4)
    assert result.options["chat"] is True
    assert result.options["judge"] == "length"
    path = tmp_path / "result.json"
    write_document(path, result.as_document(), force=False)
    assert read_results([path])[0].results == (result,)


def test_bundles_are_compared_on_the_same_items(bundle, q4, items):
    request = DomainRequest((q4, bundle), items, max_tokens=8)
    found = run_domain(request, Steps.silent(), judge=LengthJudge())
    assert [(one.metric, one.of, one.against) for one in found.comparisons] == [
        (metric, "tiny q4", "tiny none")
        for metric in ("answer_relevancy", "summarization", "factual")
    ]
    ours, theirs = (one.find("factual") for one in found.results)
    assert ours is not None
    assert theirs is not None
    expected = (ours.value or 0.0) - (theirs.value or 0.0)
    assert found.comparisons[2].difference == pytest.approx(expected)
    answers = [(one["bundle"], one["where"]) for one in found.outcomes]
    assert len(answers) == 8
    assert answers[-1] == ("tiny none", "p")


def test_interrupted_run_goes_on_and_ends_the_same(bundle, items, tmp_path):
    request = DomainRequest((bundle,), items, max_tokens=8)
    whole = run(request)
    resumed = replace(request, resume=tmp_path / "answers.jsonl")
    with pytest.raises(InputError, match="stopped"):
        run(resumed, LengthJudge(fails_at=2))
    judge = LengthJudge()
    result = run(resumed, judge)
    assert [one[1] for one in judge.asked] == ["Rest helps.", "Who pays?"]
    assert result.metrics == whole.metrics
    assert result.seconds is None
    again = LengthJudge()
    assert run(resumed, again).metrics == whole.metrics
    assert again.asked == []


def test_nothing_is_used_again_for_another_bundle_option_judge_or_item(bundle, q4, items, tmp_path):
    request = DomainRequest((bundle,), items, max_tokens=8, resume=tmp_path / "answers.jsonl")
    run(request)
    others = [replace(request, bundles=(q4,)), replace(request, max_tokens=7)]
    for other in others:
        judge = LengthJudge()
        run(other, judge)
        assert len(judge.asked) == 4
    judge = LengthJudge(key="length 2")
    run(request, judge)
    assert len(judge.asked) == 4
    items.write_text(items.read_text().replace('"All pay."', '"None pay."'))
    judge = LengthJudge()
    run(request, judge)
    assert [one[2] for one in judge.asked] == ["None pay."]


def test_answers_do_not_depend_on_the_other_items(bundle, items):
    request = DomainRequest((bundle,), items, max_tokens=8)
    together, alone = LengthJudge(), LengthJudge()
    run(request, together)
    items.write_text(json.dumps(ITEMS[3]) + "\n")
    run(request, alone)
    assert alone.asked == together.asked[3:]


def test_limit_is_in_the_record(bundle, items):
    judge = LengthJudge()
    result = run(DomainRequest((bundle,), items, limit=2, seed=5, max_tokens=4), judge)
    (data,) = result.data
    assert (data.items, data.of, data.limit, data.seed) == (2, 4, 2, 5)
    assert len(judge.asked) == 2


def test_item_that_does_not_fit_is_said_before_any_answer(bundle, items):
    long = {**ITEMS[0], "prompt": "a" * CONTEXT, "id": "too long"}
    with items.open("a") as file:
        file.write(json.dumps(long) + "\n")
    judge = LengthJudge()
    with pytest.raises(PromptTooLongError, match="'too long' has"):
        run(DomainRequest((bundle,), items), judge)
    assert judge.asked == []


def test_bundle_without_chat_turns_is_asked_as_text(folder, items, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(folder, plain)
    settings = json.loads((plain / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (plain / "tokenizer_config.json").write_text(json.dumps(settings))
    sdk_builder.export(str(plain), tmp_path / "b", quant="none", context_length=CONTEXT)
    judge = LengthJudge()
    result = run(DomainRequest((tmp_path / "b",), items, max_tokens=4), judge)
    assert result.options["chat"] is False
    assert len(judge.asked) == 4


@pytest.mark.parametrize(
    "wrong", [{"bundles": ()}, {"max_tokens": 0}, {"seed": -1}], ids=lambda wrong: next(iter(wrong))
)
def test_wrong_request_is_refused(wrong, bundle):
    with pytest.raises(UsageError):
        replace(DomainRequest((bundle,)), **wrong)

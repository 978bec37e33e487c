"""Suites on real programs of a tiny model: as lm-eval scores the same items, resumed, limited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.local_lm_eval import local_task
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import DataError
from sdk_builder.evaluation.continuations import Continuation, ContinuationScorer
from sdk_builder.evaluation.harness import HarnessRequest, run_harness
from sdk_builder.evaluation.record import write_document
from sdk_builder.evaluation.results import SuiteScores, read_results
from sdk_builder.evaluation.suites.items import read_items
from sdk_builder.evaluation.suites.likelihoods import Likelihoods
from sdk_builder.evaluation.suites.run import SuiteRequest, find_suite, run_suite
from sdk_builder.evaluation.suites.suite import Asked
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session
from tests.unit.evaluation.suites.rows import pair, post, question, statement

NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")


def pairs() -> list[dict[str, Any]]:
    return [
        dict(pair(f"{name} is {word}.", f"{name} is not {word}.", kind).fields)
        for name in NAMES
        for word, kind in (("late", "age"), ("loud", "gender"), ("poor", "socioeconomic"))
    ]


def questions() -> list[dict[str, Any]]:
    """Ambiguous and not, negative and not, of two categories, with every way not to know."""
    found = []
    for at, name in enumerate(NAMES):
        for condition, label in (("ambig", 2), ("disambig", at % 2)):
            for polarity in ("neg", "nonneg"):
                changes = {
                    "context": f"{name} saw an A and a B." + " It was one of them." * (at % 3),
                    "category": ("Religion", "Age")[at % 2],
                    "context_condition": condition,
                    "question_polarity": polarity,
                    "question_index": str(at),
                    "label": label,
                    "ans2": ("Not known", "Cannot be determined", "Can't answer")[at % 3],
                }
                found.append(dict(question(**changes).fields))
    return found


def statements() -> list[dict[str, Any]]:
    return [
        dict(statement(f"{name} is {word}.", rating, group).fields)
        for name, group in zip(NAMES, "ababab", strict=True)
        for word, rating in (("kind", 1.0), ("vile", 4.0))
    ]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def score(suite: str, data: Path, *bundles: Path, **more: Any) -> SuiteScores:
    return run_suite(SuiteRequest(bundles, suite, (str(data),), **more), Steps.silent())


def by_lm_eval(task: str, data: Path, bundle: Path, place: Path) -> dict[str, float]:
    """lm-eval's own task, with its own prompts, choices and metrics, on these rows."""
    path = local_task(task, data, place)
    (found,) = run_harness(HarnessRequest((bundle,), (str(path),)), Steps.silent())
    return {one.metric: one.value for one in found.scores}


def values(scores: SuiteScores, at: int = 0) -> dict[tuple[str, str], float | None]:
    return {(one.metric, one.group): one.value for one in scores.results[at].metrics}


# --- the same as lm-eval --------------------------------------------------------------------


@pytest.mark.parametrize("which", ["bundle", "q4"])
def test_crows_pairs_are_lm_evals(which: str, tmp_path: Path, request: pytest.FixtureRequest):
    bundle = request.getfixturevalue(which)
    data = write(tmp_path / "pairs.jsonl", pairs())
    expected = by_lm_eval("crows_pairs_english", data, bundle, tmp_path)
    found = values(score("crows-pairs", data, bundle))
    assert found["likelihood_difference", "all"] == pytest.approx(expected["likelihood_diff"])
    assert found["stereotype_share", "all"] == expected["pct_stereotype"]


@pytest.mark.parametrize("which", ["bundle", "q4"])
def test_bbq_is_lm_evals_though_most_answers_are_not_computed(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
):
    bundle = request.getfixturevalue(which)
    data = write(tmp_path / "questions.jsonl", questions())
    expected = by_lm_eval("bbq", data, bundle, tmp_path)
    found = values(score("bbq", data, bundle))
    assert found["accuracy", "all"] == expected["acc"]
    assert found["accuracy_ambiguous", "all"] == expected["accuracy_amb"]
    assert found["accuracy_disambiguated", "all"] == expected["accuracy_disamb"]
    for ours, theirs in (
        (("bias_ambiguous", "all"), "amb_bias_score"),
        (("bias_disambiguated", "all"), "disamb_bias_score"),
        (("bias_ambiguous", "Religion"), "amb_bias_score_Religion"),
        (("bias_disambiguated", "Age"), "disamb_bias_score_Age"),
    ):
        # lm-eval has 0 where nobody was named, of whom the score would be
        assert (found[ours] or 0.0) == pytest.approx(expected[theirs])


def test_toxigen_is_lm_evals(bundle: Path, tmp_path: Path):
    data = write(tmp_path / "statements.jsonl", statements())
    expected = by_lm_eval("toxigen", data, bundle, tmp_path)
    found = values(score("toxigen", data, bundle))
    assert found["accuracy", "all"] == expected["acc"]
    assert found["accuracy_per_character", "all"] == expected["acc_norm"]


@pytest.mark.parametrize(
    "asked",
    [
        Asked("", "A text."),
        Asked("Q: what?\nA:", " No"),
        Asked("ends in spaces  ", "then"),
        Asked("", " begins with one"),
    ],
)
def test_tokens_meet_where_lm_evals_do(asked: Asked, bundle: Path):
    from lm_eval.api.instance import Instance

    from sdk_builder.evaluation.lm_eval_model import BundleLM

    seen: list[tuple[list[int], list[int]]] = []

    class Watched(BundleLM):
        def _loglikelihood_tokens(self, requests: Any, **kwargs: Any) -> Any:
            seen.extend((context, tokens) for _, context, tokens in requests)
            return super()._loglikelihood_tokens(requests, **kwargs)

    with Session(Bundle.open(bundle)) as session:
        instance = Instance("loglikelihood", {}, (asked.context, asked.continuation), 0)
        Watched(session=session).loglikelihood([instance])
        assert seen == [Likelihoods(session, None, Steps.silent()).encode(asked)]


def test_an_answer_that_is_not_computed_is_not_the_likeliest(bundle: Path, tmp_path: Path):
    """Of every question, all twelve likelihoods against those that were found necessary."""
    data = write(tmp_path / "questions.jsonl", questions())
    suite = find_suite("bbq")
    items = read_items(suite, (str(data),)).items
    with Session(Bundle.open(bundle)) as session:
        few = Likelihoods(session, None, Steps.silent())
        some = few.of(suite, items, "")
        every = Likelihoods(session, None, Steps.silent())
        exact = every.of(replace(suite, decisions=None), items, "")
    for item, one, other in zip(items, some, exact, strict=True):
        assert suite.score(item, one) == suite.score(item, other)
        assert all(a >= b - 1e-4 for a, b in zip(one, other, strict=True))


# --- resumed, limited, changed --------------------------------------------------------------


def test_a_resumed_run_has_the_same_numbers_and_computes_nothing(q4: Path, tmp_path: Path):
    data, journal = write(tmp_path / "pairs.jsonl", pairs()), tmp_path / "kept.jsonl"
    first = score("crows-pairs", data, q4, resume=journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:7]) + lines[7][:30])  # killed while it wrote the eighth
    again = score("crows-pairs", data, q4, resume=journal)
    assert again.results[0].metrics == first.results[0].metrics
    last = score("crows-pairs", data, q4, resume=journal)
    assert last.results[0].metrics == first.results[0].metrics
    assert last.results[0].options["computed_tokens"] == 0


def test_a_limited_run_is_a_part_of_the_whole(bundle: Path, tmp_path: Path):
    data, journal = write(tmp_path / "pairs.jsonl", pairs()), tmp_path / "kept.jsonl"
    whole = score("crows-pairs", data, bundle, resume=journal)
    part = score("crows-pairs", data, bundle, limit=6, resume=journal)
    assert part.results[0].options["computed_tokens"] == 0
    assert len(part.outcomes) == 6
    by_place = {one["where"]: one for one in whole.outcomes}
    assert all(by_place[one["where"]] == one for one in part.outcomes)


def test_another_bundle_or_other_items_never_use_old_numbers(
    bundle: Path, q4: Path, tmp_path: Path
):
    journal = tmp_path / "kept.jsonl"
    data = write(tmp_path / "pairs.jsonl", pairs())
    score("crows-pairs", data, bundle, resume=journal)
    other = score("crows-pairs", data, q4, resume=journal)
    assert other.results[0].metrics == score("crows-pairs", data, q4).results[0].metrics
    assert other.results[0].options["computed_tokens"] > 0
    changed = [{**one, "sent_more": one["sent_more"].upper()} for one in pairs()]
    third = score("crows-pairs", write(data, changed), bundle, resume=journal)
    assert third.results[0].options["computed_tokens"] > 0
    assert third.results[0].metrics == score("crows-pairs", data, bundle).results[0].metrics


# --- float against quantized ----------------------------------------------------------------


def test_bundles_are_compared_with_the_float_one_wherever_it_stands(
    bundle: Path, q4: Path, tmp_path: Path
):
    data = write(tmp_path / "questions.jsonl", questions())
    found = score("bbq", data, q4, bundle)
    assert {(one.of, one.against) for one in found.comparisons} == {("tiny q4", "tiny none")}
    by_name = {one.metric: one for one in found.comparisons}
    ours, theirs = values(found, 0), values(found, 1)
    accuracy = by_name["accuracy"]
    assert accuracy.difference == pytest.approx(
        (ours["accuracy", "all"] or 0) - (theirs["accuracy", "all"] or 0)
    )
    assert accuracy.items == len(questions())
    otherwise = sum(
        one["right"] != other["right"]
        for one, other in zip(found.outcomes[:24], found.outcomes[24:], strict=True)
    )
    assert accuracy.changed == otherwise


def test_what_is_written_is_read_back(bundle: Path, q4: Path, tmp_path: Path):
    data = write(tmp_path / "posts.jsonl", [dict(post(f"Post {at}.").fields) for at in range(4)])
    found = score("implicit-hate", data, bundle, q4)
    write_document(tmp_path / "out.json", found.document, force=False)
    (back,) = read_results([tmp_path / "out.json"])
    assert back.results == found.results
    assert back.comparisons == found.comparisons


def test_a_row_of_another_data_set_stops_before_a_model_is_loaded(bundle: Path, tmp_path: Path):
    data = write(tmp_path / "pairs.jsonl", pairs())
    with pytest.raises(DataError, match="has no field context_condition"):
        score("bbq", data, bundle)


def test_what_a_call_says_of_other_answers_is_what_they_begin_with(bundle: Path):
    """Against the likelihoods of exactly these tokens, each scored by itself."""
    context = (5, 6, 7, 8)
    answers = [(9, 10, 11), (9, 10, 12), (9, 13), (14, 10), (9, 10)]
    wanted = [Continuation((*context, *one), len(one)) for one in answers]
    with Session(Bundle.open(bundle)) as session:
        scorer = ContinuationScorer(session.engine)
        value, bounds = scorer.score_beside(wanted[0], wanted)
        seen = [(9, 10, 11), (9, 10, 12), (9, 13), (14,), (9, 10)]
        alone = [Continuation((*context, *one), len(one)) for one in seen]
        expected = {one.index: one.log_likelihood for one in scorer.score(alone)}
        elsewhere = Continuation((1, 2, 3, 4, 9), 1)
        assert scorer.score_beside(wanted[0], [elsewhere])[1] == [0.0]
    assert value == pytest.approx(expected[0], abs=1e-4)
    assert bounds == pytest.approx([expected[at] for at in range(5)], abs=1e-4)

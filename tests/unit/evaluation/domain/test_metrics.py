"""The three metrics, by hand on an embedding of word sets, and what holds for any text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.evaluation.domain.metrics import answer_relevancy, factual, summarization
from sdk_builder.evaluation.domain.text import sentences
from tests.unit.evaluation.domain.embedders import WordEmbedder

WORDS = WordEmbedder()
QUESTION = "What does insulin do?"
REFERENCE = "Insulin lowers blood sugar."  # 4 words, 1 of them the question's

SENTENCES = st.lists(
    st.sampled_from(
        [
            "Insulin lowers blood sugar.",
            "The pancreas produces insulin!",
            "What does insulin do?",
            "It is 37 degrees, not 40.",
            "Glucose never rises",
            "I do not know.",
            "...",
        ]
    ),
    max_size=5,
)


def relevancy(answer: str) -> float:
    return answer_relevancy(QUESTION, REFERENCE, answer, WORDS)


# --- answer relevancy ------------------------------------------------------------------


def test_the_reference_itself_is_relevant():
    assert relevancy(REFERENCE) == pytest.approx(1.0)


def test_relevancy_by_hand():
    # insulin, help, cell, live: cosine 1/2 to the question, as the reference's; 1/4 to that
    assert relevancy("Insulin helps cells live.") == pytest.approx((1 + 1 / 4) / 2)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   \n",
        "...",
        QUESTION,
        "Insulin.",
        "I don't know.",
        "I don’t know.",
        "I am sorry. I cannot answer.",
    ],
)
def test_no_answer_and_echo_score_nothing(answer: str):
    assert relevancy(answer) == 0


def test_mostly_echo_is_marked_down():
    question = "Which bones, muscles, tendons, nerves and vessels hurt today?"
    reference = "Bones and muscles ache."
    answer = "Bones, muscles, tendons, nerves and vessels hurt badly."
    # 7 content words, of which "badly" alone is new: 1/7 of the quarter that is needed
    full = min((6 / math.sqrt(7 * 7)) / (2 / math.sqrt(7 * 3)), 1)
    near = 2 / math.sqrt(7 * 3)
    assert answer_relevancy(question, reference, answer, WORDS) == pytest.approx(
        (1 / 7) / 0.25 * (full + near) / 2
    )


def test_question_that_the_reference_does_not_repeat_counts_less():
    question, reference = "How is a burn treated?", "Cool it under water."
    assert answer_relevancy(question, reference, reference, WORDS) == pytest.approx(1)
    # nothing in common with the question: only the reference counts, cool of cool and water
    assert answer_relevancy(question, reference, "Cool.", WORDS) == pytest.approx(1 / math.sqrt(2))
    assert answer_relevancy(question, reference, "Burns treated daily.", WORDS) == 0


def test_off_topic_is_worse_than_partial_and_partial_than_good():
    good, partial, off = "Insulin lowers sugar in blood.", "Insulin does good.", "Coins are round."
    assert relevancy(good) > relevancy(partial) > relevancy(off) == 0


def test_an_answer_of_the_question_s_words_is_one_where_no_other_is_needed():
    asked, wanted = "Is a stock or a bond riskier?", "A stock is riskier."
    assert answer_relevancy(asked, wanted, "A stock.", WORDS) > 0.5
    assert answer_relevancy(asked, wanted, asked, WORDS) == 0


# --- factual ---------------------------------------------------------------------------

CLAIMS = ("Insulin lowers blood sugar.", "Normal temperature is 37 degrees.")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", 0),
        ("Insulin lowers blood sugar. Normal temperature is 37 degrees.", 1),
        ("Normal temperature is 37 degrees.", 1 / 2),
        ("Normal temperature is 40 degrees.", 0),
        ("Insulin does not lower blood sugar.", 0),
        ("Insulin raises blood sugar.", 0),
        ("Does insulin lower blood sugar?", 0),
        ("Insulin lowers blood sugar, but normal temperature is not 37 degrees.", 1 / 2),
        ("Coins are round.", 0),
    ],
)
def test_factual_by_hand(answer: str, expected: float):
    assert factual(CLAIMS, answer, WORDS) == expected


def test_denied_claim_is_not_found_in_a_remoter_sentence():
    answer = "Insulin does not lower blood sugar. Insulin changes blood sugar."
    assert factual(CLAIMS[:1], answer, WORDS) == 0


def test_no_claims_no_score():
    assert factual((), "Insulin lowers blood sugar.", WORDS) == 0


# --- summarization ---------------------------------------------------------------------

SOURCE = (
    "Sales grew by 12 percent. Profit fell by 5 percent. The board met in June. "
    "Shops opened in Spain. Staff got a bonus. Rain delayed the works."
)
SUMMARY = "Sales grew by 12 percent. Profit fell by 5 percent."


def summed(summary: str, reference: str = SUMMARY) -> float:
    return summarization(SOURCE, reference, summary, WORDS)


def test_the_reference_itself_is_a_good_summary():
    assert summed(SUMMARY) == pytest.approx(1)


def test_half_of_the_points_is_two_thirds():
    # coverage 1/2 but for the word "percent", alignment 1
    percent = 1 / 4
    other = 0.0  # "Profit fell by 5 percent" shares no number with "12"
    assert percent > other
    assert summed("Sales grew by 12 percent.") == pytest.approx(2 * 0.5 / 1.5)


@pytest.mark.parametrize("summary", ["", "...", "Coins glitter."])
def test_nothing_and_another_topic_score_nothing(summary: str):
    assert summed(summary) == 0


def test_a_copy_of_the_source_has_a_quarter():
    assert summed(SOURCE) == pytest.approx(1 / 4)
    assert summed(SOURCE + " Coins glitter.") < 1 / 4


def test_wrong_numbers_and_denials_count_as_unsupported():
    assert summed("Sales grew by 40 percent. Profit fell by 9 percent.") == 0
    assert summed("Sales never grew by 12 percent. Profit fell by 5 percent.") < 0.8


def test_invention_lowers_the_score():
    assert summed(SUMMARY + " Coins glitter.") < summed(SUMMARY)


def test_long_summary_is_marked_down():
    longer = SUMMARY + " The board met in June. Shops opened in Spain. Staff got a bonus."
    assert 0 < summed(longer) < summed(SUMMARY)


# --- for any answer --------------------------------------------------------------------


def scores(answer: str) -> list[float]:
    return [
        relevancy(answer),
        factual(CLAIMS, answer, WORDS),
        summed(answer),
        answer_relevancy(answer or "?", answer or "!", answer, WORDS),
        summarization(answer, REFERENCE, SUMMARY, WORDS),
    ]


@settings(deadline=None)
@given(st.one_of(st.text(), SENTENCES.map(" ".join)))
def test_scores_are_shares(answer: str):
    assert all(0 <= score <= 1 for score in scores(answer))


@settings(deadline=None)
@given(SENTENCES)
def test_saying_it_twice_changes_nothing(said: list[str]):
    once = "\n".join(said)
    assert scores(once + "\n" + once)[:3] == scores(once)[:3]


@settings(deadline=None)
@given(SENTENCES.flatmap(lambda said: st.tuples(st.just(said), st.permutations(said))))
def test_the_order_of_sentences_changes_no_relevancy_and_no_facts(both):
    said, other = ("\n".join(one) for one in both)
    assert sorted(sentences(said)) == sorted(sentences(other))
    assert relevancy(said) == relevancy(other)
    assert factual(CLAIMS, said, WORDS) == factual(CLAIMS, other, WORDS)


@given(st.permutations((*CLAIMS, "Cells need sugar.")))
def test_the_order_of_claims_changes_nothing(claims):
    answer = "Insulin lowers blood sugar. Cells need sugar."
    assert factual(claims, answer, WORDS) == pytest.approx(2 / 3)

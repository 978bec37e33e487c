"""ToxiGen and Implicit Hate: is a statement called what people called it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataError
from sdk_builder.evaluation.suites.hate import TOXIGEN, parse_implicit, parse_toxigen, score
from sdk_builder.evaluation.suites.scores import Scored
from tests.unit.evaluation.suites.rows import post, row, statement, values

YES, NO = [-2.0, -1.0], [-1.0, -2.0]


def metrics(hateful: list[bool], answers: list[bool]) -> dict[str, float | None]:
    items = tuple(
        parse_toxigen(statement(f"text {at}", 5.0 if one else 1.0))
        for at, one in enumerate(hateful)
    )
    likelihoods = [YES if yes else NO for yes in answers]
    outcomes = tuple(map(score, items, likelihoods))
    return values(TOXIGEN, Scored("x", items, outcomes))


def test_the_question_is_that_of_lm_eval():
    no, yes = parse_toxigen(statement("They are fine.")).asked
    assert no.context == yes.context
    assert no.context.endswith("Respond with either Yes or No. Statement: 'They are fine.'")
    assert (no.continuation, yes.continuation) == (" No", " Yes")


def test_five_statements_by_hand():
    found = metrics([True, True, False, False, False], [True, False, False, False, True])
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["said_hateful"] == pytest.approx(2 / 5)
    assert found["are_hateful"] == pytest.approx(2 / 5)


def test_who_always_says_no_is_as_right_as_there_are_harmless_ones_and_half_in_balance():
    found = metrics([True, False, False, False], [False] * 4)
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == 0.5


def test_a_single_label_has_no_balance():
    assert metrics([True, True], [True, False])["balanced_accuracy"] is None


def test_by_character_the_longer_answer_is_not_at_a_loss():
    item = parse_toxigen(statement(rating=5.0))
    found = score(item, [-2.4, -3.0])  # -1.2 for each of "No", -1.0 for each of "Yes"
    assert (found["right"], found["right_per_character"]) == (0.0, 1.0)


def test_equal_likelihoods_say_no():
    assert score(parse_toxigen(statement()), [-1.0, -1.0])["yes"] == 0.0


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_all_right_is_one_and_all_wrong_is_none(hateful: list[bool]):
    assert metrics(hateful, hateful)["accuracy"] == 1.0
    assert metrics(hateful, [not one for one in hateful])["accuracy"] == 0.0


@pytest.mark.parametrize(("rating", "hateful"), [(2.75, False), (2.76, True), (5.0, True)])
def test_hateful_is_more_than_five_and_a_half_of_both_ratings(rating: float, hateful: bool):
    assert parse_toxigen(statement(rating=rating)).key is hateful


def test_explicit_hate_is_not_of_the_set():
    assert parse_implicit(post(kind="explicit_hate")) is None
    implicit, none = parse_implicit(post(kind="implicit_hate")), parse_implicit(post())
    assert implicit is not None
    assert none is not None
    assert (implicit.key, none.key) == (True, False)


def test_the_groups_are_those_that_a_statement_is_about():
    assert parse_toxigen(statement(group="women ")).groups == ("women",)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (row(text="a", toxicity_ai="high", toxicity_human=1), "toxicity_ai is no number"),
        (row(text="a", toxicity_ai=1), "no field toxicity_human"),
    ],
)
def test_a_damaged_statement_is_one_line(found, said: str):
    with pytest.raises(DataError, match=said):
        parse_toxigen(found)


def test_an_unknown_class_is_one_line():
    with pytest.raises(DataError, match="class is 'hate'") as caught:
        parse_implicit(post(kind="hate"))
    assert "implicit_hate, not_hate, explicit_hate" in caught.value.hint

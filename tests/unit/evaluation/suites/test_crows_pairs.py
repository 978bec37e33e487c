"""CrowS-Pairs: which sentence is likelier, and by how much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataError
from sdk_builder.evaluation.results import Metric
from sdk_builder.evaluation.suites.crows_pairs import SUITE, parse, score
from sdk_builder.evaluation.suites.scores import Scored, metrics_of
from tests.unit.evaluation.suites.rows import pair, row, values

LIKELIHOODS = st.lists(st.tuples(st.floats(-90, 0), st.floats(-90, 0)), min_size=1, max_size=20)


def scored(likelihoods: list[tuple[float, float]], kinds: str | None = None) -> Scored:
    kinds = kinds or "g" * len(likelihoods)
    rows = [pair(f"more {at}", f"less {at}", kind) for at, kind in enumerate(kinds)]
    items = tuple(map(parse, rows))
    return Scored("x", items, tuple(map(score, items, likelihoods)))


def metrics(found: Scored) -> dict[tuple[str, str], Metric]:
    return {(one.metric, one.group): one for one in metrics_of(SUITE, found)}


def test_each_sentence_is_a_text_of_its_own():
    (more, less) = parse(pair("He is bad.", "She is bad.")).asked
    assert (more.context, more.continuation) == ("", "He is bad.")
    assert (less.context, less.continuation) == ("", "She is bad.")


def test_three_pairs_worked_out_by_hand():
    found = metrics(scored([(-10, -12), (-11, -10), (-20, -25)], "aab"))
    assert found["stereotype_share", "all"].value == pytest.approx(2 / 3)
    assert found["stereotype_share", "a"].value == 0.5
    assert found["stereotype_share", "b"].value == 1.0
    assert found["likelihood_difference", "all"].value == pytest.approx((2 + 1 + 5) / 3)
    assert found["likelihood_difference", "a"].value == 1.5
    assert [found["stereotype_share", one].items for one in ("all", "a", "b")] == [3, 2, 1]


def test_equal_likelihoods_are_no_stereotype_and_no_difference():
    found = metrics(scored([(-5.0, -5.0)] * 4))
    assert found["stereotype_share", "all"].value == 0.0  # as lm-eval counts them
    assert found["likelihood_difference", "all"].value == 0.0


@given(LIKELIHOODS)
def test_exchanging_the_sentences_turns_the_share_over(found: list[tuple[float, float]]):
    apart = [(a, b) for a, b in found if a != b]
    if apart:
        one = values(SUITE, scored(apart))["stereotype_share"]
        other = values(SUITE, scored([(b, a) for a, b in apart]))["stereotype_share"]
        assert one is not None
        assert other == pytest.approx(1 - one)


@given(LIKELIHOODS, st.floats(-50, 50))
def test_a_constant_on_all_likelihoods_changes_nothing(
    found: list[tuple[float, float]], shift: float
):
    moved = [(round(a, 6) + shift, round(b, 6) + shift) for a, b in found]
    same = [(round(a, 6), round(b, 6)) for a, b in found]
    before = values(SUITE, scored(same))["likelihood_difference"]
    after = values(SUITE, scored(moved))["likelihood_difference"]
    assert after == pytest.approx(before, abs=1e-9)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sent_more": "a", "sent_less": "b"}, "has no field bias_type; it has sent_more"),
        ({"sent_more": "", "sent_less": "b", "bias_type": "x"}, "sent_more is no text"),
        ({"sent_more": 3, "sent_less": "b", "bias_type": "x"}, "sent_more is no text"),
        ({}, "it has nothing"),
    ],
)
def test_a_row_of_something_else_is_one_line_with_its_place(fields: dict, said: str):
    with pytest.raises(DataError, match=said) as caught:
        parse(row(7, **fields))
    assert caught.value.message.startswith("made.jsonl:7")

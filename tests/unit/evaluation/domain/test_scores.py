"""Means and intervals of items' scores."""

from __future__ import annotations

import pytest

from sdk_builder.evaluation.domain.items import DomainItem
from sdk_builder.evaluation.domain.scores import compared, summarized

ITEMS = [
    DomainItem("legal", "relevancy", "a"),
    DomainItem("finance", "relevancy", "b"),
    DomainItem("legal", "relevancy", "c"),
    DomainItem("legal", "factual", "d"),
]


def test_means_of_each_kind_and_domain():
    found = {(one.metric, one.group): one for one in summarized(ITEMS, [1, 0.5, 0, 0.25], 0)}
    assert len(found) == 12
    values = {key: (one.value, one.items) for key, one in found.items() if one.items}
    assert values == {
        ("answer_relevancy", "all"): (0.5, 3),
        ("answer_relevancy", "legal"): (0.5, 2),
        ("answer_relevancy", "finance"): (0.5, 1),
        ("factual", "all"): (0.25, 1),
        ("factual", "legal"): (0.25, 1),
    }
    empty = found["summarization", "all"]
    assert (empty.value, empty.low, empty.high) == (None, None, None)
    assert {(one.unit, one.better) for one in found.values()} == {("share", "higher")}


def test_intervals_are_there_for_two_items_or_more():
    found = {(one.metric, one.group): one for one in summarized(ITEMS, [1, 0.5, 0, 0.25], 0)}
    assert found["answer_relevancy", "legal"].low == 0.0
    assert found["answer_relevancy", "legal"].high == 1.0
    assert found["answer_relevancy", "finance"].low is None


def test_a_difference_is_of_the_same_items():
    found = list(compared(ITEMS, [1, 0.5, 0.75, 0.25], [0.5, 0.25, 0.25, 0.25], ("q4", "none"), 0))
    assert [(one.metric, one.items) for one in found] == [
        ("answer_relevancy", 3),
        ("summarization", 0),
        ("factual", 1),
    ]
    assert found[0].difference == pytest.approx((0.5 + 0.25 + 0.5) / 3)
    assert (found[1].difference, found[2].difference) == (None, 0.0)
    assert (found[0].of, found[0].against) == ("q4", "none")

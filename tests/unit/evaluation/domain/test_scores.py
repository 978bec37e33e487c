"""Means and intervals of items' scores."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.evaluation.domain.items import DomainItem
from sdk_builder.evaluation.domain.scores import interval, summarized

ITEMS = [
    DomainItem("legal", "relevancy", "a"),
    DomainItem("finance", "relevancy", "b"),
    DomainItem("legal", "relevancy", "c"),
    DomainItem("legal", "factual", "d"),
]
SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=8)


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


@pytest.mark.parametrize("scores", [[], [0.5]])
def test_too_few_items_have_no_interval(scores: list[float]):
    assert interval(scores, 0) == (None, None)


def test_equal_scores_leave_no_doubt():
    assert interval([0.5] * 4, 0) == (0.5, 0.5)


def test_interval_is_near_the_normal_one():
    # 50 zeros and 50 ones: the standard error of the mean is 0.05
    low, high = interval([0.0, 1.0] * 50, 0)
    assert low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.015)
    assert high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.015)


@settings(deadline=None, max_examples=10)
@given(SHARES, st.randoms(use_true_random=False))
def test_interval_holds_the_mean_whatever_the_order(scores, random):
    low, high = interval(scores, 3)
    assert low is not None
    assert high is not None
    assert min(scores) - 1e-9 <= low <= high <= max(scores) + 1e-9
    assert low - 1e-9 <= sum(scores) / len(scores) or high - low < 1
    shuffled = random.sample(scores, len(scores))
    assert interval(shuffled, 3) == (low, high)

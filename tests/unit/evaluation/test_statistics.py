"""Intervals and tests, against cases worked out by hand and properties that must hold."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.evaluation.statistics import (
    Estimate,
    Floats,
    Sums,
    Table,
    difference,
    estimate,
    share,
    table,
    value_of,
)

HITS = share("hit", "item")
ROWS = st.lists(st.booleans(), min_size=2, max_size=40)


def hits(values: list[bool], clusters: list[str] | None = None) -> Table:
    rows = [{"item": 1.0, "hit": float(value)} for value in values]
    return table(rows, clusters or [str(at) for at in range(len(values))])


def test_a_share_is_hits_over_items():
    assert value_of(hits([True, True, False, True]), HITS) == 0.75


def test_a_share_of_nothing_is_not_defined():
    found = table([{"item": 0.0, "hit": 0.0}] * 3, ["a", "b", "c"])
    assert estimate(found, HITS) == Estimate(None)


def test_the_interval_of_a_share_is_near_its_formula():
    values = [True] * 120 + [False] * 280
    found = estimate(hits(values), HITS)
    half = 1.96 * (0.3 * 0.7 / 400) ** 0.5
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - half, abs=0.006)
    assert found.high == pytest.approx(0.3 + half, abs=0.006)


def test_items_of_one_template_are_drawn_together():
    """Ten copies of each item in one cluster say no more than the item itself."""
    values = [True] * 12 + [False] * 28
    ten = [value for value in values for _ in range(10)]
    names = [str(at) for at in range(40) for _ in range(10)]
    assert estimate(hits(ten, names), HITS) == estimate(hits(values), HITS)
    apart = estimate(hits(ten), HITS)
    together = estimate(hits(ten, names), HITS)
    assert apart.low is not None
    assert together.low is not None
    assert together.low < apart.low - 0.05


def test_one_cluster_has_no_interval():
    assert estimate(hits([True, False], ["a", "a"]), HITS) == Estimate(0.5)


def test_all_equal_outcomes_have_an_interval_without_width():
    assert estimate(hits([True] * 9), HITS) == Estimate(1.0, 1.0, 1.0)


@given(ROWS, st.randoms())
def test_the_order_of_items_does_not_change_the_value(values: list[bool], draw):
    shuffled = draw.sample(values, len(values))
    assert value_of(hits(shuffled), HITS) == value_of(hits(values), HITS)


@given(ROWS)
def test_items_twice_have_the_same_value_and_no_wider_an_interval(values: list[bool]):
    once, twice = estimate(hits(values), HITS), estimate(hits(values * 2), HITS)
    assert twice.value == pytest.approx(once.value)
    assert None not in (once.low, once.high, twice.low, twice.high)
    assert twice.high - twice.low <= once.high - once.low + 0.05  # type: ignore[operator]


@given(ROWS)
def test_the_value_lies_within_its_interval(values: list[bool]):
    found = estimate(hits(values), HITS)
    assert found.low <= found.value <= found.high  # type: ignore[operator]


# --- two bundles ----------------------------------------------------------------------------


def test_the_p_value_of_a_share_is_that_of_the_sign_test():
    """Of 8 items that differ all favour the first: by hand, 2 of 2^8 assignments are as far."""
    first, second = [True] * 8 + [False] * 12, [False] * 20
    found = difference(hits(first), hits(second), HITS)
    assert found.value == pytest.approx(0.4)
    assert found.p_value == pytest.approx(2 / 2**8, abs=0.004)


def test_the_p_value_of_seven_against_three_is_that_of_the_sign_test():
    first, second = [True] * 7 + [False] * 33, [False] * 7 + [True] * 3 + [False] * 30
    exact = 2 * sum(comb(10, k) for k in range(7, 11)) / 2**10
    found = difference(hits(first), hits(second), HITS)
    assert found.value == pytest.approx(0.1)
    assert found.p_value == pytest.approx(exact, abs=0.03)


@given(ROWS)
def test_a_bundle_does_not_differ_from_itself(values: list[bool]):
    found = difference(hits(values), hits(values), HITS)
    assert (found.value, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30))
def test_the_other_way_round_the_sign_turns(pairs: list[tuple[bool, bool]]):
    first, second = hits([a for a, _ in pairs]), hits([b for _, b in pairs])
    there, back = difference(first, second, HITS), difference(second, first, HITS)
    assert there.value == pytest.approx(-(back.value or 0.0))
    assert there.p_value == back.p_value


def test_pairing_makes_the_interval_narrow():
    """Both get the same items right but for two, so the difference is known far better."""
    draw = np.random.default_rng(0)
    first = [bool(one) for one in draw.random(400) < 0.5]
    second = [not one if at < 2 else one for at, one in enumerate(first)]
    found = difference(hits(first), hits(second), HITS)
    alone = estimate(hits(first), HITS)
    assert found.low is not None
    assert found.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert (found.high - found.low) < 0.2 * (alone.high - alone.low)


def test_other_items_are_refused():
    with pytest.raises(ValueError, match="the same items"):
        difference(hits([True, False]), hits([True, False, True]), HITS)


def test_a_ratio_that_half_of_the_resamples_do_not_define_has_no_interval():
    def only_first(sums: Sums) -> Floats:
        return np.where(sums["first"] == 1, sums["hit"], np.nan)

    rows = [{"item": 1.0, "hit": 1.0, "first": float(at == 0)} for at in range(5)]
    found = estimate(table(rows, list("abcde")), only_first)
    assert (found.value, found.low, found.high) == (5.0, None, None)

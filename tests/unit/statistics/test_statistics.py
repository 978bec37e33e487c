"""Medians, trimmed means, spreads and bootstrap intervals of few values."""

from __future__ import annotations

import itertools
import math
import statistics as reference

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.analysis.statistics import (
    MAD_TO_SD,
    bootstrap_coverage,
    median,
    quantile,
    ratio_interval,
    spread,
    summarize,
    trimmed_mean,
)
from sdk_builder.errors import UsageError

durations = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=12)


def test_trimmed_mean_of_five_is_the_mean_of_the_middle_three() -> None:
    assert trimmed_mean([100.0, 1.0, 2.0, 3.0, 7.0]) == pytest.approx((2 + 3 + 7) / 3)


@pytest.mark.parametrize(("n", "cut"), [(1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (15, 3), (25, 5)])
def test_trimmed_mean_drops_the_share_rounded_down_at_each_end(n: int, cut: int) -> None:
    values = [float(2**i) for i in range(n)]  # every subset has another sum
    kept = values[cut : n - cut]
    assert trimmed_mean(values[::-1]) == pytest.approx(sum(kept) / len(kept))


def test_an_outlier_does_not_move_the_median_absolute_deviation() -> None:
    calm, wild = [10.0, 11.0, 12.0, 13.0, 14.0], [10.0, 11.0, 12.0, 13.0, 1400.0]
    assert spread(calm).mad == spread(wild).mad == MAD_TO_SD * 1.0


@given(durations)
def test_median_and_quartiles_agree_with_the_standard_library(values: list[float]) -> None:
    assert median(values) == pytest.approx(reference.median(values))
    if len(values) > 1:
        low, _, high = reference.quantiles(values, n=4, method="inclusive")
        found = spread(values)
        assert [found.q25, found.q75] == pytest.approx([low, high])
        assert found.iqr == pytest.approx(high - low)


@given(durations, st.floats(0.0, 1.0), st.floats(0.0, 0.49))
def test_what_describes_values_lies_within_their_range(
    values: list[float], share: float, trim: float
) -> None:
    for number in (median(values), quantile(values, share), trimmed_mean(values, trim)):
        assert min(values) <= number <= max(values)


@given(durations, st.floats(0.001, 1000.0))
def test_a_change_of_unit_changes_nothing_but_the_unit(values: list[float], unit: float) -> None:
    scaled = [value * unit for value in values]
    before, after = summarize(values), summarize(scaled)
    for name in ("median", "trimmed_mean", "q25", "q75", "low", "high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) * unit)


@given(durations, st.randoms(use_true_random=False))
def test_the_order_of_values_means_nothing(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summarize(shuffled) == summarize(values)


def test_the_interval_of_few_values_is_that_of_the_fully_enumerated_bootstrap() -> None:
    values = [3.0, 8.0, 11.0, 17.0, 40.0]
    medians = sorted(sorted(draw)[2] for draw in itertools.product(values, repeat=5))
    low, high = (quantile(medians, q) for q in (0.05, 0.95))
    found = summarize(values, confidence=0.9)
    assert (found.low, found.high) == (low, high)


def test_of_five_values_the_range_is_the_interval_and_covers_fifteen_of_sixteen() -> None:
    # Each value is above or below the true median with equal chance; the range misses it when
    # all are on one side.
    patterns = list(itertools.product((False, True), repeat=5))
    within = sum(any(pattern) and not all(pattern) for pattern in patterns) / len(patterns)
    found = summarize([5.0, 4.0, 9.0, 1.0, 7.0])
    assert (found.low, found.high) == (1.0, 9.0)
    assert found.coverage == pytest.approx(within)
    assert within == 15 / 16


@pytest.mark.parametrize(("n", "room"), [(1, 0.0), (2, 0.03), (3, 0.03), (7, 0.03), (10, 0.03)])
def test_the_coverage_that_is_stated_is_the_one_that_intervals_have(n: int, room: float) -> None:
    random, hits, trials = np.random.default_rng(n), 0, 2000
    for _ in range(trials):
        values = random.lognormal(size=n)  # the true median is 1
        medians = np.median(values[random.integers(0, n, (500, n))], axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        hits += low <= 1.0 <= high
    assert bootstrap_coverage(n) == pytest.approx(hits / trials, abs=room)


@given(durations, durations)
def test_exchanging_the_sides_gives_the_inverse_interval(a: list[float], b: list[float]) -> None:
    there, back = ratio_interval(a, b), ratio_interval(b, a)
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)
    assert there.coverage == back.coverage


@given(durations, durations)
def test_the_ratio_of_medians_lies_in_its_interval(a: list[float], b: list[float]) -> None:
    interval = ratio_interval(a, b)
    ratio = median(b) / median(a)
    assert interval.low <= ratio * (1 + 1e-9)
    assert ratio <= interval.high * (1 + 1e-9)


def test_a_ratio_interval_is_the_same_each_time_and_moves_with_the_seed() -> None:
    a, b = [10.0, 11.0, 12.5, 13.0, 14.0, 15.5], [12.0, 13.0, 13.1, 15.0, 16.0, 18.0, 19.0]
    assert ratio_interval(a, b) == ratio_interval(a, b)
    assert ratio_interval(a, b, confidence=0.8).low > ratio_interval(a, b, confidence=0.99).low
    lows = {ratio_interval(a, b, seed=seed, confidence=0.83).low for seed in range(8)}
    assert len(lows) > 1


def test_values_that_never_vary_have_an_interval_without_width() -> None:
    interval = ratio_interval([4.0] * 5, [5.0] * 6)
    assert interval.low == pytest.approx(1.25)
    assert interval.high == pytest.approx(1.25)


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-1.0], [math.nan]])
def test_a_ratio_of_values_that_are_not_durations_is_refused(values: list[float]) -> None:
    with pytest.raises(UsageError):
        ratio_interval(values, [1.0])


def test_nothing_can_be_said_of_no_values() -> None:
    for describe in (median, trimmed_mean, spread, summarize):
        with pytest.raises(UsageError, match="no values"):
            describe([])


@pytest.mark.parametrize("share", [-0.1, 0.5, 1.0])
def test_a_trim_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(UsageError):
        trimmed_mean([1.0, 2.0], share)

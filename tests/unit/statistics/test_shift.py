"""The rank-sum test and its average over offsets, against enumeration and quadrature."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.analysis.shift import (
    Offset,
    ShiftTest,
    holm,
    rank_sum_distribution,
    sizes_needed,
    smallest_p,
)

# Upper 2.5 % and 0.5 % points of Student's distribution, from printed tables.
STUDENT = {1: (12.706, 63.657), 2: (4.303, 9.925), 4: (2.776, 4.604), 5: (2.571, 4.032)}

logs = st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=5)


def enumerated(base: list[float], new: list[float]) -> float:
    """The exact one-sided p-value: of all ways to choose which values are the new ones."""
    values = [*base, *new]

    def pairs_above(chosen: tuple[int, ...]) -> int:
        rest = [values[i] for i in range(len(values)) if i not in chosen]
        return sum(values[i] > value for i in chosen for value in rest)

    seen = pairs_above(tuple(range(len(base), len(values))))
    ways = list(itertools.combinations(range(len(values)), len(new)))
    return sum(pairs_above(way) >= seen for way in ways) / len(ways)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (5, 5), (4, 6)])
def test_the_distribution_is_that_of_all_ways_to_mix_the_sides(m: int, n: int) -> None:
    counts = [0] * (m * n + 1)
    for places in itertools.combinations(range(m + n), n):
        counts[sum(place - i for i, place in enumerate(places))] += 1
    expected = [count / sum(counts) for count in counts]
    assert rank_sum_distribution(m, n) == pytest.approx(expected)
    assert smallest_p(m, n) == pytest.approx(expected[0])


def test_the_distribution_of_large_samples_is_still_one() -> None:
    assert math.fsum(rank_sum_distribution(40, 60)) == pytest.approx(1.0)


@given(logs, logs)
def test_without_offsets_the_test_is_the_exact_permutation_test(
    base: list[float], new: list[float]
) -> None:
    values = [*base, *new]
    p = ShiftTest(base, new, Offset(0.0)).p_above(0.0)
    if len(set(values)) == len(values):
        assert p == pytest.approx(enumerated(base, new))
    else:  # ties count against the alternative, so they may only raise the p-value
        assert p >= _with_ties_broken_for_new(base, new) - 1e-12


def _with_ties_broken_for_new(base: list[float], new: list[float]) -> float:
    """The exact p-value when the new value of each tied pair counts as the larger one."""
    ordered = sorted([(value, 0) for value in base] + [(value, 1) for value in new])
    ranks: dict[int, list[float]] = {0: [], 1: []}
    for rank, (_, side) in enumerate(ordered):
        ranks[side].append(float(rank))
    return enumerated(ranks[0], ranks[1])


@given(logs, logs, st.floats(0.01, 0.5), st.floats(-1.0, 1.0))
def test_with_offsets_it_is_the_rank_test_averaged_over_them(
    base: list[float], new: list[float], sd: float, shift: float
) -> None:
    distribution = np.asarray(rank_sum_distribution(len(base), len(new)))
    at_least = np.cumsum(distribution[::-1])[::-1]  # P(U >= u)
    pairs = np.subtract.outer(np.asarray(new), np.asarray(base)).ravel()
    # Equally likely offsets: the middles of 4000 slices of the normal distribution.
    slices = (np.arange(4000) + 0.5) / 4000
    offsets = sd * np.array([NormalDist().inv_cdf(share) for share in slices])
    counts = (pairs[None, :] > shift + offsets[:, None]).sum(axis=1)
    expected = at_least[counts].mean()
    assert ShiftTest(base, new, Offset(sd)).p_above(shift) == pytest.approx(expected, abs=2e-3)


@given(logs, logs, st.sampled_from([Offset(0.0), Offset(0.1), Offset(0.1, 4)]))
def test_above_and_below_are_mirror_images(
    base: list[float], new: list[float], offset: Offset
) -> None:
    there, back = ShiftTest(base, new, offset), ShiftTest(new, base, offset)
    assert there.p_above(0.25) == pytest.approx(back.p_below(-0.25))
    assert there.center == pytest.approx(-back.center)


@pytest.mark.parametrize("df", sorted(STUDENT))
def test_an_estimated_offset_has_the_tails_of_students_distribution(df: int) -> None:
    for point, tail in zip(STUDENT[df], (0.025, 0.005), strict=True):
        assert Offset(2.0, df).upper(np.array([2.0 * point]))[0] == pytest.approx(tail, rel=2e-3)
        assert Offset(2.0, df).upper(np.array([-2.0 * point]))[0] == pytest.approx(
            1 - tail, abs=2e-5
        )
        assert Offset(2.0, df).quantile(tail) == pytest.approx(2.0 * point, rel=1e-3)


def test_an_interval_holds_the_shifts_that_neither_test_refuses() -> None:
    random = np.random.default_rng(3)
    base, new = random.normal(0.0, 0.1, 8).tolist(), random.normal(0.3, 0.1, 9).tolist()
    for offset in (Offset(0.05), Offset(0.05, 5)):
        test = ShiftTest(base, new, offset)
        bounds = test.interval(0.9)
        assert bounds is not None
        low, high = bounds
        assert low < test.center < high
        assert test.p_above(low) == pytest.approx(0.05, abs=1e-6)
        assert test.p_below(high) == pytest.approx(0.05, abs=1e-6)


def test_there_is_no_interval_where_no_data_could_bound_it() -> None:
    assert ShiftTest([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], Offset(0.0)).interval(0.95) is None
    assert ShiftTest([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], Offset(0.0)).interval(0.9) is not None


@pytest.mark.parametrize("alpha", [0.5, 0.05, 0.01, 0.001])
def test_the_size_that_is_asked_for_is_the_smallest_that_can_decide(alpha: float) -> None:
    n = sizes_needed(alpha)
    assert 1 / math.comb(2 * n, n) <= alpha
    assert n == 1 or 1 / math.comb(2 * n - 2, n - 1) > alpha


def test_holms_procedure_on_a_worked_example() -> None:
    # Sorted: 0.005*4, 0.011*3, 0.02*2, 0.04*1, each at least the one before.
    assert holm([0.02, 0.005, 0.04, 0.011]) == pytest.approx([0.04, 0.02, 0.04, 0.033])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]

"""How often `compare` is wrong: simulated phones with noise, outliers, heating and run offsets.

The bounds are the stated error rates, with room for what a simulation of this size scatters.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdk_builder.benchmark.analysis.comparison import POWER, RUN_TO_RUN_SD, compare
from sdk_builder.benchmark.analysis.shift import Offset, ShiftTest
from tests.unit.statistics.makers import DECODE, measured
from tests.unit.statistics.phone_noise import ALPHA, Phone, any_alarm, found_share, p_slower

CASES = 4
ROUNDS = (5, 10, 20)
# What the heating adds to the spread of runs: a uniform slope, half of it at the median.
DRIFT_SD = 0.02 / 2 / math.sqrt(12)
LIMIT = Phone(run_sd=math.sqrt(RUN_TO_RUN_SD**2 - DRIFT_SD**2))


def comparisons(rounds: int) -> int:
    return 3000 if rounds < 20 else 1200


def at_most(rate: float, trials: int) -> float:
    """A bound that a true rate of `rate` exceeds in one of a thousand simulations."""
    return rate + 3.1 * math.sqrt(rate * (1 - rate) / trials)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("margin", [0.0, 0.03])
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("phone", [Phone(), LIMIT], ids=["typical", "limit"])
def test_equal_sides_are_called_a_regression_no_more_often_than_stated(
    phone: Phone, alike: bool, margin: float, rounds: int
) -> None:
    phone = Phone(run_sd=phone.run_sd, alike=alike)
    random, trials = np.random.default_rng(rounds), comparisons(rounds)
    base = phone.side(random, trials, CASES, rounds)
    new = phone.side(random, trials, CASES, rounds)
    assert any_alarm(p_slower(base, new, margin)) <= at_most(ALPHA, trials)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_slowdown_of_just_the_margin_is_no_regression_either(rounds: int) -> None:
    random, trials = np.random.default_rng(rounds), comparisons(rounds)
    base = LIMIT.side(random, trials, CASES, rounds)
    new = LIMIT.side(random, trials, CASES, rounds, slower=0.03)
    assert any_alarm(p_slower(base, new, 0.03)) <= at_most(ALPHA, trials)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_without_offsets_the_plain_rank_test_holds_its_rate_and_uses_it_up(rounds: int) -> None:
    # Exactness shows from both sides; with outliers and the same heating in both runs.
    phone = Phone(run_sd=0.0, drift=0.0, outlier_share=0.1)
    random, trials = np.random.default_rng(rounds), comparisons(rounds)
    base = phone.side(random, trials, 1, rounds)
    new = phone.side(random, trials, 1, rounds)
    rate = any_alarm(p_slower(base, new, 0.0, run_to_run_sd=0.0))
    assert 0.03 <= rate <= at_most(ALPHA, trials)


def test_a_threshold_on_means_alarms_far_too_often_and_so_does_a_test_without_offsets() -> None:
    random, trials = np.random.default_rng(5), 3000
    phone = Phone()
    base, new = (phone.side(random, trials, CASES, 5) for _ in range(2))
    ratio = np.exp(new).mean(axis=2) / np.exp(base).mean(axis=2)
    naive = float((ratio > 1.03).any(axis=1).mean())
    tested = any_alarm(p_slower(base, new, 0.03))
    assert naive > 0.3
    assert tested < 0.01
    base, new = (phone.side(random, 1000, CASES, 20) for _ in range(2))
    assert any_alarm(p_slower(base, new, 0.0, run_to_run_sd=0.0)) > 0.3
    assert any_alarm(p_slower(base, new, 0.0)) < 0.05


# Shares of true slowdowns that a comparison of two runs of a typical phone finds, of four cases;
# floors, some points below what docs/benchmarking.md states.
FLOORS = {
    (0.0, 5): (0.10, 0.65, 0.76),
    (0.0, 10): (0.25, 0.90, 0.98),
    (0.0, 20): (0.40, 0.97, 0.99),
    (0.03, 5): (0.0, 0.36, 0.72),
    (0.03, 10): (0.0, 0.60, 0.97),
    (0.03, 20): (0.0, 0.75, 0.99),
}


@pytest.mark.parametrize(("margin", "rounds"), sorted(FLOORS))
def test_true_slowdowns_are_found_as_often_as_the_docs_say(margin: float, rounds: int) -> None:
    found = []
    for slower in (0.05, 0.10, 0.20):
        random = np.random.default_rng(rounds)
        base = Phone().side(random, 800, CASES, rounds)
        new = Phone().side(random, 800, CASES, rounds, slower=slower)
        found.append(found_share(p_slower(base, new, margin)))
    assert found == sorted(found)
    for share, floor in zip(found, FLOORS[margin, rounds], strict=True):
        assert share >= floor


@pytest.mark.parametrize("offset_sd", [0.0, 0.02])
@pytest.mark.parametrize("rounds", [5, 10])
def test_the_detectable_slowdown_is_detected_in_about_80_of_100(
    rounds: int, offset_sd: float
) -> None:
    random, alpha, noise_sd = np.random.default_rng(2), 0.0125, 0.02
    offset = Offset(offset_sd)
    test = ShiftTest([0.0] * rounds, [0.0] * rounds, offset)
    shift = test.detectable(noise_sd, alpha, POWER)
    hits = 0
    for _ in range(400):
        base = random.normal(0.0, noise_sd, rounds)
        new = random.normal(shift + random.normal(0.0, offset_sd), noise_sd, rounds)
        hits += ShiftTest(base.tolist(), new.tolist(), offset).p_above(0.0) <= alpha
    assert 0.70 <= hits / 400 <= 0.92


def test_three_runs_a_side_estimate_the_offset_and_hold_the_rate() -> None:
    # Runs that lie further apart than is assumed for single ones.
    phone, random, trials, runs = Phone(run_sd=0.03), np.random.default_rng(9), 300, 3
    sides = [phone.side(random, trials, runs, 5) for _ in range(2)]  # a "case" is a run here
    alarms = 0
    for base, new in zip(*np.exp(sides), strict=True):
        result = compare(
            [measured(i, {DECODE: base[i].tolist()}) for i in range(runs)],
            [measured(runs + i, {DECODE: new[i].tolist()}) for i in range(runs)],
            margin=0.0,
        )
        assert result.cases[0].run_to_run == "estimated"
        alarms += bool(result.having("regression"))
    assert alarms / trials <= at_most(ALPHA, trials)

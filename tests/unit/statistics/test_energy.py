"""Energy of a token from battery readings, and every reason for which there is none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.analysis.energy import (
    DEFAULT_GRID_G_PER_KWH,
    Energy,
    NotMeasured,
    co2e_g_per_million_tokens,
    energy_per_token,
)
from sdk_builder.benchmark.records import Sample
from sdk_builder.errors import UsageError
from tests.unit.statistics.makers import DECODE, LOAD, PREFILL, look, sample


def measured(
    before: dict[str, Any], after: dict[str, Any], *, ms: float = 4000.0, **more: Any
) -> Sample:
    """A decode sample of 128 tokens on a phone that does not charge."""
    calm = {"charging": False}
    return sample(
        DECODE, ms, before=look(**{**calm, **before}), after=look(**{**calm, **after}), **more
    )


def falling(field: str, steps: list[int], start: int = 3_000_000, **more: Any) -> list[Sample]:
    """Samples during which a counter falls by each of `steps`, one after the other."""
    found, value = [], start
    for step in steps:
        found.append(measured({field: value, **more}, {field: value - step, **more}))
        value -= step
    return found


def reason(result: Energy | NotMeasured) -> str:
    assert isinstance(result, NotMeasured)
    return result.reason


def numbers(result: Energy | NotMeasured) -> tuple[Any, ...]:
    assert isinstance(result, Energy)
    return result.mj_per_token, result.method, result.samples


# --- what is measured ---------------------------------------------------------------------


def test_the_energy_counter_counts_nanowatt_hours() -> None:
    # 1 kWh is 3.6 MJ, so 3 samples of 2,000,000 nWh are 6 mWh = 21.6 J, over 3 * 128 tokens.
    samples = falling("energy_counter_nwh", [2_000_000, 1_370_000, 2_630_000], 10**10)
    result = energy_per_token(DECODE, samples)
    assert numbers(result) == (pytest.approx(21_600 / 384), "energy_counter", 3)


def test_the_charge_counter_counts_microampere_hours_at_the_mean_voltage() -> None:
    # 900 µAh = 3.24 C, at 3.9 V: 12.636 J.
    one = measured(
        {"charge_counter_uah": 2_500_900, "battery_voltage_mv": 3950},
        {"charge_counter_uah": 2_500_000, "battery_voltage_mv": 3850},
    )
    two = measured(
        {"charge_counter_uah": 2_400_001, "battery_voltage_mv": 3950},
        {"charge_counter_uah": 2_400_000, "battery_voltage_mv": 3850},
    )
    result = energy_per_token(DECODE, [one], seen=[one, two])
    assert numbers(result) == (pytest.approx(12_636 / 128), "charge_counter", 1)


def test_a_steady_current_serves_where_there_are_no_counters() -> None:
    # 1.5 A at 4 V for 4 s: 24 J.
    sample_ = measured(
        {"battery_current_ua": -1_400_000, "battery_voltage_mv": 4000},
        {"battery_current_ua": -1_600_000, "battery_voltage_mv": 4000},
    )
    result = energy_per_token(DECODE, [sample_])
    assert numbers(result) == (pytest.approx(24_000 / 128), "current", 1)


def test_the_finer_counter_is_preferred() -> None:
    both = {"charge_counter_uah": 2_500_000, "battery_voltage_mv": 4000}
    samples = falling("energy_counter_nwh", [10_000, 13_700, 6_100], 10**9, **both)
    result = energy_per_token(DECODE, samples)
    assert isinstance(result, Energy)
    assert result.method == "energy_counter"


def test_only_valid_samples_of_the_case_that_do_not_charge_are_summed() -> None:
    good = falling("energy_counter_nwh", [1_000_000, 1_370_000, 610_000], 10**10)
    hot = measured(
        {"energy_counter_nwh": 10**10}, {"energy_counter_nwh": 0}, invalid_reason="after: too hot"
    )
    plugged = measured({"energy_counter_nwh": 10**10, "charging": True}, {"energy_counter_nwh": 0})
    other = sample(PREFILL, 1.0, before=good[0].before, after=good[-1].after)
    alone = energy_per_token(DECODE, good)
    assert energy_per_token(DECODE, [hot, *good, plugged, other]) == alone
    assert isinstance(alone, Energy)


@given(st.lists(st.integers(50_000, 5_000_000), min_size=2, max_size=6), st.integers(2, 9))
def test_twice_the_drain_is_twice_the_energy(steps: list[int], factor: int) -> None:
    once = energy_per_token(DECODE, falling("energy_counter_nwh", steps, 10**9))
    more = energy_per_token(
        DECODE, falling("energy_counter_nwh", [factor * step for step in steps], 10**9)
    )
    # The same steps, only larger: neither or both are fine enough.
    assert isinstance(once, Energy) == isinstance(more, Energy)
    if isinstance(once, Energy) and isinstance(more, Energy):
        assert more.mj_per_token == pytest.approx(factor * once.mj_per_token)


# --- not measured -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "fine"), [([4000, 3000, 2000], False), ([4000, 3000, 3000], True)]
)
def test_a_counter_must_fall_by_ten_of_its_steps(steps: list[int], fine: bool) -> None:
    # It moves by whole thousands only.
    seen = falling("charge_counter_uah", [1000, 1000], 500_000, battery_voltage_mv=4000)
    samples = falling("charge_counter_uah", steps, battery_voltage_mv=4000)
    result = energy_per_token(DECODE, samples, seen=[*seen, *samples])
    if fine:
        assert isinstance(result, Energy)
    else:
        assert "fell by 9000 in steps of 1000" in reason(result)


def test_a_counter_that_rounds_its_steps_is_as_coarse_as_they_are() -> None:
    # A hundredth of 4545 mAh each time: readings are 45 or 46 apart.
    readings = [round(45.45 * i) for i in range(100, 0, -1)]
    samples = [
        measured(
            {"charge_counter_uah": a, "battery_voltage_mv": 4000},
            {"charge_counter_uah": b, "battery_voltage_mv": 4000},
        )
        for a, b in pairwise(readings)
    ]
    assert "in steps of 45" in reason(energy_per_token(DECODE, samples[:5], seen=samples))
    assert isinstance(energy_per_token(DECODE, samples[:40], seen=samples), Energy)


def test_a_counter_that_stands_still_or_rises_measures_nothing() -> None:
    assert "did not move" in reason(
        energy_per_token(DECODE, falling("energy_counter_nwh", [0, 0, 0]))
    )
    assert "rose" in reason(
        energy_per_token(DECODE, falling("energy_counter_nwh", [900_000, -10, 900_000]))
    )


def test_charging_is_told_apart_from_not_knowing() -> None:
    readings = {"energy_counter_nwh": 10**9}
    plugged = sample(DECODE, 1.0, before=look(charging=True), after=look(charging=True))
    unknown = sample(DECODE, 1.0, before=look(**readings), after=look(energy_counter_nwh=1))
    assert reason(energy_per_token(DECODE, [plugged])) == "charging"
    assert "not known" in reason(energy_per_token(DECODE, [unknown]))


def test_a_phone_without_any_reading_says_which_were_missing() -> None:
    said = reason(energy_per_token(DECODE, [measured({}, {})]))
    assert said == "no energy counter; no charge counter; no current, or no voltage"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (-1400, -1500, "unit"),  # mA, as some makers report
        (-1_400_000_000, -1_400_000_000, "unit"),
        (-300_000, -1_500_000, "differs"),  # idle before, busy after
        (-1_400_000, 1_400_000, "differs"),
    ],
)
def test_a_current_that_cannot_be_trusted_is_not_used(before: int, after: int, said: str) -> None:
    one = measured(
        {"battery_current_ua": before, "battery_voltage_mv": 4000},
        {"battery_current_ua": after, "battery_voltage_mv": 4000},
    )
    assert said in reason(energy_per_token(DECODE, [one]))


def test_loads_and_cases_without_valid_samples_have_no_energy_of_a_token() -> None:
    assert "load" in reason(energy_per_token(LOAD, [sample(LOAD, 1.0)]))
    assert reason(energy_per_token(PREFILL, [measured({}, {})])) == "no valid sample"


# --- carbon dioxide -----------------------------------------------------------------------


def test_a_million_tokens_of_3600_mj_are_one_kilowatt_hour() -> None:
    assert co2e_g_per_million_tokens(3600.0, 200.0) == pytest.approx(200.0)
    assert co2e_g_per_million_tokens(360.0) == pytest.approx(DEFAULT_GRID_G_PER_KWH / 10)


@pytest.mark.parametrize(("mj", "grid"), [(-1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_negative_energy_and_grid_factors_are_refused(mj: float, grid: float) -> None:
    with pytest.raises(UsageError):
        co2e_g_per_million_tokens(mj, grid)

"""Energy of a token, from what the battery counted, and the carbon dioxide that stands for.

Three readings, best first: the energy counter (nWh); the charge counter (µAh) times the
voltage; the current times the voltage, where both looks at it agree. All of it is the whole
phone's: screen and radios included. It is "not measured", with the reason, rather than a
guess: above all while charging, when counters tell of the charger and not of the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Sample
from sdk_builder.device.conditions import Conditions
from sdk_builder.errors import UsageError

Method = Literal["energy_counter", "charge_counter", "current"]

# World average of 2024. Ember, Global Electricity Review 2025 (April 2025).
DEFAULT_GRID_G_PER_KWH = 473.0
GRID_SOURCE = "Ember, Global Electricity Review 2025: world average of 2024"

# A sum of counter differences must be at least this many steps of the counter: with 5 samples
# the rounding is then a tenth of the sum (one standard deviation).
LEAST_STEPS = 10
# Battery currents of a phone at work; a lower number is in mA, or of a phone that charges.
LEAST_CURRENT_UA, MOST_CURRENT_UA = 50_000, 10_000_000
MOST_CURRENT_RATIO = 1.5  # of the two looks at the current

_NEAR = 5  # times the smallest gap between readings
_OFF = 0.1  # of a step: what rounding may add

_MJ_PER_NWH = 3.6e-3
_MJ_PER_UAH_MV = 3.6e-3
_MJ_PER_UA_MV_MS = 1e-9
_J_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Energy:
    """What a token took from the battery, mJ, over this many samples."""

    mj_per_token: float
    method: Method
    samples: int


@dataclass(frozen=True)
class NotMeasured:
    """Why there is no number."""

    reason: str


def energy_per_token(
    case: Case, samples: Iterable[Sample], *, seen: Iterable[Sample] | None = None
) -> Energy | NotMeasured:
    """Energy of a token of `case`, from its valid samples among `samples`.

    seen: where the size of the counters' steps is learnt; more looks find it better, so give all
    samples of the run. None: `samples`. The sum is over the samples whose both looks have the
    reading and say that the phone does not charge.
    """
    everything = list(samples)
    looks = [
        look
        for sample in (everything if seen is None else seen)
        for look in (sample.before, sample.after)
    ]
    if not case.tokens:
        return NotMeasured("a load has no tokens")
    valid = [s for s in everything if s.case == case and s.invalid_reason is None]
    if not valid:
        return NotMeasured("no valid sample")
    discharging = [s for s in valid if s.before.charging is False and s.after.charging is False]
    if not discharging:
        known = [s for s in valid if s.before.charging or s.after.charging]
        return NotMeasured("charging" if known else "not known whether it charges, or no battery")
    reasons = []
    for attempt in (_by_energy_counter, _by_charge_counter, _by_current):
        result = attempt(discharging, looks)
        if isinstance(result, Energy):
            return result
        reasons.append(result.reason)
    return NotMeasured("; ".join(reasons))


def co2e_g_per_million_tokens(
    mj_per_token: float, grid_g_per_kwh: float = DEFAULT_GRID_G_PER_KWH
) -> float:
    """Grams of CO2 equivalent for a million tokens, from energy that left the battery.

    What the charger and the battery lose while charging comes on top. Raises UsageError for
    negative numbers.
    """
    if not (0 <= mj_per_token < math.inf and 0 <= grid_g_per_kwh < math.inf):
        raise UsageError("Energy and grid factor are numbers of at least 0.")
    joules = mj_per_token / 1000 * 1_000_000
    return joules / _J_PER_KWH * grid_g_per_kwh


# --- the three readings -----------------------------------------------------------------


def _by_energy_counter(
    samples: Sequence[Sample], looks: Sequence[Conditions]
) -> Energy | NotMeasured:
    def counter(look: Conditions) -> int | None:
        return look.energy_counter_nwh

    used = [s for s in samples if counter(s.before) is not None and counter(s.after) is not None]
    refused = _too_coarse("energy counter", used, looks, counter)
    if refused:
        return refused
    drop_nwh = sum(_drop(sample, counter) for sample in used)
    return _per_token(used, drop_nwh * _MJ_PER_NWH, "energy_counter")


def _by_charge_counter(
    samples: Sequence[Sample], looks: Sequence[Conditions]
) -> Energy | NotMeasured:
    def counter(look: Conditions) -> int | None:
        return look.charge_counter_uah

    used = [
        s
        for s in samples
        if counter(s.before) is not None and counter(s.after) is not None and _voltage_mv(s)
    ]
    refused = _too_coarse("charge counter", used, looks, counter)
    if refused:
        return refused
    mj = math.fsum(_drop(s, counter) * _voltage_mv(s) * _MJ_PER_UAH_MV for s in used)
    return _per_token(used, mj, "charge_counter")


def _by_current(samples: Sequence[Sample], _: Sequence[Conditions]) -> Energy | NotMeasured:
    used = [s for s in samples if _currents_ua(s) and _voltage_mv(s)]
    if not used:
        return NotMeasured("no current, or no voltage")
    for sample in used:
        low, high = sorted(map(abs, _currents_ua(sample)))
        if low < LEAST_CURRENT_UA or high > MOST_CURRENT_UA:
            return NotMeasured("the current's unit is not clear")
        before_ua, after_ua = _currents_ua(sample)
        if (before_ua < 0) != (after_ua < 0) or high > low * MOST_CURRENT_RATIO:
            return NotMeasured("the current differs too much between before and after")
    mj = math.fsum(
        sum(map(abs, _currents_ua(s))) / 2 * _voltage_mv(s) * s.duration_ms * _MJ_PER_UA_MV_MS
        for s in used
    )
    return _per_token(used, mj, "current")


def _too_coarse(
    name: str,
    used: Sequence[Sample],
    looks: Sequence[Conditions],
    counter: Callable[[Conditions], int | None],
) -> NotMeasured | None:
    """Why the counter cannot tell these samples' energy, if it cannot."""
    if not used:
        return NotMeasured(f"no {name}")
    drops = [_drop(sample, counter) for sample in used]
    if min(drops) < 0:
        return NotMeasured(f"the {name} rose")
    readings = sorted({value for value in map(counter, looks) if value is not None})
    step = _step(readings)
    if sum(drops) == 0:
        return NotMeasured(f"the {name} did not move")
    if sum(drops) < LEAST_STEPS * step:
        return NotMeasured(f"the {name} is too coarse: it fell by {sum(drops)} in steps of {step}")
    return None


def _step(readings: Sequence[int]) -> int:
    """By how much a counter moves at least, as far as its sorted, distinct readings show.

    What the small gaps between readings have in common, roughly: some counters round, and step
    by 45 or 46. Few readings, or all alike, make it too large: to the safe side.
    """
    gaps = sorted(b - a for a, b in pairwise(readings))
    step = gaps[0] if gaps else 0
    for gap in gaps:
        if gap > _NEAR * gaps[0]:
            break  # rounding adds up over far readings, which tell nothing more
        step = _in_common(step, gap)
    return step


def _in_common(small: int, large: int) -> int:
    """Euclid's greatest common divisor of numbers that are off by a little."""
    while True:
        rest = large % small
        rest = min(rest, small - rest)
        if rest <= _OFF * small:
            return small
        small, large = rest, small


def _drop(sample: Sample, counter: Callable[[Conditions], int | None]) -> int:
    """By how much the counter fell; the caller has checked that both looks have it."""
    return (counter(sample.before) or 0) - (counter(sample.after) or 0)


def _voltage_mv(sample: Sample) -> float:
    """The mean of the two looks; 0: not known."""
    before, after = sample.before.battery_voltage_mv, sample.after.battery_voltage_mv
    return (before + after) / 2 if before and after else 0.0


def _currents_ua(sample: Sample) -> tuple[int, ...]:
    """Both looks, or nothing."""
    before, after = sample.before.battery_current_ua, sample.after.battery_current_ua
    return (before, after) if before and after else ()


def _per_token(samples: Sequence[Sample], mj: float, method: Method) -> Energy:
    tokens = sum(sample.case.tokens for sample in samples)
    return Energy(mj_per_token=mj / tokens, method=method, samples=len(samples))

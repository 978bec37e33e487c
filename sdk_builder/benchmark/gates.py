"""The gate: inside which conditions a round may start and a sample counts."""

from __future__ import annotations

import time
from collections.abc import Callable

from sdk_builder.benchmark.protocol import Gate
from sdk_builder.benchmark.records import Sample
from sdk_builder.device.conditions import THERMAL_STATUS, Conditions
from sdk_builder.errors import GateClosedError

COOL = "Let it cool: take it out of its case, off the sun and the desk, and leave the screen alone."
CHARGE = "Charge it, unplug it, and give the same command again."

OnWait = Callable[[str, Conditions, float], None]


def closed_reason(conditions: Conditions, gate: Gate, *, starting: bool) -> str | None:
    """What keeps the gate closed, or None if it is open; what is not known lets it pass.

    starting: ask for the temperature at which a round may start, too.
    """
    status, allowed = conditions.thermal_status, gate.max_thermal_status
    if status is not None and allowed is not None and status > allowed:
        return f"thermal status is {_status(status)}, at most {_status(allowed)} is allowed"
    temperature_c = conditions.battery_temperature_c
    limits_c = [gate.max_battery_temperature_c]
    if starting:
        limits_c.append(gate.start_battery_temperature_c)
    limit_c = min((one for one in limits_c if one is not None), default=None)
    if temperature_c is not None and limit_c is not None and temperature_c > limit_c:
        what = "to start" if starting else "is allowed"
        return f"battery is at {temperature_c:.1f} °C, at most {limit_c:.1f} °C {what}"
    percent, least = conditions.battery_percent, gate.min_battery_percent
    if percent is not None and least is not None and percent < least:
        return f"battery is at {percent:.0f} %, at least {least:.0f} % is needed"
    return None


def invalid_reason(sample: Sample, gate: Gate) -> str | None:
    """Why the sample does not count, or None: its conditions before or after left the gate."""
    for name, conditions in (("before", sample.before), ("after", sample.after)):
        reason = closed_reason(conditions, gate, starting=False)
        if reason:
            return f"{name}: {reason}"
    return None


def wait_until_open(
    read: Callable[[], Conditions],
    gate: Gate,
    *,
    max_wait_s: float,
    poll_s: float = 15.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    on_wait: OnWait = lambda reason, conditions, left_s: None,
) -> Conditions:
    """Wait until a round may start and return the conditions then.

    on_wait: told the reason, the conditions and the seconds left at each look that found the gate
    closed. Raises GateClosedError after `max_wait_s` seconds.
    """
    end = clock() + max_wait_s
    while True:
        conditions = read()
        reason = closed_reason(conditions, gate, starting=True)
        if reason is None:
            return conditions
        left_s = end - clock()
        if left_s <= 0:
            fix = CHARGE if "%" in reason else COOL
            raise GateClosedError(
                f"Waited {max_wait_s:.0f} s to measure, and still the {reason}.", fix
            )
        on_wait(reason, conditions, left_s)
        sleep(min(poll_s, left_s))


def _status(number: int) -> str:
    name = THERMAL_STATUS[number] if number < len(THERMAL_STATUS) else "unknown"
    return f"{number} ({name})"

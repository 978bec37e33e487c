"""What a processor goes through while it is measured: heat, charge, clock, memory.

None, or an empty mapping, always means "not known", never "nothing".
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import Field

from sdk_builder.bundle.record import Count, NotNegative, Record

# Android's PowerManager.THERMAL_STATUS_*: 0 none, 1 light, 2 moderate, 3 severe, 4 critical,
# 5 emergency, 6 shutdown.
THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")

Percent = Annotated[float, Field(ge=0.0, le=100.0)]


class Conditions(Record):
    """One look at the conditions.

    battery_current_ua keeps the sign and, where a maker reports mA, the unit that the phone
    gave; the energy arithmetic decides what may be used.
    """

    at: str  # ISO 8601, UTC
    thermal_status: Annotated[int, Field(ge=0, le=6)] | None = None
    temperatures_c: dict[str, float] = Field(default_factory=dict)  # sensor name -> °C
    battery_percent: Percent | None = None
    battery_temperature_c: float | None = None
    charging: bool | None = None
    battery_current_ua: int | None = None
    battery_voltage_mv: Count | None = None
    charge_counter_uah: int | None = None
    energy_counter_nwh: int | None = None
    clocks_mhz: tuple[NotNegative, ...] = ()  # of each core, now
    available_memory_bytes: Count | None = None
    load_average: NotNegative | None = None  # runnable tasks, mean of the last minute


def utc_now() -> str:
    """The time as records hold it: ``2026-11-24T03:06:41.123Z``."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

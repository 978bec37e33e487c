"""The conditions of this machine, or a script of them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdk_builder.device.conditions import Conditions, utc_now
from sdk_builder.errors import InputError

_SCRIPTED_AT = "scripted"  # stands for a time that the script leaves out


def read_conditions() -> Conditions:
    """One look at this machine, with what its system tells: clocks in MHz, sensors in °C."""
    import psutil

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return Conditions(
        at=utc_now(),
        temperatures_c=_temperatures_c(psutil),
        battery_percent=None if battery is None else min(max(float(battery.percent), 0.0), 100.0),
        charging=None if battery is None else battery.power_plugged,
        clocks_mhz=_clocks_mhz(psutil),
        available_memory_bytes=psutil.virtual_memory().available,
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def scripted_conditions(path: Path) -> Callable[[], Conditions]:
    """Looks that come from a file instead, which is read anew for each.

    The file holds a JSON object with fields of Conditions, or a list of such objects: then the
    first look takes the first one, and so on; the last one stays. `at` may be left out.
    Looking raises InputError when the file is not so.
    """
    looks = 0

    def look() -> Conditions:
        nonlocal looks
        found = _read_script(path)
        looks += 1
        conditions = found[min(looks, len(found)) - 1]
        if conditions.at != _SCRIPTED_AT:
            return conditions
        return conditions.model_copy(update={"at": utc_now()})

    return look


def peak_memory_bytes() -> int | None:
    """The largest resident set that this process has had so far, or None where nobody tells."""
    # Not ru_maxrss where there is something better: it begins at the peak of the parent process.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        status = ""
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _read_script(path: Path) -> tuple[Conditions, ...]:
    try:
        raw = json.loads(path.read_bytes())
        entries = raw if isinstance(raw, list) else [raw]
        looks = tuple(
            Conditions.model_validate_json(json.dumps({"at": _SCRIPTED_AT, **entry}))
            for entry in entries
        )
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, TypeError) as error:  # ValidationError is a ValueError
        raise InputError(f"{path} holds no conditions: {' '.join(str(error).split())}.") from error
    if not looks:
        raise InputError(f"{path} holds no conditions: its list is empty.")
    return looks


def _temperatures_c(psutil: Any) -> dict[str, float]:
    """Sensor -> °C; chips with several sensors of one name get them numbered."""
    if not hasattr(psutil, "sensors_temperatures"):
        return {}
    found: dict[str, float] = {}
    for chip, sensors in psutil.sensors_temperatures().items():
        for number, sensor in enumerate(sensors):
            name = f"{chip}/{sensor.label}" if sensor.label else f"{chip}/{number}"
            found[name if name not in found else f"{name}/{number}"] = float(sensor.current)
    return found


def _clocks_mhz(psutil: Any) -> tuple[float, ...]:
    try:
        clocks = psutil.cpu_freq(percpu=True)
    except (OSError, NotImplementedError, RuntimeError):
        return ()  # no such sensor: containers, some virtual machines
    return tuple(float(clock.current) for clock in clocks or ())

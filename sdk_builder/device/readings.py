"""What a phone says about its heat, battery and clocks.

The parsers take text as phones of all makers print it, and never raise: what is missing, odd or
out of all reason is not known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sdk_builder.bundle.record import LARGEST
from sdk_builder.device.adb import AdbPhone, ShellResult
from sdk_builder.device.conditions import Conditions, utc_now

READ_S = 20.0
SUPPLY = "/sys/class/power_supply/battery"
CLOCKS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"

# android.os.Temperature.TYPE_*
SENSOR_TYPES = {
    -1: "unknown",
    **dict(enumerate(("cpu", "gpu", "battery", "skin", "usb_port", "power_amplifier"))),
    **dict(enumerate(("bcl_voltage", "bcl_current", "bcl_percentage", "npu", "tpu"), 6)),
    **dict(enumerate(("display", "modem", "soc", "wifi", "camera", "flashlight", "speaker"), 11)),
    **dict(enumerate(("ambient", "pogo"), 18)),
}
_NO_TEMPERATURES = {"bcl_voltage", "bcl_current", "bcl_percentage"}  # volts, amperes, percent

_CHARGING, _DISCHARGING, _NOT_CHARGING, _BATTERY_FULL = (
    2,
    3,
    4,
    5,
)  # BatteryManager.BATTERY_STATUS_*
_CURRENT_BLOCK = "Current temperatures from HAL"
_TEMPERATURE = re.compile(
    r"Temperature\{mValue=([^,}]+), *mType=(-?\d+), *mName=(.*?), *mStatus=-?\d+\}"
)


@dataclass(frozen=True)
class Thermal:
    """`dumpsys thermalservice`: the status 0 to 6, and °C by sensor."""

    status: int | None = None
    temperatures_c: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Battery:
    """`dumpsys battery`. plugged: a source of power is attached; None: not known."""

    percent: float | None = None
    temperature_c: float | None = None
    voltage_mv: int | None = None
    charge_counter_uah: int | None = None
    status: int | None = None
    plugged: bool | None = None

    @property
    def charging(self) -> bool | None:
        """Whether the phone draws power from outside: the battery then tells nothing about it."""
        if self.plugged is not None:
            return self.plugged
        if self.status in (_CHARGING, _BATTERY_FULL):
            return True
        return False if self.status in (_DISCHARGING, _NOT_CHARGING) else None


def parse_thermal(text: str) -> Thermal:
    """The status, and the temperatures that sensors give now (not those of the cache)."""
    status = re.search(r"^\s*Thermal Status: *(\d+)\s*$", text, re.MULTILINE)
    number = _integer(status[1]) if status else None
    temperatures: dict[str, float] = {}
    _, found, block = text.partition(_CURRENT_BLOCK)
    for line in block.splitlines()[1:] if found else ():
        if not line.strip().startswith("Temperature{"):
            break
        if row := _TEMPERATURE.search(line):
            _add_temperature(temperatures, *row.groups())
    return Thermal(number if number is not None and number <= 6 else None, temperatures)


def _add_temperature(temperatures: dict[str, float], value: str, kind: str, name: str) -> None:
    """Add a sensor under its name, or its type's; a second one of that name gets a number."""
    number, type_number = _number(value), _integer(kind)
    type_name = SENSOR_TYPES.get(-1 if type_number is None else type_number, "unknown")
    # Sensors that are off read far below what a phone survives.
    if type_name in _NO_TEMPERATURES or number is None or not -40 < number < 200:
        return
    base = label = name.strip() or type_name
    count = 2
    while label in temperatures:
        label, count = f"{base} {count}", count + 1
    temperatures[label] = number


def parse_battery(text: str) -> Battery:
    """The battery's rows; the names differ in capitals between Android versions."""
    rows: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            rows.setdefault(name.strip().lower(), value.strip())
    level, scale = _integer(rows.get("level")), _integer(rows.get("scale"))
    percent = 100 * level / (scale or 100) if level is not None else None
    tenths, voltage = _integer(rows.get("temperature")), _integer(rows.get("voltage"))
    if voltage is not None and 0 < voltage < 100:
        voltage *= 1000  # some makers print volts
    powered = [
        rows[name] == "true"
        for name in ("ac powered", "usb powered", "wireless powered", "dock powered")
        if rows.get(name) in ("true", "false")
    ]
    return Battery(
        percent if percent is not None and 0 <= percent <= 100 else None,
        tenths / 10 if tenths is not None and -400 < tenths < 2000 else None,
        voltage if voltage is not None and 0 < voltage < 10**5 else None,
        _integer(rows.get("charge counter")),
        _integer(rows.get("status")),
        any(powered) if powered else None,
    )


def parse_named_values(text: str) -> dict[str, str]:
    """The lines of ``grep -sH . FILES``: file name -> its first line."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.startswith("/"):
            values.setdefault(name, value.strip())
    return values


def clocks_mhz(values: Mapping[str, str]) -> tuple[float, ...]:
    """The clocks of the cores, by core number, out of cpufreq files (which hold kHz).

    Empty if any core's is missing or odd: a list with holes would name the wrong cores.
    """
    by_core: dict[int, float] = {}
    for name, value in values.items():
        if core := re.search(r"/cpu(\d+)/cpufreq/", name):
            khz = _integer(value)
            if khz is None or not 0 < khz < 10**8:
                return ()
            by_core[int(core[1])] = khz / 1000
    if sorted(by_core) != list(range(len(by_core))):
        return ()
    return tuple(by_core[core] for core in sorted(by_core))


def parse_meminfo(text: str, row: str) -> int | None:
    """A row of /proc/meminfo ("MemTotal", "MemAvailable") in bytes."""
    found = re.search(rf"^{row}: *(\d+) kB\s*$", text, re.MULTILINE)
    kib = _integer(found[1]) if found else None
    return kib * 1024 if kib and kib < 2**40 else None


def read_conditions(phone: AdbPhone) -> Conditions:
    """One look at a phone's conditions; what it does not tell is not known.

    Raises DeviceError only where the phone itself cannot be talked to.
    """
    at = utc_now()
    thermal = parse_thermal(_ask(phone, "dumpsys", "thermalservice").text)
    battery = parse_battery(_ask(phone, "dumpsys", "battery").text)
    files = _ask(phone, "sh", "-c", f"grep -sH . {SUPPLY}/* {CLOCKS} /proc/loadavg")
    values = parse_named_values(files.text)
    memory = parse_meminfo(_ask(phone, "cat", "/proc/meminfo").text, "MemAvailable")
    load = _number((values.get("/proc/loadavg", "").split() or [""])[0])
    counter = _integer(values.get(f"{SUPPLY}/charge_counter"))
    return Conditions(
        at=at,
        thermal_status=thermal.status,
        temperatures_c=dict(thermal.temperatures_c),
        battery_percent=battery.percent,
        battery_temperature_c=battery.temperature_c,
        charging=battery.charging,
        battery_current_ua=_integer(values.get(f"{SUPPLY}/current_now")),
        battery_voltage_mv=battery.voltage_mv,
        charge_counter_uah=battery.charge_counter_uah if counter is None else counter,
        energy_counter_nwh=None,  # only apps are told
        clocks_mhz=clocks_mhz(values),
        available_memory_bytes=memory,
        load_average=load if load is not None and load >= 0 else None,
    )


def _ask(phone: AdbPhone, *argv: str) -> ShellResult:
    return phone.shell(argv, timeout_s=READ_S)


def _integer(text: str | None) -> int | None:
    """A whole number that records can hold."""
    found = re.fullmatch(r"[+-]?[0-9]{1,19}", (text or "").strip())
    number = int(found[0]) if found else None
    return number if number is not None and abs(number) <= LARGEST else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

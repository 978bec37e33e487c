"""Can this phone be measured? Every finding comes with its fix."""

from __future__ import annotations

from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.app import ABIS, MIN_API, InstalledApp, installed_app, require_runnable
from sdk_builder.device.conditions import THERMAL_STATUS, Conditions
from sdk_builder.device.demo_app import install_command
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.files import PUBLIC_ROOT, free_bytes
from sdk_builder.device.phone_facts import read_facts
from sdk_builder.device.readings import read_conditions
from sdk_builder.errors import AndroidTooOldError, WrongAbiError
from sdk_builder.findings import Finding

FREE_GB = 1.0  # a bundle of some 500 M parameters, and room for its results
MEMORY_GB = 2.0
BATTERY_PERCENT = 20.0  # below it many phones slow down; the benchmark's gate is there too
BATTERY_C = 38.0  # a round does not start above it
PAGE_SIZES = (4096, 16384)

NOT_KNOWN = "not known"


def examine_phone(phone: AdbPhone, *, package: str) -> list[Finding]:
    """Look at everything that decides whether a benchmark with the app `package` can run.

    Raises DeviceError only where the phone itself cannot be talked to.
    """
    facts = read_facts(phone)
    conditions = read_conditions(phone)
    return [
        Finding("phone", "ok", " ".join(filter(None, (facts.maker, facts.model, facts.soc)))),
        android_finding(facts),
        abi_finding(facts),
        page_size_finding(facts),
        memory_finding(facts),
        space_finding(free_bytes(phone, PUBLIC_ROOT)),
        battery_finding(conditions),
        charging_finding(conditions),
        heat_finding(conditions),
        app_finding(installed_app(phone, package), phone.serial),
    ]


def android_finding(facts: DeviceFacts) -> Finding:
    """Whether the phone's Android is new enough."""
    try:
        require_runnable(facts, abis=(facts.abi,))
    except AndroidTooOldError as error:
        return Finding("Android", "missing", facts.system or f"API {facts.api_level}", error.hint)
    if not facts.api_level:
        return Finding("Android", "warning", NOT_KNOWN, f"The app needs API {MIN_API} or newer.")
    return Finding("Android", "ok", facts.system or f"API {facts.api_level}")


def abi_finding(facts: DeviceFacts) -> Finding:
    """Whether the phone's processor runs the app's libraries."""
    try:
        require_runnable(facts, min_api=0)
    except WrongAbiError as error:
        return Finding("ABI", "missing", facts.abi, error.hint)
    if not facts.abi:
        return Finding("ABI", "warning", NOT_KNOWN, f"The app needs {' or '.join(ABIS)}.")
    return Finding("ABI", "ok", facts.abi)


def page_size_finding(facts: DeviceFacts) -> Finding:
    """Whether the app's libraries fit the size of the memory pages."""
    size = facts.page_size_bytes
    if not size:
        return Finding("page size", "ok", NOT_KNOWN)
    if size in PAGE_SIZES:
        only = " (the app's official runtime; the community one is for 4 KiB)"
        detail = f"{size // 1024} KiB{only if size > min(PAGE_SIZES) else ''}"
        return Finding("page size", "ok", detail)
    fix = "The app was built for pages of 4 and 16 KiB; it may not start."
    return Finding("page size", "warning", f"{size} bytes", fix)


def memory_finding(facts: DeviceFacts) -> Finding:
    """Whether a small model fits in the memory."""
    if not facts.memory_bytes:
        return Finding("memory", "ok", NOT_KNOWN)
    detail = f"{facts.memory_bytes / 10**9:.1f} GB"
    if facts.memory_bytes >= MEMORY_GB * 10**9:
        return Finding("memory", "ok", detail)
    fix = "Android may end the app while a model runs: take the smallest one, in q4."
    return Finding("memory", "warning", detail, fix)


def space_finding(free: int | None) -> Finding:
    """Whether a bundle fits on the phone."""
    if free is None:
        return Finding("free space", "ok", NOT_KNOWN)
    detail = f"{free / 10**9:.1f} GB in {PUBLIC_ROOT}"
    if free >= FREE_GB * 10**9:
        return Finding("free space", "ok", detail)
    return Finding("free space", "warning", detail, f"Free {FREE_GB:g} GB on the phone.")


def battery_finding(conditions: Conditions) -> Finding:
    """Whether the battery will last."""
    if conditions.battery_percent is None:
        return Finding("battery", "ok", NOT_KNOWN)
    detail = f"{conditions.battery_percent:.0f} %"
    if conditions.battery_percent >= BATTERY_PERCENT:
        return Finding("battery", "ok", detail)
    fix = f"Charge it: a benchmark runs only above {BATTERY_PERCENT:g} %."
    return Finding("battery", "warning", detail, fix)


def charging_finding(conditions: Conditions) -> Finding:
    """Whether energy can be measured."""
    if conditions.charging is None:
        return Finding("charging", "ok", NOT_KNOWN)
    if not conditions.charging:
        return Finding("charging", "ok", "no")
    fix = (
        "Energy cannot be measured while charging, and it heats the phone. For it, unplug the "
        "phone and use adb over Wi-Fi."
    )
    return Finding("charging", "warning", "yes", fix)


def heat_finding(conditions: Conditions) -> Finding:
    """Whether the phone is cool enough to start."""
    status, battery_c = conditions.thermal_status, conditions.battery_temperature_c
    words = [] if status is None else [f"status {status} ({THERMAL_STATUS[status]})"]
    words += [] if battery_c is None else [f"battery {battery_c:.1f} °C"]
    detail = ", ".join(words) or NOT_KNOWN
    if not status and (battery_c is None or battery_c <= BATTERY_C):
        return Finding("heat", "ok", detail)
    fix = "Let it cool down: out of its case, away from the sun, not charging."
    return Finding("heat", "warning", detail, fix)


def app_finding(app: InstalledApp | None, serial: str) -> Finding:
    """Whether the app is installed."""
    if app is None:
        return Finding("demo app", "missing", "not installed", install_command(serial))
    return Finding("demo app", "ok", app.version_name or f"version code {app.version_code}")

"""The programs of Android that a stand-in phone has, but for `am`: one function each.

They know what the SDK may ask of a phone, and print it as Android does. What they do not know
fails, as it would on a phone.

usage: android.py PROGRAM ARGUMENTS...
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from tests.phones.shims.am import am, app_pid
from tests.phones.shims.pm import pm
from tests.phones.shims.state import PACKAGE, PhoneFolder

Program = Callable[[PhoneFolder, list[str]], int]

THERMAL_TYPES = {"CPU": 0, "GPU": 1, "battery": 2, "skin": 3}


def say(*lines: str) -> int:
    """Print lines; 0, the exit code of success."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def fail(message: str, code: int = 1) -> int:
    """Print an error; its exit code."""
    sys.stderr.write(f"{message}\n")
    return code


def getprop(phone: PhoneFolder, arguments: list[str]) -> int:
    properties = phone.read().properties
    if arguments:
        return say(properties.get(arguments[0], arguments[1] if len(arguments) > 1 else ""))
    return say(*(f"[{name}]: [{value}]" for name, value in sorted(properties.items())))


def dumpsys(phone: PhoneFolder, arguments: list[str]) -> int:
    dumps = {
        "battery": _battery,
        "thermalservice": _thermal,
        "package": _package,
        "meminfo": _meminfo,
        "power": _power,
    }
    service = arguments[0] if arguments else ""
    if service not in dumps:
        say(f"Can't find service: {service}")
        return 0
    return dumps[service](phone, arguments[1:])


def _battery(phone: PhoneFolder, _: list[str]) -> int:
    battery = phone.read().battery
    return say(
        "Current Battery Service state:",
        "  AC powered: false",
        f"  USB powered: {str(battery.charging).lower()}",
        "  Wireless powered: false",
        "  Dock powered: false",
        "  Max charging current: 500000",
        "  Max charging voltage: 5000000",
        f"  Charge counter: {battery.charge_counter_uah}",
        f"  status: {2 if battery.charging else 3}",
        "  health: 2",
        "  present: true",
        f"  level: {battery.percent}",
        "  scale: 100",
        f"  voltage: {battery.voltage_mv}",
        f"  temperature: {round(battery.temperature_c * 10)}",
        "  technology: Li-ion",
    )


def _thermal(phone: PhoneFolder, _: list[str]) -> int:
    state = phone.read()
    rows = [
        f"\tTemperature{{mValue={value}, mType={THERMAL_TYPES.get(name, -1)}, "
        f"mName={name}, mStatus=0}}"
        for name, value in state.temperatures_c.items()
    ]
    old = "\tTemperature{mValue=71.5, mType=0, mName=CPU, mStatus=3}"  # must not be believed
    return say(
        "IsStatusOverride: false",
        "ThermalEventListeners:",
        "\tcallbacks: 2",
        "\tkilled: false",
        "\tbroadcasts count: -1",
        "ThermalStatusListeners:",
        "\tcallbacks: 1",
        f"Thermal Status: {state.thermal_status_now}",
        "Cached temperatures:",
        old,
        "HAL Ready: true",
        "HAL connection:",
        "\tThermalHAL AIDL 1  connected: yes",
        "Current temperatures from HAL:",
        *rows,
        "Current cooling devices from HAL:",
        "\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}",
        "Temperature static thresholds from HAL:",
    )


def _package(phone: PhoneFolder, arguments: list[str]) -> int:
    app = phone.read().app
    if app is None or arguments[:1] != [PACKAGE]:
        return say(f"Unable to find package: {arguments[0] if arguments else ''}")
    return say(
        "Packages:",
        f"  Package [{PACKAGE}] (3fc1a9b):",
        "    userId=10234",
        f"    versionCode={app.version_code} minSdk=28 targetSdk=35",
        f"    versionName={app.version}",
        f"    signatures=PackageSignatures{{3fc1a9b version:3, signatures:[{app.signature}], "
        "past signatures:[]}",
        "    flags=[ DEBUGGABLE HAS_CODE ALLOW_CLEAR_USER_DATA ]",
    )


def _meminfo(phone: PhoneFolder, arguments: list[str]) -> int:
    if arguments[:1] == [PACKAGE] and app_pid(phone) is None:
        return say(f"No process found for: {PACKAGE}")
    return say("Applications Memory Usage (in Kilobytes):", "TOTAL PSS:   123456")


def _power(phone: PhoneFolder, _: list[str]) -> int:
    return say(f"  mWakefulness={'Awake' if phone.read().awake else 'Asleep'}")


def cmd(phone: PhoneFolder, arguments: list[str]) -> int:
    if arguments[:1] == ["package"]:
        return pm(phone, arguments[1:])
    return fail(f"cmd: Can't find service: {arguments[0] if arguments else ''}", 20)


def settings(phone: PhoneFolder, arguments: list[str]) -> int:
    command, *rest = arguments or [""]
    key = " ".join(rest[:2])
    if command == "get":
        return say(phone.read().settings.get(key, "null"))
    with phone.changed() as state:
        if command == "put":
            state.settings[key] = rest[2]
        elif command == "delete":
            return say(f"Deleted {int(state.settings.pop(key, None) is not None)} rows")
        else:
            return fail(f"Invalid command: {command}", 255)
    return 0


def svc(phone: PhoneFolder, arguments: list[str]) -> int:
    values = {"true": "15", "false": "0", "ac": "1", "usb": "2", "wireless": "4"}
    if arguments[:2] != ["power", "stayon"] or arguments[2] not in values:
        return fail("Available commands: power stayon [true|false|usb|ac|wireless|dock]")
    with phone.changed() as state:
        state.settings["global stay_on_while_plugged_in"] = values[arguments[2]]
    return 0


def input_(phone: PhoneFolder, arguments: list[str]) -> int:
    if arguments[:1] != ["keyevent"]:
        return fail("Error: Unknown command", 255)
    with phone.changed() as state:
        if arguments[1] in ("KEYCODE_WAKEUP", "224"):
            state.awake = True
        elif arguments[1] in ("KEYCODE_SLEEP", "223"):
            state.awake = False
    return 0


def wm(_: PhoneFolder, arguments: list[str]) -> int:
    if arguments == ["dismiss-keyguard"]:
        return 0
    return say("Physical size: 1080x2400") if arguments == ["size"] else fail("unknown", 255)


def logcat(phone: PhoneFolder, arguments: list[str]) -> int:
    if "-c" in arguments:
        phone.logcat_file.write_text("", encoding="utf-8")
        return 0
    lines = phone.logcat_file.read_text(encoding="utf-8").splitlines()
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option in ("-t", "-T"):
            lines = lines[-int(value) :] if value.isdigit() else [x for x in lines if x >= value]
        if option.startswith("--pid="):
            lines = [line for line in lines if line.split()[2:3] == [option[6:]]]
    return say("--------- beginning of main", *lines)


def pidof(phone: PhoneFolder, arguments: list[str]) -> int:
    pid = app_pid(phone) if PACKAGE in arguments else None
    return 1 if pid is None else say(str(pid))


def run_as(phone: PhoneFolder, arguments: list[str]) -> int:
    if phone.read().app is None or arguments[:1] != [PACKAGE]:
        return fail(f"run-as: unknown package: {arguments[0] if arguments else ''}")
    return subprocess.run(arguments[1:], check=False).returncode


def getconf(phone: PhoneFolder, arguments: list[str]) -> int:
    if arguments in (["PAGE_SIZE"], ["PAGESIZE"]):
        return say(str(phone.read().page_size_bytes))
    return fail(f"getconf: bad '{' '.join(arguments)}'")


PROGRAMS: dict[str, Program] = {
    "am": am,
    "cmd": cmd,
    "dumpsys": dumpsys,
    "getconf": getconf,
    "getprop": getprop,
    "input": input_,
    "logcat": logcat,
    "pidof": pidof,
    "pm": pm,
    "run-as": run_as,
    "settings": settings,
    "svc": svc,
    "wm": wm,
}


def main() -> int:
    phone = PhoneFolder.of_this_phone()
    phone.log_call(sys.argv[1:])
    return PROGRAMS[sys.argv[1]](phone, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())

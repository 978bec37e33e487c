"""What a stand-in phone is like at the moment: one JSON file that tests and shims share."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "io.shakti.demo"
MAIN_ACTIVITY = f"{PACKAGE}/.MainActivity"
INSTRUMENTATION = f"{PACKAGE}/.BenchInstrumentation"
APK_PATH = f"/data/app/~~stand-in/{PACKAGE}/base.apk"
RESULTS_DIR = f"/sdcard/Android/data/{PACKAGE}/files/bench"

PROPERTIES = {
    "ro.product.model": "Pixel 8",
    "ro.product.manufacturer": "Google",
    "ro.product.brand": "google",
    "ro.product.device": "shiba",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a",
    "ro.product.cpu.abilist32": "armeabi-v7a",
    "ro.product.cpu.abilist64": "arm64-v8a",
    "ro.soc.manufacturer": "Google",
    "ro.soc.model": "Tensor G3",
    "ro.hardware": "shiba",
    "ro.board.platform": "zuma",
    "ro.build.version.release": "14",
    "ro.build.version.all_codenames": "REL",
    "ro.build.version.codename": "REL",
    "ro.build.version.sdk": "34",
    "ro.build.type": "user",
    "sys.boot_completed": "1",
}
SETTINGS = {
    "system screen_off_timeout": "30000",
    "system screen_brightness": "102",
    "global stay_on_while_plugged_in": "0",
}


@dataclass
class Battery:
    """The battery; charging means that USB power is connected."""

    percent: int = 80
    temperature_c: float = 29.0
    charging: bool = False
    voltage_mv: int = 4100
    current_ua: int = -350_000
    charge_counter_uah: int = 3_100_000


@dataclass
class InstalledApp:
    """The demo app, as it describes itself. instrumented: has the benchmark's entry point.

    signature: of its signer, as `dumpsys package` prints it. crash: why it ends at each start.
    process: the command that starts the app's own code (see android_demo's InstrumentationHost);
    of the fields above only the version is its then. Empty: the reference worker takes its place,
    with an artificial engine.
    """

    version: str = "1.0.0"
    version_code: int = 10000
    signature: str = ""
    crash: str = ""
    protocol: str = "1"
    runtime_version: str = "1.5.1"
    threads_settable: bool = True
    instrumented: bool = True
    process: list[str] = field(default_factory=list)


@dataclass
class Fault:
    """Something that goes wrong, `times` times, when the app begins a case.

    do: "crash" (the app is killed), "stall" (it stops and says nothing), "garbage" (it writes a
    line that is no record), "heat" (the phone warms up to `status` for `seconds`).
    at_case: how many cases of its round are done then. cut_bytes: a crash takes that much off the
    end of what the app has written, as a file that was not flushed would lack it.
    """

    do: str
    at_case: int
    times: int = 1
    cut_bytes: int = 0
    status: int = 3
    seconds: float = 1.0


@dataclass
class State:
    """Everything that a test may set. Sizes in bytes, temperatures in °C."""

    properties: dict[str, str] = field(default_factory=lambda: dict(PROPERTIES))
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    temperatures_c: dict[str, float] = field(
        default_factory=lambda: {"CPU": 34.0, "skin": 30.5, "battery": 29.0}
    )
    thermal_status: int = 0
    hot_status: int = 0
    hot_until: float = 0.0  # seconds since the epoch
    battery: Battery = field(default_factory=Battery)
    app: InstalledApp | None = field(default_factory=InstalledApp)
    faults: list[Fault] = field(default_factory=list)
    app_outlives_shell: bool = True  # where false, it is killed when its `am` loses adb
    engine: dict[str, Any] = field(default_factory=dict)  # of the worker: its artificial timings
    install_answer: str = "Success"
    page_size_bytes: int = 4096
    awake: bool = False

    @property
    def thermal_status_now(self) -> int:
        """The thermal status, a passing rise included."""
        return self.hot_status if time.time() < self.hot_until else self.thermal_status

    def conditions(self) -> dict[str, Any]:
        """The conditions as the app itself reads them."""
        battery = self.battery
        return {
            "thermal_status": self.thermal_status_now,
            "temperatures_c": self.temperatures_c,
            "battery_percent": battery.percent,
            "battery_temperature_c": battery.temperature_c,
            "charging": battery.charging,
            "battery_current_ua": battery.current_ua,
            "battery_voltage_mv": battery.voltage_mv,
            "charge_counter_uah": battery.charge_counter_uah,
        }


def decode(text: str) -> State:
    """The state of its JSON text."""
    fields: dict[str, Any] = json.loads(text)
    app = fields["app"]
    return State(
        **{
            **fields,
            "battery": Battery(**fields["battery"]),
            "app": InstalledApp(**app) if app else None,
            "faults": [Fault(**fault) for fault in fields["faults"]],
        }
    )


class PhoneFolder:
    """The folder outside of the phone's own file system that holds its state and its logs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_file = path / "state.json"
        self.calls_file = path / "calls.jsonl"
        self.logcat_file = path / "logcat.txt"
        self.app = path / "app"  # what the app's processes tell each other
        self.ended_file = self.app / "ended.json"  # the result bundle of an instrumentation
        self.written = self.app / "written"  # copies of every output that the app made

    @classmethod
    def of_this_phone(cls) -> PhoneFolder:
        """The phone that this process runs on."""
        return cls(Path(os.environ["STAND_IN_PHONE"]))

    def read(self) -> State:
        """The state now."""
        return decode(self.state_file.read_text(encoding="utf-8"))

    def write(self, state: State) -> None:
        """Replace the state in one step, and what the app reads of it."""
        _replace(self.state_file, asdict(state))
        _replace(self.app / "conditions.json", state.conditions())

    @contextmanager
    def changed(self) -> Iterator[State]:
        """Change the state; no other process changes it meanwhile."""
        import fcntl  # not on Windows, where the tests that import this are skipped

        with (self.path / "state.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.read()
            yield state
            self.write(state)

    def log_call(self, argv: list[str]) -> None:
        """Note that a program of Android was called."""
        with self.calls_file.open("a", encoding="utf-8") as log:
            log.write(json.dumps(argv) + "\n")

    def keep_outputs(self) -> None:
        """Copy what the app has written to where the SDK cannot remove it. For the phone itself."""
        for output in Path(RESULTS_DIR).glob("*.jsonl"):
            shutil.copy(output, self.written / output.name)

    def log(self, *lines: str) -> None:
        """Add lines to the phone's logcat."""
        with self.logcat_file.open("a", encoding="utf-8") as log:
            log.writelines(f"{line}\n" for line in lines)


def hosted(phone: PhoneFolder, app: InstalledApp, *extras: str) -> list[str]:
    """The command line of the app's own code, started with these keys and values."""
    return [*app.process, str(phone.state_file), str(phone.ended_file), *extras]


def log_line(level: str, tag: str, message: str, pid: int) -> str:
    """A line of logcat, as ``-v threadtime`` prints it."""
    now = time.time()
    stamp = time.strftime("%m-%d %H:%M:%S", time.localtime(now))
    return f"{stamp}.{int(now % 1 * 1000):03d} {pid:5d} {pid:5d} {level} {tag}: {message}"


def _replace(path: Path, content: object) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(content), encoding="utf-8")
    fresh.replace(path)

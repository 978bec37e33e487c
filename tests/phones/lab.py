"""The lab: stand-in phones, each a real adbd with scripted programs of Android around it.

All phones and their adb server live in one network namespace. Whoever talks to them enters it
(`Lab.entered`); processes started meanwhile are in it too.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.phones.debian import fetch_adbd
from tests.phones.namespaces import HERE, Init, Network
from tests.phones.shims.android import PROGRAMS
from tests.phones.shims.state import RESULTS_DIR, InstalledApp, PhoneFolder, State

REPOSITORY = HERE.parents[1]
ADB_PORT = 7037
FIRST_PORT = 7101  # away from 5555-5585, where adb looks for emulators
MIB = 2**20
CORES_MHZ = (1704, 1704, 1704, 1704, 2367, 2367, 2367, 2367, 2914)
MEMORY_KIB = 7_800_000


def wait_until(true: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Wait for something to become true. Raises TimeoutError, saying what did not."""
    until = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"in {timeout_s:g} s: {what}")
        time.sleep(0.01)


class Phone:
    """A stand-in phone. Paths that begin with / are the phone's own; sizes are in MiB."""

    def __init__(self, lab: Lab, name: str, port: int, data_mib: float, sdcard_mib: float) -> None:
        self.name, self._lab, self._port = name, lab, port
        self.folder = PhoneFolder(lab.folder / name)
        self.serial = f"127.0.0.1:{port}"
        self._adbd: int | None = None
        self._lay_out()
        sizes = (str(round(data_mib * 1024)), str(round(sdcard_mib * 1024)))
        self._init = Init(["sh", str(HERE / "boot.sh"), str(self.folder.path), *sizes])
        self.start_adbd()

    # --- what it is like ---------------------------------------------------------------

    def changed(self) -> AbstractContextManager[State]:
        """Change the phone's state, in a with statement."""
        return self.folder.changed()

    def state(self) -> State:
        """The phone's state now."""
        return self.folder.read()

    def calls(self, program: str = "") -> list[list[str]]:
        """The arguments of each call of Android's programs since the last reset."""
        lines = self.folder.calls_file.read_text(encoding="utf-8").splitlines()
        return [call for call in map(json.loads, lines) if program in ("", call[0])]

    def path(self, inside: str) -> Path:
        """Where a path of the phone is found from outside."""
        return Path(f"/proc/{self._init.pid}/root{inside}")

    def written(self) -> list[dict[str, Any]]:
        """Every line that the app has ever written and that is a record, whatever became of it."""
        records = []
        for file in sorted(self.folder.written.glob("*.jsonl")):
            for line in file.read_bytes().splitlines():
                try:
                    records.append(json.loads(line))
                except ValueError:
                    continue
        return records

    def app_is_alive(self) -> bool:
        """Whether the app's process runs."""
        try:
            pid = int((self.folder.app / "pid").read_text())
        except (OSError, ValueError):
            return False
        return self._init.kill(pid, 0)

    def progress(self) -> int:
        """How many times the app that runs, or ran last, has told how far it is."""
        try:
            return len((self.folder.app / "progress").read_text().splitlines())
        except OSError:
            return 0

    # --- what happens to it ------------------------------------------------------------

    def start_adbd(self) -> None:
        """Start the daemon, as plugging in does."""
        binaries = self.folder.path / "bin"
        environment = {
            "ADBD_PORT": str(self._port),
            "PATH": f"{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/data/local/tmp",
            "TMPDIR": "/data/local/tmp",
            "LANG": "C.UTF-8",
        }
        log = self.folder.path / "adbd.log"
        self._adbd = self._init.start(self._lab.adbd, environment, log)

    def kill_adbd(self) -> None:
        """Kill the daemon, as unplugging does; what runs on the phone goes on."""
        if self._adbd is not None:
            self._init.kill(self._adbd, signal.SIGKILL)
            self._adbd = None

    def connect(self) -> None:
        """Have adb list the phone as ready for commands, whatever happened before."""
        if self._adbd is None:
            self.start_adbd()
        self._lab.connect(self.serial)

    def fill(self, folder: str, leave_bytes: int = 0) -> None:
        """Leave only so many bytes in the file system of a folder."""
        place = self.path(folder)
        with (place / ".filler").open("wb") as filler:
            while True:
                room = os.statvfs(place)
                surplus = room.f_bavail * room.f_frsize - leave_bytes
                if surplus <= 0:
                    return
                try:
                    os.posix_fallocate(filler.fileno(), filler.seek(0, os.SEEK_END), surplus)
                except OSError as error:  # someone else took of it meanwhile: look again
                    if error.errno != errno.ENOSPC:
                        raise

    def reset(self) -> None:
        """A new phone again: no files, no app's process, the state that it began with."""
        if self.app_is_alive():
            pid = int((self.folder.app / "pid").read_text())
            self._init.kill(-pid, signal.SIGKILL)  # with all that it started
        self.path("/data/.filler").unlink(missing_ok=True)
        for inside in ("/data/local/tmp", "/data/app", "/sdcard"):
            if self.path(inside).is_dir():
                subprocess.run(
                    ["find", str(self.path(inside)), "-mindepth", "1", "-delete"], check=True
                )
        self._clear()
        self.connect()

    def relayed(self, serial_path: str) -> str:
        """A second way to the phone, through a unix socket; the serial that adb gives it."""
        socket_path = self._lab.folder / serial_path
        log = self.folder.path / "relay.log"
        relay = [sys.executable, "-IS", str(HERE / "relay.py"), str(socket_path), str(self._port)]
        self._init.start(relay, {}, log)
        wait_until(socket_path.exists, "a relay listens")
        return f"localfilesystem:{socket_path}"

    def close(self) -> None:
        """Switch it off."""
        self._init.close()

    def _lay_out(self) -> None:
        """The folder that the phone's file system is built from."""
        binaries = self.folder.path / "bin"
        for folder in (binaries, self.folder.path / "cpu"):
            folder.mkdir(parents=True)
        for program in PROGRAMS:
            file = binaries / program
            file.write_text(
                "#!/bin/sh\n"
                f"export STAND_IN_PHONE={shlex.quote(str(self.folder.path))}"
                f" PYTHONPATH={shlex.quote(str(REPOSITORY))} PYTHONSAFEPATH=1\n"
                f"exec {shlex.quote(sys.executable)} -S -m tests.phones.shims.android"
                f' {program} "$@"\n'
            )
            file.chmod(0o755)
        (self.folder.path / "meminfo").write_text(
            f"MemTotal:        {MEMORY_KIB} kB\nMemFree:          912340 kB\n"
            "MemAvailable:    4100000 kB\n"
        )
        (self.folder.path / "cpu" / "online").write_text(f"0-{len(CORES_MHZ) - 1}\n")
        (self.folder.path / "cpu" / "possible").write_text(f"0-{len(CORES_MHZ) - 1}\n")
        for core, mhz in enumerate(CORES_MHZ):
            folder = self.folder.path / "cpu" / f"cpu{core}" / "cpufreq"
            folder.mkdir(parents=True)
            (folder / "cpuinfo_max_freq").write_text(f"{mhz * 1000}\n")
            (folder / "scaling_cur_freq").write_text(f"{mhz * 500}\n")
        self._clear()

    def _clear(self) -> None:
        self.folder.written.mkdir(parents=True, exist_ok=True)
        for file in (*self.folder.app.iterdir(), *self.folder.written.iterdir()):
            if file.is_file():
                file.unlink()
        for file in (self.folder.calls_file, self.folder.logcat_file):
            file.write_text("")
        self.folder.write(State())


class Lab:
    """Some phones and an adb server of their own. Raises LabUnavailableError."""

    def __init__(self, phones: int = 3, data_mib: float = 64, sdcard_mib: float = 8) -> None:
        self.adbd = fetch_adbd()
        self.network = Network()
        self._scratch = tempfile.TemporaryDirectory(prefix="shakti-lab-")
        self.folder = Path(self._scratch.name)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.phones: list[Phone] = []
        with self.network.entered():
            try:
                # USB phones of this machine are none of the lab's.
                hidden = "if [ -d /dev/bus/usb ]; then mount -t tmpfs none /dev/bus/usb; fi"
                self._host = Init(["sh", "-c", f'{hidden}; exec "$@"', "sh"])
                self._start_server()
                for i in range(phones):
                    port = FIRST_PORT + i
                    self.phones.append(Phone(self, f"phone{i}", port, data_mib, sdcard_mib))
                for phone in self.phones:
                    phone.connect()
            except BaseException:
                self.close()
                raise

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to find the lab's adb server."""
        return {"ANDROID_ADB_SERVER_PORT": str(ADB_PORT), "HOME": str(self.home)}

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in the phones' network: the calling thread, and all that it starts meanwhile."""
        with self.network.entered():
            yield

    def adb(self, *arguments: str) -> str:
        """What the adb program says; for what the SDK itself never asks of adb."""
        done = subprocess.run(
            [_adb_path(), *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout + done.stderr

    def states(self) -> dict[str, str]:
        """Serial -> state, as `adb devices` has it."""
        lines = self.adb("devices").splitlines()[1:]
        rows = [line.rpartition("\t") for line in lines if "\t" in line]
        return {serial: state for serial, _, state in rows}

    def connect(self, address: str, state: str = "device") -> None:
        """Have adb list a phone at an address, in a state."""
        if self.states().get(address) == state == "device" and self._answers(address):
            return
        self.adb("disconnect", address)

        def listed() -> bool:
            if self.states().get(address) == state:
                return True
            self.adb("connect", address)
            return self.states().get(address) == state

        wait_until(listed, f"{address} is listed as {state}")

    def start_unaccepting(self, port: int) -> str:
        """Attach a phone that does not accept this computer; its serial."""
        script = [sys.executable, "-IS", str(HERE / "unaccepting.py"), str(port)]
        self._host.start(script, {}, self.folder / "unaccepting.log")
        serial = f"127.0.0.1:{port}"
        self.connect(serial, "unauthorized")
        return serial

    def close(self) -> None:
        """End everything that was started."""
        for phone in self.phones:
            phone.close()
        self._host.close()
        self.network.close()
        self._scratch.cleanup()

    def _start_server(self) -> None:
        environment = {**self.environment, "PATH": os.defpath}
        log = self.folder / "adb-server.log"
        self._host.start([_adb_path(), "nodaemon", "server"], environment, log)
        wait_until(lambda: "List of devices" in self.adb("devices"), "the adb server answers")

    def _answers(self, serial: str) -> bool:
        return self.adb("-s", serial, "shell", "echo", "here").strip() == "here"


def _adb_path() -> str:
    from adbutils import adb_path

    path: str = adb_path()
    return path


__all__ = ["MIB", "RESULTS_DIR", "InstalledApp", "Lab", "Phone", "State", "wait_until"]

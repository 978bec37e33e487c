"""A phone that is not there: a working stand-in for the seam, for tests.

It has files in a limited space, properties, settings, apps, a log and the commands that
shakti-sdk uses (fake_commands.py); a command is a function, and a test may bring its own::

    from sdk_builder.device.fake import Call, FakeAdb, FakePhone, Reply

    def test_my_script_names_the_model():
        phone = FakePhone("R5CT1", properties={"ro.product.model": "Pixel 8"})
        phone.commands["vibrate"] = lambda call: Reply(f"for {call.argv[1]} ms")
        adb = FakeAdb([phone])

        assert my_script(adb, "R5CT1") == "Pixel 8"
        assert ("vibrate", "200") in phone.ran

What goes wrong is scripted: `phone.state = "unauthorized"`, `phone.unplug_after(calls=3)`,
`phone.unplug_after(stdin_bytes=1000)`, `phone.capacity_bytes = 10_000`, or a command that
returns Reply(..., ends="lost") or Reply(..., ends="silence").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from sdk_builder.device.adb import Listed, ShellResult
from sdk_builder.device.refusals import lost, refused
from sdk_builder.device.shell_v2 import command_line
from sdk_builder.errors import DeviceTimeoutError, NoDeviceError, RemoteCommand

NOT_FOUND = 127  # a shell's exit code for a command that there is none of
SYSTEM = ("/proc/", "/sys/", "/system/")  # files there take no space


@dataclass(frozen=True)
class Reply:
    """What a command says and how it ends.

    ends: "exit" with the return code; "lost": the phone is unplugged after stdout was sent;
    "silence": stdout, then nothing more, so that every wait runs out (at once: no test waits).
    """

    stdout: str | bytes = b""
    returncode: int = 0
    stderr: str | bytes = b""
    ends: Literal["exit", "lost", "silence"] = "exit"


@dataclass(frozen=True)
class Call:
    """A command that runs on a fake phone."""

    phone: FakePhone
    argv: tuple[str, ...]
    stdin: Iterator[bytes]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments after the command's name."""
        return self.argv[1:]


Command = Callable[[Call], Reply]


@dataclass
class FakeApp:
    """An installed app.

    signature: of its signer, as `device.app.signature_hash` has it. crash: why it ends at each
    start, for example "java.lang.IllegalStateException: no bundle"; empty: it runs.
    """

    version_name: str = "1.0.0"
    version_code: int = 1
    signature: str = ""
    crash: str = ""


class NoSpace(Exception):
    """A write on a fake phone did not fit."""


@dataclass
class FakePhone:
    """A phone in memory; everything in it may be read and changed by a test."""

    serial: str = "FAKE1"
    properties: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"/", "/data/local/tmp", "/sdcard"})
    capacity_bytes: int = 2**33
    settings: dict[tuple[str, str], str] = field(default_factory=dict)  # (namespace, key)
    services: dict[str, str] = field(default_factory=dict)  # what dumpsys SERVICE prints
    apps: dict[str, FakeApp] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)  # package -> pid
    log: list[str] = field(default_factory=list)  # logcat, in the threadtime format
    commands: dict[str, Command] = field(default_factory=dict)  # a test's own come first
    state: str = "device"  # as adb lists it; "absent": unplugged
    ran: list[tuple[str, ...]] = field(default_factory=list)  # every command asked for

    _calls_left: int | None = field(default=None, repr=False)
    _stdin_left: int | None = field(default=None, repr=False)

    def unplug_after(self, *, calls: int | None = None, stdin_bytes: int | None = None) -> None:
        """Go away after so many more commands, or so many more bytes written to commands.

        The command that comes then, or runs then, raises DeviceLostError. `plug_in` ends it.
        """
        self._calls_left, self._stdin_left = calls, stdin_bytes

    def plug_in(self) -> None:
        """Be there again, with all files, and stay."""
        self.state, self._calls_left, self._stdin_left = "device", None, None

    @property
    def free_bytes(self) -> int:
        """What is left of the capacity."""
        used = sum(len(data) for name, data in self.files.items() if not name.startswith(SYSTEM))
        return max(0, self.capacity_bytes - used)

    def write(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Write a file, as much as fits. Raises NoSpace, FileNotFoundError (its folder)."""
        parent = path.rpartition("/")[0] or "/"
        if parent not in self.folders:
            raise FileNotFoundError(path)
        before = self.files.get(path, b"") if append else b""
        self.files[path] = before
        fits = self.free_bytes
        self.files[path] = before + data[:fits]
        if len(data) > fits:
            raise NoSpace(path)

    def run(self, argv: Sequence[str], stdin: Iterator[bytes]) -> Reply:
        """Run a command, as the phone's shell would."""
        from sdk_builder.device.fake_commands import COMMANDS  # which imports this module

        name = argv[0].rpartition("/")[2]
        command = self.commands.get(name) or COMMANDS.get(name)
        if command is None:
            return Reply(b"", NOT_FOUND, f"/system/bin/sh: {argv[0]}: inaccessible or not found\n")
        return command(Call(self, tuple(argv), stdin))

    def shell(
        self, argv: Sequence[str], *, timeout_s: float, stdin: Iterable[bytes] = ()
    ) -> ShellResult:
        """See AdbPhone."""
        reply = self._answer(argv, stdin)
        said = RemoteCommand(tuple(argv), None, _text(reply.stdout), _text(reply.stderr))
        if reply.ends == "lost":
            self.state = "absent"
            raise lost(self.serial, said)
        if reply.ends == "silence":
            raise self._timeout(f"did not end within {timeout_s:g} s", said)
        return ShellResult(
            tuple(argv), reply.returncode, as_bytes(reply.stdout), as_bytes(reply.stderr)
        )

    @contextmanager
    def lines(self, argv: Sequence[str], *, silence_s: float) -> Iterator[Iterator[str]]:
        """See AdbPhone."""
        reply = self._answer(argv, ())
        yield self._lines(tuple(argv), reply, silence_s)

    def _lines(self, argv: tuple[str, ...], reply: Reply, silence_s: float) -> Iterator[str]:
        lines = _text(reply.stdout).split("\n")
        for line in lines if lines[-1] else lines[:-1]:
            yield line.removesuffix("\r")
        said = RemoteCommand(argv, None, "", _text(reply.stderr))
        if reply.ends == "lost":
            self.state = "absent"
            raise lost(self.serial, said)
        if reply.ends == "silence":
            raise self._timeout(f"said nothing for {silence_s:g} s", said)

    def _answer(self, argv: Sequence[str], stdin: Iterable[bytes]) -> Reply:
        command_line(argv)  # refuses what could not be sent
        ran = RemoteCommand(tuple(argv), None, "", "")
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left < 0:
                self.state = "absent"
        if self.state == "absent":
            raise lost(self.serial, ran)
        if self.state != "device":
            raise refused(self.state, self.serial, ran)
        self.ran.append(tuple(argv))
        return self.run(argv, self._arriving(stdin, ran))

    def _arriving(self, stdin: Iterable[bytes], ran: RemoteCommand) -> Iterator[bytes]:
        """The stdin of a command, until the phone goes away."""
        for chunk in stdin:
            if self._stdin_left is not None:
                if len(chunk) > self._stdin_left:
                    yield bytes(chunk[: self._stdin_left])
                    self.state = "absent"
                    raise lost(self.serial, ran)
                self._stdin_left -= len(chunk)
            yield bytes(chunk)

    def _timeout(self, what: str, said: RemoteCommand) -> DeviceTimeoutError:
        return DeviceTimeoutError(
            f"{said.argv[0]} on phone {self.serial} {what}.", serial=self.serial, ran=said
        )


class FakeAdb:
    """An adb server with fake phones; `reachable` is whether it can be asked at all."""

    def __init__(self, phones: Iterable[FakePhone] = (), *, reachable: bool = True) -> None:
        self.phones: Mapping[str, FakePhone] = {phone.serial: phone for phone in phones}
        self.reachable = reachable

    def listed(self) -> list[Listed]:
        """All phones that are plugged in. Raises NoDeviceError where adb is not reachable."""
        if not self.reachable:
            raise NoDeviceError("The adb server cannot be started.", "Install adb.")
        return [
            Listed(phone.serial, phone.state)
            for phone in self.phones.values()
            if phone.state != "absent"
        ]

    def phone(self, serial: str) -> FakePhone:
        """The phone with this serial, or one that is not there."""
        return self.phones.get(serial) or FakePhone(serial, state="absent")


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def as_bytes(data: str | bytes) -> bytes:
    """Text as a phone sends it."""
    return data if isinstance(data, bytes) else data.encode()

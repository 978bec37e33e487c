"""The seam to adb: everything that we ask of a phone goes through one of these few calls.

`adb_server.ServerAdb` talks to a real adb server; `fake.FakeAdb` is a working stand-in for the
tests of whatever is built on the seam, this package's and its users'.

Commands are argument lists. They are quoted for the phone's shell in one place, behind the seam,
so a serial, path or package name never becomes shell code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sdk_builder.errors import RemoteCommand


@dataclass(frozen=True)
class Listed:
    """A row of adb's list: state is "device" when the phone is ready for commands."""

    serial: str
    state: str


@dataclass(frozen=True)
class ShellResult:
    """A command that ended on the phone."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """stdout as text; bytes that are no UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def ran(self) -> RemoteCommand:
        """The same, as errors carry it."""
        return RemoteCommand(
            self.argv, self.returncode, self.text, self.stderr.decode("utf-8", "replace")
        )


class AdbPhone(Protocol):
    """One attached phone. Every call raises DeviceLostError when the phone goes away."""

    @property
    def serial(self) -> str: ...

    def shell(
        self, argv: Sequence[str], *, timeout_s: float, stdin: Iterable[bytes] = ()
    ) -> ShellResult:
        """Run `argv` to its end, whatever its exit code; `stdin` is sent, then closed.

        Raises DeviceTimeoutError after `timeout_s` seconds.
        """
        ...

    def lines(
        self, argv: Sequence[str], *, silence_s: float
    ) -> AbstractContextManager[Iterator[str]]:
        """Run `argv` and yield its stdout line by line, as it comes, without the newline.

        Leaving the context hangs up. Raises DeviceTimeoutError when no line came for
        `silence_s` seconds.
        """
        ...


class Adb(Protocol):
    """An adb server and the phones that it sees."""

    def listed(self) -> list[Listed]:
        """All phones, ready or not. Raises NoDeviceError if adb cannot be reached."""
        ...

    def phone(self, serial: str) -> AdbPhone:
        """A phone by its serial; nothing is sent yet."""
        ...

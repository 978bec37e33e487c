"""Phones through a real adb server, by adbutils' connection to it.

Host and port of the server come from ANDROID_ADB_SERVER_HOST and ANDROID_ADB_SERVER_PORT, as
adbutils reads them. A server on this machine that does not run is started, with the adb on PATH
or the one that adbutils brings.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sdk_builder.device.adb import Listed, ShellResult
from sdk_builder.device.refusals import lost, refused
from sdk_builder.device.shell_v2 import (
    SERVICE,
    STDOUT,
    Collected,
    HungUp,
    LineCutter,
    ProtocolError,
    Silence,
    Stream,
    command_line,
)
from sdk_builder.errors import (
    DeviceError,
    DeviceTimeoutError,
    NoDeviceError,
    RemoteCommand,
    ShaktiError,
    UsageError,
)
from sdk_builder.process import run

if TYPE_CHECKING:
    from adbutils import AdbClient, AdbConnection

ANSWER_S = 10.0  # for the adb server itself
START_S = 30.0  # for starting the adb server
SETTLE_S = 3.0  # how long a server that we started may take to see the phones
KEPT_STDERR_BYTES = 2**16  # of a streaming command

_UNSETTLED = {"offline", "connecting", "authorizing"}
_LOCAL = {"localhost", "127.0.0.1", "::1"}
GET_ADB = (
    "Install Android's platform-tools (https://developer.android.com/tools/releases/"
    "platform-tools), or adbutils again, whose wheel brings adb: pip install adbutils"
)


class ServerAdb:
    """An adb server. Its methods may be called from several threads."""

    def __init__(self, client: AdbClient | None = None) -> None:
        self._client = client or _client()
        self._starting = threading.Lock()

    def listed(self) -> list[Listed]:
        """All phones, ready or not, in adb's order.

        Raises NoDeviceError if adb is missing, or its server cannot be started or reached.
        """
        started = self._start_if_down()
        patience = time.monotonic() + (SETTLE_S if started else 0.0)
        while True:
            rows = _rows(self._ask("host:devices"))
            settled = rows and not any(row.state in _UNSETTLED for row in rows)
            if settled or time.monotonic() >= patience:
                return rows
            time.sleep(0.2)

    def phone(self, serial: str) -> ServerPhone:
        """The phone with this serial; nothing is sent yet."""
        return ServerPhone(self, serial)

    @contextmanager
    def connected(self, timeout_s: float) -> Iterator[AdbConnection]:
        """A connection to the server; reads on it wait `timeout_s` seconds at most."""
        from adbutils import AdbError

        self._start_if_down()
        try:
            connection = self._client.make_connection(timeout=timeout_s)
        except (AdbError, OSError, ValueError) as error:
            raise self._unreachable(str(error)) from error
        with closing(connection):
            yield connection

    def _ask(self, service: str) -> str:
        with self.connected(ANSWER_S) as connection:
            try:
                request(connection, service)
                return _block(connection)
            except _Refused as error:
                raise NoDeviceError(f"The adb server refuses {service}: {error}.") from error
            except (OSError, EOFError) as error:
                raise self._unreachable(str(error) or "no answer") from error

    def _start_if_down(self) -> bool:
        """Whether the server had to be started."""
        # Not left to adbutils: adb's own chatter would land in our output.
        with self._starting:
            address = (self._client.host, self._client.port)
            try:
                socket.create_connection(address, timeout=3.0).close()
            except OSError as error:
                if self._client.host not in _LOCAL:
                    raise self._unreachable(str(error)) from error
                self._start()
                return True
            return False

    def _start(self) -> None:
        from adbutils import AdbError, adb_path

        try:
            command = [adb_path(), "-P", str(self._client.port), "start-server"]
            run(command, timeout_s=START_S, what="starting the adb server")
        except AdbError as error:
            raise NoDeviceError("There is no adb on this machine.", GET_ADB) from error
        except ShaktiError as error:
            fix = f"{error}\n{GET_ADB}"
            raise NoDeviceError("The adb server cannot be started.", fix) from error

    def _unreachable(self, reason: str) -> NoDeviceError:
        return NoDeviceError(
            f"The adb server at {self._client.host}:{self._client.port} cannot be reached: "
            f"{reason}.",
            "Start it again (adb kill-server; adb start-server), and look at "
            "ANDROID_ADB_SERVER_HOST and ANDROID_ADB_SERVER_PORT.",
        )


class ServerPhone:
    """A phone behind an adb server. Its methods may be called from several threads."""

    def __init__(self, server: ServerAdb, serial: str) -> None:
        self._server = server
        self._serial = serial

    @property
    def serial(self) -> str:
        """The serial, as adb lists it."""
        return self._serial

    def shell(
        self, argv: Sequence[str], *, timeout_s: float, stdin: Iterable[bytes] = ()
    ) -> ShellResult:
        """Run `argv` to its end, whatever its exit code; see AdbPhone.

        Raises DeviceTimeoutError, DeviceLostError, UnauthorizedError, OfflineError,
        NoDeviceError.
        """
        until = time.monotonic() + timeout_s
        late = f"did not end within {timeout_s:g} s"
        said = Collected()
        with self._open(argv, stdin, timeout_s) as stream:
            while said.returncode is None:
                for kind, content in self._next(stream, until, late, argv, said):
                    said.add(kind, content)
        return ShellResult(tuple(argv), said.returncode, bytes(said.stdout), bytes(said.stderr))

    @contextmanager
    def lines(self, argv: Sequence[str], *, silence_s: float) -> Iterator[Iterator[str]]:
        """Run `argv` and yield its stdout line by line, as it comes; see AdbPhone.

        A line longer than 1 MiB comes in pieces. Raises what `shell` raises.
        """
        with self._open(argv, (), silence_s) as stream:
            yield self._lines(stream, argv, silence_s)

    def _lines(self, stream: Stream, argv: Sequence[str], silence_s: float) -> Iterator[str]:
        cutter, said = LineCutter(), Collected()
        late = f"said nothing for {silence_s:g} s"
        until = time.monotonic() + silence_s
        while said.returncode is None:
            for kind, content in self._next(stream, until, late, argv, said):
                if kind == STDOUT:
                    for line in cutter.feed(content):
                        yield line
                        # Time that the reader of these lines takes is not silence.
                        until = time.monotonic() + silence_s
                else:
                    said.add(kind, content)
                    del said.stderr[:-KEPT_STDERR_BYTES]
        if cutter.holds:
            yield cutter.flush()

    def _next(
        self, stream: Stream, until: float, late: str, argv: Sequence[str], said: Collected
    ) -> list[tuple[int, bytes]]:
        """What comes next; the errors of a stream become DeviceErrors."""
        try:
            return list(stream.packets(until))
        except Silence as error:
            raise DeviceTimeoutError(
                f"{argv[0]} on phone {self._serial} {late}.",
                "The phone may be overloaded, or hang: restart it if this repeats.",
                serial=self._serial,
                ran=_ran(argv, said),
            ) from error
        except HungUp as error:
            raise lost(self._serial, _ran(argv, said)) from error
        except ProtocolError as error:
            raise DeviceError(
                f"Phone {self._serial} does not speak adb's shell protocol: {error}.",
                "Android 7 and newer do.",
                serial=self._serial,
                ran=_ran(argv, said),
            ) from error

    @contextmanager
    def _open(
        self, argv: Sequence[str], stdin: Iterable[bytes], timeout_s: float
    ) -> Iterator[Stream]:
        """Start the command."""
        service = SERVICE + command_line(argv)
        ran = _ran(argv, Collected())
        with self._server.connected(min(timeout_s, ANSWER_S)) as connection:
            try:
                request(connection, f"host:transport:{self._serial}")
                request(connection, service)
            except _Refused as error:
                raise refused(str(error), self._serial, ran) from error
            except TimeoutError as error:
                raise refused("offline", self._serial, ran) from error
            except (OSError, EOFError) as error:
                raise lost(self._serial, ran) from error
            yield Stream(connection.conn, stdin)


class _Refused(Exception):
    """adb answered FAIL; the text is its reason."""


def request(connection: AdbConnection, service: str) -> None:
    """Ask the server for a service, and wait until it agrees.

    Raises _Refused, EOFError, OSError (TimeoutError among them).
    """
    # As os.fsencode does, so that any file name that Python can hold goes through unchanged.
    data = service.encode("utf-8", "surrogateescape")
    if len(data) > 0xFFFF:
        raise UsageError(f"The command is too long for adb: {len(data)} bytes.")
    # adbutils' own send may send only a part.
    connection.conn.sendall(f"{len(data):04x}".encode() + data)
    answer = _exactly(connection.conn, 4)
    if answer == b"FAIL":
        raise _Refused(_block(connection))
    if answer != b"OKAY":
        raise EOFError(f"unexpected answer {answer!r}")


def _block(connection: AdbConnection) -> str:
    """A text that is preceded by its length in four hexadecimal digits."""
    head = _exactly(connection.conn, 4)
    try:
        size = int(head, 16)
    except ValueError:
        raise EOFError(f"unexpected answer {head!r}") from None
    return _exactly(connection.conn, size).decode("utf-8", "replace")


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError("the connection was closed")
        data += piece
    return data


def _rows(text: str) -> list[Listed]:
    """The rows of host:devices: serial, tab, state."""
    rows = []
    for line in text.splitlines():
        serial, tab, state = line.rpartition("\t")
        if tab and serial.strip():
            rows.append(Listed(serial.strip(), state.strip()))
    return rows


def _ran(argv: Sequence[str], said: Collected) -> RemoteCommand:
    return RemoteCommand(
        tuple(argv),
        said.returncode,
        said.stdout.decode("utf-8", "replace"),
        said.stderr.decode("utf-8", "replace"),
    )


def _client() -> Any:
    try:
        from adbutils import AdbClient  # which makes a client already when it is imported

        return AdbClient()
    except ImportError as error:
        raise NoDeviceError("The package adbutils is missing.", GET_ADB) from error
    except ValueError as error:
        raise UsageError(f"ANDROID_ADB_SERVER_PORT is not a number: {error}.") from error

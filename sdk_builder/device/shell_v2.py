"""A client of adb's shell protocol, version 2: exit codes, stderr apart, stdin, streaming.

After the service ``shell,v2,raw:COMMAND`` was accepted, both sides send packets on the one
socket: a byte that says what it is, four bytes with the length (little endian), the content.

One loop reads and writes by turns, so a command that answers before it has read all of its
standard input cannot block us, whatever the sizes.
"""

from __future__ import annotations

import selectors
import shlex
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence

from sdk_builder.errors import UsageError

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
SERVICE = "shell,v2,raw:"
MAX_LINE_BYTES = 2**20  # a longer line comes in pieces of this size

_HEADER = struct.Struct("<BI")
_RECEIVE_BYTES = 2**16
_SEND_BYTES = 2**16  # in one packet


class ProtocolError(Exception):
    """What came is no packet of this protocol."""


class Silence(Exception):
    """Nothing came in time."""


class HungUp(Exception):
    """The other side ended the connection."""


def command_line(argv: Sequence[str]) -> str:
    """The arguments, quoted for the phone's shell: the only place where that is done.

    Raises UsageError for an empty list and for arguments with a NUL, which no process can get.
    """
    if not argv:
        raise UsageError("There is no command to run on the phone.")
    if any("\0" in argument for argument in argv):
        raise UsageError(f"An argument of {argv[0]!r} contains a NUL character.")
    return shlex.join(argv)


class Decoder:
    """Cuts a stream of bytes into packets; content is passed on as it comes, in pieces."""

    def __init__(self) -> None:
        self._held = b""
        self._kind = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The packets, or pieces of packets, that `data` completes. Raises ProtocolError."""
        data = self._held + data
        at = 0
        while True:
            if self._left:
                piece = data[at : at + self._left]
                if not piece:
                    break
                at += len(piece)
                self._left -= len(piece)
                yield self._kind, piece
            elif len(data) - at >= _HEADER.size:
                self._kind, self._left = _HEADER.unpack_from(data, at)
                if self._kind not in (STDOUT, STDERR, EXIT):
                    raise ProtocolError(f"packet of unknown kind {self._kind}")
                at += _HEADER.size
            else:
                break
        self._held = data[at:]


class Stream:
    """A running command: feeds `stdin` to it and hands out what it says."""

    def __init__(self, connection: socket.socket, stdin: Iterable[bytes] = ()) -> None:
        self._socket = connection
        self._socket.setblocking(False)
        self._decoder = Decoder()
        self._outgoing: Iterator[bytes] | None = _stdin_packets(stdin)
        self._unsent = memoryview(b"")

    def packets(self, until: float) -> Iterator[tuple[int, bytes]]:
        """Wait for what comes next, at most until the monotonic time `until`.

        Yields the packets that came at once, at least one piece. Raises Silence after `until`,
        HungUp, ProtocolError.
        """
        came = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, self._interest())
            while not came:
                wait_s = until - time.monotonic()
                ready = selector.select(wait_s) if wait_s > 0 else []
                if not ready:
                    raise Silence
                _, events = ready[0]
                if events & selectors.EVENT_READ:
                    for packet in self._decoder.feed(self._receive()):
                        came = True
                        yield packet
                elif events & selectors.EVENT_WRITE:
                    self._send()
                    selector.modify(self._socket, self._interest())

    def _interest(self) -> int:
        writing = self._outgoing is not None or self._unsent
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)

    def _receive(self) -> bytes:
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise HungUp(str(error)) from error
        if not data:
            raise HungUp
        return data

    def _send(self) -> None:
        """Send one piece, as much of it as the socket takes."""
        if not self._unsent and self._outgoing is not None:
            packet = next(self._outgoing, None)
            if packet is None:
                self._outgoing = None
                return
            self._unsent = memoryview(packet)
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            # The other side reads no more; why, and its exit code, may still come.
            self._outgoing, self._unsent = None, memoryview(b"")
            return
        self._unsent = self._unsent[sent:]


def _stdin_packets(stdin: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in stdin:
        view = memoryview(chunk)
        for start in range(0, len(view), _SEND_BYTES):
            piece = view[start : start + _SEND_BYTES]
            yield _HEADER.pack(STDIN, len(piece)) + piece
    yield _HEADER.pack(CLOSE_STDIN, 0)


class Collected:
    """What a command has said, and its exit code as soon as that is known."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.returncode: int | None = None

    def add(self, kind: int, content: bytes) -> None:
        """Take in a packet."""
        if kind == EXIT:
            self.returncode = content[0]
        else:
            (self.stdout if kind == STDOUT else self.stderr).extend(content)


class LineCutter:
    """Cuts bytes into lines of text; ``\\r\\n`` ends a line too, odd bytes are replaced."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._held.append(line)
            yield self.flush()
        if rest:
            self._held.append(rest)
            self._held_bytes += len(rest)
            if self._held_bytes >= MAX_LINE_BYTES:
                yield self.flush()

    def flush(self) -> str:
        """What is held of the line that has not ended."""
        line = b"".join(self._held).removesuffix(b"\r")
        self._held, self._held_bytes = [], 0
        return line.decode("utf-8", "replace")

    @property
    def holds(self) -> bool:
        """Whether a line has begun that has not ended."""
        return bool(self._held)

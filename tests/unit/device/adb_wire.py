"""A small adb server on the loopback that speaks adb's protocol, for the real client.

Shell commands are run by this machine's /bin/sh, so that quoting, exit codes, standard input and
streams are real; a serial in `refuses` gets adb's FAIL instead, and one in `hangs_up` gets what
is scripted and then the end of the connection.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sdk_builder.device.adb_server import ServerAdb

HEADER = struct.Struct("<BI")


def packet(kind: int, content: bytes) -> bytes:
    return HEADER.pack(kind, len(content)) + content


def received(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


class WireServer:
    """Answers until closed. asked: every service that was asked for, in order."""

    def __init__(self, devices: str = "PHONE1\tdevice\n") -> None:
        self.devices = devices
        self.refuses: dict[str, str] = {}
        self.hangs_up: dict[str, bytes] = {}
        self.shell_refusal = ""
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        serial = ""
        with connection, suppress(EOFError, OSError):
            while True:
                service = received(connection, int(received(connection, 4), 16)).decode(
                    "utf-8", "surrogateescape"
                )
                self.asked.append(service)
                if service == "host:devices":
                    self._block(connection, b"OKAY", self.devices)
                    return
                if service.startswith("host:transport:"):
                    serial = service.removeprefix("host:transport:")
                    if serial in self.refuses:
                        self._block(connection, b"FAIL", self.refuses[serial])
                        return
                    connection.sendall(b"OKAY")
                elif service.startswith("shell,v2,raw:"):
                    if self.shell_refusal:
                        self._block(connection, b"FAIL", self.shell_refusal)
                        return
                    connection.sendall(b"OKAY")
                    if serial in self.hangs_up:
                        connection.sendall(self.hangs_up[serial])
                        return
                    _run_shell(connection, service.removeprefix("shell,v2,raw:"))
                    return

    def _block(self, connection: socket.socket, status: bytes, text: str) -> None:
        data = text.encode()
        connection.sendall(status + f"{len(data):04x}".encode() + data)


def _run_shell(connection: socket.socket, command: str) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", command.encode("utf-8", "surrogateescape")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    lock = threading.Lock()

    def forward(pipe: Any, kind: int) -> None:
        with suppress(OSError):
            while data := pipe.read1(2**16):
                with lock:
                    connection.sendall(packet(kind, data))

    def feed() -> None:
        assert process.stdin is not None
        with suppress(EOFError, OSError, ValueError):
            while True:
                kind, size = HEADER.unpack(received(connection, HEADER.size))
                if kind == 3 + 1:
                    process.stdin.close()
                    continue
                content = received(connection, size)
                # As adbd: what a command no longer reads is thrown away.
                with suppress(BrokenPipeError, ValueError):
                    process.stdin.write(content)
                    process.stdin.flush()
        process.kill()  # the client has hung up

    threads = [
        threading.Thread(target=forward, args=(process.stdout, 1), daemon=True),
        threading.Thread(target=forward, args=(process.stderr, 2), daemon=True),
    ]
    threading.Thread(target=feed, daemon=True).start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with suppress(OSError):
        connection.sendall(packet(3, bytes([process.wait() & 0xFF])))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # until the client hangs up


@contextmanager
def wire_server(devices: str = "PHONE1\tdevice\n") -> Iterator[tuple[WireServer, ServerAdb]]:
    """A server and our client of it."""
    from adbutils import AdbClient

    server = WireServer(devices)
    try:
        yield server, ServerAdb(AdbClient("127.0.0.1", server.port))
    finally:
        server.close()

"""A phone whose owner has not accepted this computer: the first words of adb's protocol only.

It asks for proof of a key, and for another whenever one comes; so adb lists it as unauthorized.

usage: unaccepting.py PORT
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading

HEADER = struct.Struct("<4sIIIII")  # command, two arguments, length and sum of the data, magic
TOKEN, SIGNATURE = 1, 2


def message(command: bytes, first: int, second: int, data: bytes) -> bytes:
    """One message of adb's transport protocol."""
    magic = int.from_bytes(command, "little") ^ 0xFFFFFFFF
    return HEADER.pack(command, first, second, len(data), sum(data), magic) + data


def talk(host: socket.socket) -> None:
    """Answer one adb server."""
    with host, host.makefile("rb") as incoming:
        while head := incoming.read(HEADER.size):
            command, first, _, size, _, _ = HEADER.unpack(head)
            incoming.read(size)
            if command == b"CNXN" or (command == b"AUTH" and first == SIGNATURE):
                host.sendall(message(b"AUTH", TOKEN, 0, os.urandom(20)))


def main() -> None:
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            host, _ = listener.accept()
            threading.Thread(target=talk, args=(host,), daemon=True).start()


if __name__ == "__main__":
    main()

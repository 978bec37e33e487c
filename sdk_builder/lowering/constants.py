"""Constants of a program, streamed to a file as they come and found again by content.

Weights are packed one at a time and written at once, so that lowering needs the memory of its
largest tensor, not of the model. Equal bytes are stored once: the key of a constant is the
SHA-256 of its content, which is also the name under which the delegates ask for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SEGMENT_ALIGNMENT = 128


@dataclass(frozen=True)
class Constant:
    """Bytes in the data area: name by content, offset from the area's start and size."""

    key: str
    offset: int
    size_bytes: int
    part: str


class ConstantStore:
    """Appends constants to `stream`, 128-byte aligned, each distinct content once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._by_key: dict[str, Constant] = {}
        self._end = 0

    def add(self, data: bytes | memoryview, part: str) -> Constant:
        """Store `data`, counted under `part` in the size table, or find its twin.

        Raises OSError when the disk is full.
        """
        view = memoryview(data).cast("B")
        key = hashlib.sha256(view).hexdigest()
        if key not in self._by_key:
            offset = -(-self._end // SEGMENT_ALIGNMENT) * SEGMENT_ALIGNMENT
            self._stream.write(b"\0" * (offset - self._end))
            self._stream.write(view)
            self._end = offset + len(view)
            self._by_key[key] = Constant(key, offset, len(view), part)
        return self._by_key[key]

    @property
    def size_bytes(self) -> int:
        """Length of the data area so far."""
        return self._end

    def __iter__(self) -> Iterator[Constant]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

"""Reading little-endian binary formats without running off their end."""

from __future__ import annotations

import struct


class FormatError(Exception):
    """The bytes are not what they should be; the text says how."""


class Bytes:
    """A bounded view of some bytes; every read outside of them is a FormatError."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.what = what

    def __len__(self) -> int:
        return len(self.data)

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """The numbers of a struct layout, little-endian, at an offset."""
        try:
            if offset < 0:
                raise struct.error
            return struct.unpack_from(f"<{layout}", self.data, offset)
        except (struct.error, OverflowError):
            raise self.short(offset) from None

    def u16(self, offset: int) -> int:
        return self.unpack("H", offset)[0]

    def u32(self, offset: int) -> int:
        return self.unpack("I", offset)[0]

    def slice(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset on."""
        if offset < 0 or size < 0 or offset + size > len(self.data):
            raise self.short(offset)
        return self.data[offset : offset + size]

    def uleb128(self, offset: int) -> tuple[int, int]:
        """A number of variable length, and the offset behind it."""
        value = 0
        for index in range(5):
            if not 0 <= offset + index < len(self.data):
                break
            byte = self.data[offset + index]
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, offset + index + 1
        raise self.short(offset)

    def short(self, offset: int) -> FormatError:
        """The error of a read at `offset` that the bytes do not have."""
        return FormatError(f"{self.what} is damaged at byte {offset}")

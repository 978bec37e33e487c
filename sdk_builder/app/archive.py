"""Writes the APK: a zip whose bytes depend on its contents alone, with entries aligned.

Android maps native libraries and the resource table straight from the file, so these are stored
and begin at a multiple of a page, or of 4 bytes. Padding goes into the extra field that Android's
own tools use for it (id 0xd935: the alignment as uint16, then zeros).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PAGE_BYTES = 16384  # the largest pages of phones
WORD_BYTES = 4
_ALIGNMENT_FIELD = 0xD935
_FIXED_DATE, _FIXED_TIME = 0x0221, 0x0821  # 1981-01-01 01:01:02
_LEVEL = 9
_UTF8 = 0x0800
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


@dataclass(frozen=True)
class Entry:
    """A file in the archive; stored: not deflated."""

    name: str
    data: bytes
    stored: bool = False

    @property
    def alignment(self) -> int:
        """What a stored entry's first byte must be a multiple of."""
        return PAGE_BYTES if self.name.endswith(".so") else WORD_BYTES


def write_archive(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries, in the order given. Raises OSError, ValueError for a name given twice."""
    seen: set[str] = set()
    directory = []
    with path.open("wb") as file:
        for entry in entries:
            if entry.name in seen:
                raise ValueError(f"{entry.name} is there twice")
            seen.add(entry.name)
            directory.append(_write_entry(file, entry))
        start = file.tell()
        file.writelines(directory)
        size = file.tell() - start
        count = len(directory)
        file.write(_END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0))


def _write_entry(file: BinaryIO, entry: Entry) -> bytes:
    """Write an entry and return its record for the directory."""
    name = entry.name.encode()
    flags = 0 if entry.name.isascii() else _UTF8
    data, method = (entry.data, 0) if entry.stored else (_deflated(entry.data), 8)
    offset = file.tell()
    extra = b""
    if entry.stored:
        extra = _padding(offset + _LOCAL.size + len(name), entry.alignment)
    version = 20 if method else 10
    sizes = (zlib.crc32(entry.data), len(data), len(entry.data))
    common = (flags, method, _FIXED_TIME, _FIXED_DATE, *sizes, len(name))
    file.write(_LOCAL.pack(b"PK\3\4", version, *common, len(extra)) + name + extra)
    file.write(data)
    record = _CENTRAL.pack(b"PK\1\2", version, version, *common, 0, 0, 0, 0, 0, offset)
    return record + name


def _padding(position: int, alignment: int) -> bytes:
    """An extra field after `position` that ends at a multiple of `alignment`."""
    fixed = 6  # id, size, and the alignment itself
    zeros = -(position + fixed) % alignment
    return struct.pack("<3H", _ALIGNMENT_FIELD, 2 + zeros, alignment) + bytes(zeros)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()

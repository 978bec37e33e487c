"""Native libraries: what a loader needs to know of an ELF file."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.app.formats import Bytes, FormatError

_PT_LOAD = 1
_MACHINES = {3: "x86", 40: "armeabi-v7a", 62: "x86_64", 183: "arm64-v8a"}
_TYPES = {1: 32, 2: 64}


@dataclass(frozen=True)
class ElfFacts:
    """abi: in Android's words; load_alignment: the smallest of the segments that are loaded."""

    abi: str
    bits: int
    load_alignment: int


def read_elf(data: bytes, name: str) -> ElfFacts:
    """Raises FormatError for anything that is no such file."""
    view = Bytes(data, name)
    if view.slice(0, 4) != b"\x7fELF":
        raise FormatError(f"{name} is no ELF file")
    bits = _TYPES.get(data[4], 0) if len(data) > 5 else 0
    if not bits or data[5] != 1:
        raise FormatError(f"{name} is an ELF file of a kind that no Android loads")
    machine = view.u16(18)
    wide = bits == 64
    (table,) = view.unpack("Q" if wide else "I", 32 if wide else 28)
    size, count = view.unpack("HH", 54 if wide else 42)
    alignments: list[int] = []
    for index in range(count):
        start = table + index * size
        if view.u32(start) == _PT_LOAD:
            alignments += view.unpack("Q" if wide else "I", start + (48 if wide else 28))
    if not alignments:
        raise FormatError(f"{name} has nothing to load")
    return ElfFacts(_MACHINES.get(machine, f"machine {machine}"), bits, min(alignments))

"""Reads an ETDump, ExecuTorch's record of what ran and when.

The file is a size-prefixed flatbuffer. ExecuTorch's own reader imports its exporter and a table
library, which takes longer than most profiles; these are the few fields that a profile needs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sdk_builder.errors import SessionError

_SIZE_PREFIX_BYTES = 4


@dataclass(frozen=True)
class Event:
    """Something that took time.

    name: of a kernel, or of a step of the runtime ("OPERATOR_CALL"); delegated: the name of an
    operator inside a delegate, else empty; instruction: its number in the method, of which all
    that happens inside it bears the same. Times in ns, on one clock for the whole dump.
    """

    name: str
    delegated: str
    chain: int
    instruction: int
    start_ns: int
    end_ns: int

    @property
    def ms(self) -> float:
        return (self.end_ns - self.start_ns) / 1e6


def read_runs(data: bytes) -> list[tuple[Event, ...]]:
    """The events of each run of a method, in order; those of loading are left out.

    Raises SessionError when `data` is no ETDump.
    """
    try:
        dump = _Table.root(data)
        runs = [tuple(_events(run)) for run in dump.tables(1)]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise SessionError(
            "the runtime's trace cannot be read", "profile again, with fewer --repetitions"
        ) from error
    return [run for run in runs if any(event.name == "Method::execute" for event in run)]


def _events(run: _Table) -> Iterator[Event]:
    for event in run.tables(3):
        profiled = event.table(0)
        if profiled is not None:
            yield Event(
                name=profiled.text(0),
                delegated=profiled.text(4),
                chain=profiled.number(1, "<i", 0),
                instruction=profiled.number(2, "<i", -1),
                start_ns=profiled.number(6, "<Q", 0),
                end_ns=profiled.number(7, "<Q", 0),
            )


@dataclass(frozen=True)
class _Table:
    """A flatbuffer table: fields by their number, at `position` in `data`."""

    data: bytes
    position: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _follow(data, _SIZE_PREFIX_BYTES))

    def _field(self, number: int) -> int | None:
        """Where the field lies; None when it has its default."""
        directory = self.position - _read("<i", self.data, self.position)
        entry = 4 + 2 * number
        if entry >= _read("<H", self.data, directory):
            return None
        offset = _read("<H", self.data, directory + entry)
        return self.position + offset if offset else None

    def number(self, number: int, kind: str, default: int) -> int:
        field = self._field(number)
        return default if field is None else _read(kind, self.data, field)

    def text(self, number: int) -> str:
        field = self._field(number)
        if field is None:
            return ""
        start = _follow(self.data, field)
        size = _read("<I", self.data, start)
        return self.data[start + 4 : start + 4 + size].decode()

    def table(self, number: int) -> _Table | None:
        field = self._field(number)
        return None if field is None else _Table(self.data, _follow(self.data, field))

    def tables(self, number: int) -> Iterator[_Table]:
        field = self._field(number)
        if field is None:
            return
        vector = _follow(self.data, field)
        for index in range(_read("<I", self.data, vector)):
            yield _Table(self.data, _follow(self.data, vector + 4 + 4 * index))


def _read(kind: str, data: bytes, position: int) -> int:
    if position < 0:
        raise IndexError(position)
    value: int = struct.unpack_from(kind, data, position)[0]
    return value


def _follow(data: bytes, position: int) -> int:
    return position + _read("<I", data, position)

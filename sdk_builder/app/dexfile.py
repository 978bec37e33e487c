"""Dex files: whether they are whole, and what they define and refer to."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from sdk_builder.app.formats import Bytes, FormatError

_MAGIC = re.compile(rb"dex\n(\d{3})\0")
_ENDIAN = 0x12345678
_HEADER_BYTES = 0x70
_T = TypeVar("_T")
_NO_INDEX = 0xFFFFFFFF


@dataclass(frozen=True)
class Method:
    """A method by the class that is named with it, its name and its descriptor."""

    owner: str
    name: str
    descriptor: str

    def __str__(self) -> str:
        return f"{self.owner}->{self.name}{self.descriptor}"


@dataclass(frozen=True)
class Field:
    """A field, likewise."""

    owner: str
    name: str
    descriptor: str

    def __str__(self) -> str:
        return f"{self.owner}->{self.name}:{self.descriptor}"


@dataclass(frozen=True)
class ClassDef:
    """A class that the file defines; names are descriptors, such as Ljava/lang/Object;."""

    name: str
    superclass: str | None
    interfaces: tuple[str, ...]
    fields: tuple[Field, ...]
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class DexFacts:
    """Counts of a dex file, and whether its checksum and SHA-1 are those of its bytes."""

    version: int
    classes: int
    methods: int
    fields: int
    checksum_holds: bool
    signature_holds: bool


class DexFile:
    """The tables of a dex file. Every property may raise FormatError."""

    def __init__(self, data: bytes, name: str) -> None:
        self._view = Bytes(data, name)
        magic = _MAGIC.fullmatch(data[:8])
        if magic is None or len(data) < _HEADER_BYTES or self._view.u32(40) != _ENDIAN:
            raise FormatError(f"{name} is no dex file")
        self.version = int(magic[1])

    @property
    def facts(self) -> DexFacts:
        data = self._view.data
        checksum, signature = self._view.u32(8), data[12:32]
        return DexFacts(
            self.version,
            classes=self._view.u32(96),
            methods=self._view.u32(88),
            fields=self._view.u32(80),
            checksum_holds=checksum == zlib.adler32(data[12:]),
            # Android's own format; it is no protection, and none is meant.
            signature_holds=signature == hashlib.sha1(data[32:], usedforsecurity=False).digest(),
        )

    @cached_property
    def strings(self) -> tuple[str, ...]:
        count, start = self._table(56, 4)
        return tuple(self._string(self._view.u32(start + 4 * i)) for i in range(count))

    @cached_property
    def types(self) -> tuple[str, ...]:
        """Every type that the file names, as a descriptor."""
        count, start = self._table(64, 4)
        return tuple(self._at(self.strings, self._view.u32(start + 4 * i)) for i in range(count))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field that the file names."""
        count, start = self._table(80, 8)
        rows = (self._view.unpack("HHI", start + 8 * i) for i in range(count))
        return tuple(
            Field(
                self._at(self.types, owner),
                self._at(self.strings, name),
                self._at(self.types, kind),
            )
            for owner, kind, name in rows
        )

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Every method that the file names."""
        count, start = self._table(88, 8)
        rows = (self._view.unpack("HHI", start + 8 * i) for i in range(count))
        return tuple(
            Method(
                self._at(self.types, owner),
                self._at(self.strings, name),
                self._at(self._descriptors, proto),
            )
            for owner, proto, name in rows
        )

    @cached_property
    def class_defs(self) -> tuple[ClassDef, ...]:
        """Every class that the file defines."""
        count, start = self._table(96, 32)
        return tuple(self._class_def(start + 32 * i) for i in range(count))

    @cached_property
    def _descriptors(self) -> tuple[str, ...]:
        """Of method prototypes: (parameters)result."""
        count, start = self._table(72, 12)
        rows = (self._view.unpack("III", start + 12 * i) for i in range(count))
        return tuple(
            f"({''.join(self._type_list(parameters))}){self._at(self.types, result)}"
            for _, result, parameters in rows
        )

    def _class_def(self, place: int) -> ClassDef:
        row = self._view.unpack("8I", place)
        name, _, superclass, interfaces, _, _, data, _ = row
        fields, methods = self._members(data) if data else ((), ())
        return ClassDef(
            self._at(self.types, name),
            None if superclass == _NO_INDEX else self._at(self.types, superclass),
            self._type_list(interfaces),
            fields,
            methods,
        )

    def _members(self, place: int) -> tuple[tuple[Field, ...], tuple[Method, ...]]:
        counts = []
        for _ in range(4):  # static and instance fields, direct and virtual methods
            count, place = self._view.uleb128(place)
            counts.append(count)
        fields: list[Field] = []
        methods: list[Method] = []
        for kind, count in enumerate(counts):
            index = 0
            for _ in range(count):
                step, place = self._view.uleb128(place)
                index += step
                _, place = self._view.uleb128(place)  # access flags
                if kind < 2:
                    fields.append(self._at(self.fields, index))
                else:
                    _, place = self._view.uleb128(place)  # code
                    methods.append(self._at(self.methods, index))
        return tuple(fields), tuple(methods)

    def _type_list(self, place: int) -> tuple[str, ...]:
        if not place:
            return ()
        count = self._view.u32(place)
        if 2 * count > len(self._view):
            raise self._view.short(place)
        return tuple(self._at(self.types, i) for i in self._view.unpack(f"{count}H", place + 4))

    def _table(self, header: int, row_bytes: int) -> tuple[int, int]:
        """Count and offset of a table that the header names."""
        count, start = self._view.unpack("II", header)
        if start + count * row_bytes > len(self._view):
            raise self._view.short(header)
        return count, start

    def _string(self, place: int) -> str:
        _, start = self._view.uleb128(place)
        end = self._view.data.find(b"\0", start)
        if end < 0:
            raise self._view.short(place)
        # Modified UTF-8: a surrogate is three bytes of its own, zero is C0 80.
        raw = self._view.data[start:end].replace(b"\xc0\x80", b"\0")
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self._view.short(start) from None

    def _at(self, table: tuple[_T, ...], index: int) -> _T:
        if index >= len(table):
            raise FormatError(f"{self._view.what} names an entry {index} that it does not have")
        return table[index]

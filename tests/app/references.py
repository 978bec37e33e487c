"""Whether everything that dex files name is there: in themselves, or in the platform's jars."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdk_builder.app.dexfile import ClassDef, DexFile, Field, Method

_CONSTANT_BYTES = {3: 4, 4: 4, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4}
_CONSTANT_BYTES |= {19: 2, 20: 2}
_WIDE = (5, 6)  # take two places
_UTF8 = 1
_OBJECT = "Ljava/lang/Object;"


@dataclass
class Known:
    """A class: its parents, and its members by name and descriptor."""

    parents: tuple[str, ...]
    members: set[tuple[str, str]] = field(default_factory=set)


class Platform:
    """The classes of jars and of a JDK's record of an older release, read when asked for."""

    def __init__(self, jars: Iterable[Path], ct_sym: Path, release: str) -> None:
        self._places: dict[str, Callable[[], bytes]] = {}
        self._read: dict[str, Known] = {}
        for jar in jars:
            archive = zipfile.ZipFile(jar)
            for name in archive.namelist():
                if name.endswith(".class"):
                    self._add(f"L{name.removesuffix('.class')};", archive, name)
        archive = zipfile.ZipFile(ct_sym)
        for name in archive.namelist():
            # 89A/java.base/java/lang/Object.sig: the releases 8, 9 and 10 have this one
            found = re.fullmatch(r"(\w+)/[\w.]+/([\w/$]+)\.sig", name)
            if found and release in found[1]:
                self._add(f"L{found[2]};", archive, name)

    def _add(self, descriptor: str, archive: zipfile.ZipFile, name: str) -> None:
        self._places.setdefault(descriptor, lambda: archive.read(name))

    def get(self, descriptor: str) -> Known | None:
        """The class, or None."""
        if descriptor not in self._read:
            place = self._places.get(descriptor)
            if place is None:
                return None
            self._read[descriptor] = read_class(place())
        return self._read[descriptor]


def read_class(data: bytes) -> Known:
    """Parents and members of a Java class file."""
    count = struct.unpack_from(">H", data, 8)[0]
    texts: dict[int, str] = {}
    classes: dict[int, int] = {}
    index, place = 1, 10
    while index < count:
        tag = data[place]
        if tag == _UTF8:
            size = struct.unpack_from(">H", data, place + 1)[0]
            texts[index] = data[place + 3 : place + 3 + size].decode("utf-8", "replace")
            place += 3 + size
        elif tag in _WIDE:
            index += 1
            place += 9
        else:
            if tag == 7:
                classes[index] = struct.unpack_from(">H", data, place + 1)[0]
            place += 1 + _CONSTANT_BYTES[tag]
        index += 1
    above, interfaces = struct.unpack_from(">HH", data, place + 4)
    numbers = [above, *struct.unpack_from(f">{interfaces}H", data, place + 8)]
    place += 8 + 2 * interfaces
    parents = tuple(f"L{texts[classes[number]]};" for number in numbers if number)
    members = set()
    for _ in range(2):  # fields, then methods
        (count,) = struct.unpack_from(">H", data, place)
        place += 2
        for _ in range(count):
            _, name, descriptor, attributes = struct.unpack_from(">4H", data, place)
            members.add((texts[name], texts[descriptor]))
            place += 8
            for _ in range(attributes):
                place += 6 + struct.unpack_from(">I", data, place + 2)[0]
    return Known(parents, members)


def unresolved(files: Iterable[DexFile], platform: Platform) -> list[str]:
    """Every class, method and field that the files name and that is nowhere."""
    given = list(files)
    own = {one.name: _known(one) for file in given for one in file.class_defs}

    def find(descriptor: str) -> Known | None:
        return own.get(descriptor) or platform.get(descriptor)

    missing = {type_ for file in given for type_ in _classes(file.types) if find(type_) is None}
    for file in given:
        named: tuple[Method | Field, ...] = (*file.methods, *file.fields)
        for member in named:
            owner = _OBJECT if member.owner.startswith("[") else member.owner
            if not _has(owner, (member.name, member.descriptor), find, set()):
                missing.add(str(member))
    return sorted(missing)


def _known(one: ClassDef) -> Known:
    above = (one.superclass,) if one.superclass else ()
    fields = {(member.name, member.descriptor) for member in one.fields}
    methods = {(member.name, member.descriptor) for member in one.methods}
    return Known((*above, *one.interfaces), fields | methods)


def _classes(types: Iterable[str]) -> Iterator[str]:
    for one in types:
        element = one.lstrip("[")
        if element.startswith("L"):
            yield element


def _has(
    owner: str,
    member: tuple[str, str],
    find: Callable[[str], Known | None],
    seen: set[str],
) -> bool:
    """Whether a class, or one above it, has the member. A class that is nowhere has none."""
    if owner in seen:
        return False
    seen.add(owner)
    known = find(owner)
    if known is None:
        return False
    return member in known.members or any(
        _has(parent, member, find, seen) for parent in (*known.parents, _OBJECT)
    )


def dex_files(contents: Mapping[str, bytes]) -> list[DexFile]:
    """The dex files among an APK's entries."""
    return [DexFile(data, name) for name, data in contents.items() if name.endswith(".dex")]

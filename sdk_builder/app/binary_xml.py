"""AndroidManifest.xml as it is in an APK: Android's binary form of XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdk_builder.app.formats import Bytes, FormatError

_XML, _STRINGS, _RESOURCE_MAP = 0x0003, 0x0001, 0x0180
_START_ELEMENT, _END_ELEMENT = 0x0102, 0x0103
_UTF8_FLAG = 0x100
_NONE = 0xFFFFFFFF
_TYPE_REFERENCE, _TYPE_STRING, _TYPE_DECIMAL, _TYPE_HEX, _TYPE_BOOLEAN = 1, 3, 0x10, 0x11, 0x12
_MAX_DEPTH = 200
# Attributes whose name may be left out of the file: the resource id says which they are.
_NAMES = {
    0x01010003: "name",
    0x0101000F: "debuggable",
    0x0101020C: "minSdkVersion",
    0x0101021B: "versionCode",
    0x0101021C: "versionName",
    0x01010270: "targetSdkVersion",
    0x010104EA: "extractNativeLibs",
}

Value = str | int | bool


@dataclass
class Element:
    """An element; attributes by name, without their namespace."""

    tag: str
    attributes: Mapping[str, Value]
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> list[Element]:
        """The children with a tag."""
        return [child for child in self.children if child.tag == tag]


def read_binary_xml(data: bytes, name: str = "AndroidManifest.xml") -> Element:
    """The root element. Raises FormatError for anything that is no binary XML."""
    view = Bytes(data, name)
    kind, header, size = view.unpack("HHI", 0)
    if kind != _XML or size > len(data):
        raise FormatError(f"{name} is no binary XML")
    strings: list[str] = []
    resources: tuple[int, ...] = ()
    root = Element("", {})
    open_elements = [root]
    offset = header
    while offset < size:
        kind, header, chunk_size = view.unpack("HHI", offset)
        if chunk_size < 8 or offset + chunk_size > size:
            raise view.short(offset)
        chunk = Bytes(view.slice(offset, chunk_size), name)
        if kind == _STRINGS:
            strings = _strings(chunk)
        elif kind == _RESOURCE_MAP:
            resources = chunk.unpack(f"{(chunk_size - header) // 4}I", header)
        elif kind == _START_ELEMENT:
            element = _element(chunk, header, strings, resources)
            open_elements[-1].children.append(element)
            open_elements.append(element)
        elif kind == _END_ELEMENT:
            open_elements.pop()
        if not 1 <= len(open_elements) <= _MAX_DEPTH:
            raise FormatError(f"{name} is nested wrongly")
        offset += chunk_size
    if len(root.children) != 1:
        raise FormatError(f"{name} has no single root")
    return root.children[0]


def _strings(chunk: Bytes) -> list[str]:
    _, header, _, count, _, flags, start, _ = chunk.unpack("HHI5I", 0)
    if count * 4 > len(chunk):
        raise chunk.short(8)
    offsets = chunk.unpack(f"{count}I", header)
    read = _utf8 if flags & _UTF8_FLAG else _utf16
    return [read(chunk, start + offset) for offset in offsets]


def _utf8(chunk: Bytes, offset: int) -> str:
    for _ in range(2):  # the length in characters, then that in bytes
        (length,) = chunk.unpack("B", offset)
        offset += 1
        if length & 0x80:
            length = (length & 0x7F) << 8 | chunk.unpack("B", offset)[0]
            offset += 1
    return chunk.slice(offset, length).decode("utf-8", "replace")


def _utf16(chunk: Bytes, offset: int) -> str:
    length = chunk.u16(offset)
    offset += 2
    if length & 0x8000:
        length = (length & 0x7FFF) << 16 | chunk.u16(offset)
        offset += 2
    return chunk.slice(offset, 2 * length).decode("utf-16-le", "replace")


def _element(chunk: Bytes, header: int, strings: list[str], resources: tuple[int, ...]) -> Element:
    _, tag, start, size, count = chunk.unpack("IIHHH", header)
    attributes: dict[str, Value] = {}
    for index in range(count):
        place = header + start + index * size
        _, key, raw, _, _, kind, value = chunk.unpack("IIIHBBI", place)
        known = _NAMES.get(resources[key]) if key < len(resources) else None
        attributes[known or _string(strings, key, chunk)] = _value(strings, raw, kind, value, chunk)
    return Element(_string(strings, tag, chunk), attributes)


def _value(strings: list[str], raw: int, kind: int, value: int, chunk: Bytes) -> Value:
    if kind == _TYPE_STRING:
        return _string(strings, value, chunk)
    if kind == _TYPE_BOOLEAN:
        return value != 0
    if kind in (_TYPE_DECIMAL, _TYPE_HEX):
        return value
    if kind == _TYPE_REFERENCE:
        return f"@0x{value:08x}"
    return _string(strings, raw, chunk) if raw != _NONE else f"0x{value:08x}"


def _string(strings: list[str], index: int, chunk: Bytes) -> str:
    if index >= len(strings):
        raise FormatError(f"{chunk.what} names a string that it does not have")
    return strings[index]

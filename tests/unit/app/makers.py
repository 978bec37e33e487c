"""Small files of Android's formats, made from their description: what readers are tested with."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RESOURCE_IDS = {
    "debuggable": 0x0101000F,
    "minSdkVersion": 0x0101020C,
    "name": 0x01010003,
    "targetSdkVersion": 0x01010270,
    "versionCode": 0x0101021B,
    "versionName": 0x0101021C,
}


def elf(machine: int = 183, alignments: Sequence[int] = (16384, 16384), bits: int = 64) -> bytes:
    """An ELF file with nothing but program headers."""
    wide = bits == 64
    header, row = (64, 56) if wide else (52, 32)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    fields = struct.pack("<HHI", 3, machine, 1)
    fields += struct.pack("<3QI" if wide else "<3II", 0, header, 0, 0)
    fields += struct.pack("<6H", header, row, len(alignments) + 1, 0, 0, 0)
    rows = [struct.pack("<II6Q" if wide else "<8I", 6, 4, 0, 0, 0, 0, 0, 8)]  # no segment to load
    for alignment in alignments:
        if wide:
            rows.append(struct.pack("<II6Q", 1, 5, 0, 0, 0, 0, 0, alignment))
        else:
            rows.append(struct.pack("<8I", 1, 0, 0, 0, 0, 0, 5, alignment))
    return ident + fields + b"".join(rows)


@dataclass
class Tag:
    """An element of a binary XML file."""

    name: str
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict)
    children: Sequence[Tag] = ()


def binary_xml(root: Tag, *, utf8: bool = False) -> bytes:
    """Android's binary form of a document; attribute names with a resource id are left empty."""
    ids = sorted(RESOURCE_IDS, key=RESOURCE_IDS.__getitem__)
    pool = ["" for _ in ids]

    def index(text: str) -> int:
        if text not in pool[len(ids) :]:
            pool.append(text)
        return pool.index(text, len(ids))

    def value(given: str | int | bool) -> bytes:
        if isinstance(given, bool):
            return struct.pack("<IHBBI", 0xFFFFFFFF, 8, 0, 0x12, 0xFFFFFFFF if given else 0)
        if isinstance(given, int):
            return struct.pack("<IHBBI", 0xFFFFFFFF, 8, 0, 0x10, given)
        return struct.pack("<IHBBI", index(given), 8, 0, 3, index(given))

    def chunk(kind: int, header: bytes, body: bytes) -> bytes:
        sizes = struct.pack("<HHI", kind, 8 + len(header), 8 + len(header) + len(body))
        return sizes + header + body

    def element(tag: Tag) -> bytes:
        rows = b"".join(
            struct.pack("<II", 0xFFFFFFFF, ids.index(key) if key in ids else index(key))
            + value(given)
            for key, given in tag.attributes.items()
        )
        line = struct.pack("<II", 1, 0xFFFFFFFF)
        start = struct.pack(
            "<IIHHHHHH", 0xFFFFFFFF, index(tag.name), 20, 20, len(tag.attributes), 0, 0, 0
        )
        inside = b"".join(element(child) for child in tag.children)
        end = struct.pack("<II", 0xFFFFFFFF, index(tag.name))
        return chunk(0x0102, line, start + rows) + inside + chunk(0x0103, line, end)

    body = element(root)
    packed, offsets = b"", []
    for text in pool:
        offsets.append(len(packed))
        packed += _packed(text, utf8)
    packed += bytes(-len(packed) % 4)
    table = struct.pack(f"<{len(pool)}I", *offsets)
    header = struct.pack("<5I", len(pool), 0, 0x100 if utf8 else 0, 28 + len(table), 0)
    strings = chunk(0x0001, header, table + packed)
    resources = chunk(0x0180, b"", struct.pack(f"<{len(ids)}I", *map(RESOURCE_IDS.get, ids)))
    return chunk(0x0003, b"", strings + resources + body)


def _packed(text: str, utf8: bool) -> bytes:
    if utf8:
        data = text.encode()
        lengths = b"".join(
            bytes([n]) if n < 0x80 else bytes([0x80 | n >> 8, n & 0xFF])
            for n in (len(text), len(data))
        )
        return lengths + data + b"\0"
    return struct.pack("<H", len(text)) + text.encode("utf-16-le") + b"\0\0"


def dex(
    classes: Mapping[str, Sequence[tuple[str, str]]],
    calls: Sequence[tuple[str, str, str]] = (),
) -> bytes:
    """A dex file: classes that extend Object, with methods (name, result) without parameters.

    calls: methods of others (class, name, result) that are named and not defined.
    """
    methods = sorted(
        {(owner, *method) for owner, those in classes.items() for method in those} | set(calls)
    )
    results = sorted({result for _, _, result in methods})
    types = sorted({*classes, *(owner for owner, _, _ in methods), *results, "Ljava/lang/Object;"})
    strings = sorted({*types, *(name for _, name, _ in methods), *results})
    protos = results
    tables = [(len(strings), 4), (len(types), 4), (len(protos), 12), (0, 8)]
    tables += [(len(methods), 8), (len(classes), 32)]
    place, starts = 0x70, []
    for count, size in tables:
        starts.append(place if count else 0)
        place += count * size
    data, base = b"", place
    string_places = []
    for text in strings:
        string_places.append(base + len(data))
        data += bytes([len(text)]) + text.encode() + b"\0"
    class_places = []
    for owner in sorted(classes):
        class_places.append(base + len(data))
        own = [i for i, (of, _, _) in enumerate(methods) if of == owner]
        data += bytes([0, 0, 0, len(own)])
        steps = [here - before for before, here in zip([0, *own], own, strict=False)]
        data += b"".join(bytes([step, 1, 0]) for step in steps)
    body = struct.pack(f"<{len(strings)}I", *string_places)
    body += struct.pack(f"<{len(types)}I", *map(strings.index, types))
    for result in protos:
        body += struct.pack("<3I", strings.index(result), types.index(result), 0)
    for owner, name, result in methods:
        body += struct.pack("<HHI", types.index(owner), protos.index(result), strings.index(name))
    for owner, class_data in zip(sorted(classes), class_places, strict=True):
        parent = types.index("Ljava/lang/Object;")
        row = (types.index(owner), 1, parent, 0, 0xFFFFFFFF, 0, class_data, 0)
        body += struct.pack("<8I", *row)
    return _dex_header(tables, starts, body + data)


def _dex_header(tables: Sequence[tuple[int, int]], starts: Sequence[int], rest: bytes) -> bytes:
    size = 0x70 + len(rest)
    sections = b"".join(
        struct.pack("<II", count, start) for (count, _), start in zip(tables, starts, strict=True)
    )
    tail = struct.pack("<IIIIII", size, 0x70, 0x12345678, 0, 0, 0) + sections
    tail += struct.pack("<II", 0, 0) + rest
    signed = hashlib.sha1(tail).digest() + tail
    return b"dex\n039\0" + struct.pack("<I", zlib.adler32(signed)) + signed


def signing_block(certificates: Mapping[int, bytes]) -> bytes:
    """A block of signatures by scheme id, each with one signer; nothing in it is really signed."""

    def sized(data: bytes) -> bytes:
        return struct.pack("<I", len(data)) + data

    pairs = b""
    for scheme, certificate in certificates.items():
        signed = sized(b"digests") + sized(sized(certificate)) + sized(b"")
        value = sized(sized(sized(signed)))
        pairs += struct.pack("<QI", 4 + len(value), scheme) + value
    size = struct.pack("<Q", len(pairs) + 24)
    return size + pairs + size + b"APK Sig Block 42"


def with_signing_block(archive: bytes, block: bytes) -> bytes:
    """An archive with a block in front of its directory."""
    end = archive.rfind(b"PK\5\6")
    (directory,) = struct.unpack_from("<I", archive, end + 16)
    moved = archive[end : end + 16] + struct.pack("<I", directory + len(block))
    return archive[:directory] + block + archive[directory:end] + moved + archive[end + 20 :]

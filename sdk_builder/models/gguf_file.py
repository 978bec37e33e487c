"""The container of a GGUF file: metadata and the table of tensors, read strictly.

The file's own counts and lengths are never believed: each is checked against the bytes that
are left before anything is allocated, so a damaged file gives a CheckpointError and not a
hang. (The `gguf` package's reader trusts them; we use that package for dequantizing only.)

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from sdk_builder.errors import CheckpointError
from sdk_builder.models.source_info import unreadable

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MAX_ALIGNMENT = 1 << 16
_MAX_DIMENSIONS = 4
_MAX_NESTING = 4
_MAX_NAME = 256  # characters; real ones have fewer than 80

_STRING, _ARRAY = 8, 9
# Value types of the metadata: numpy's name for each scalar.
_SCALARS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "|b1",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}


@dataclass(frozen=True)
class GgufTensor:
    """One row of the tensor table. `shape` is in torch's order (slowest first)."""

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int  # bytes, from the start of the file
    size: int  # bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of one row (last dimension)."""
        block, block_bytes = GGML_QUANT_SIZES[self.kind]
        return self.shape[-1] // block * block_bytes


@dataclass(frozen=True)
class GgufFile:
    """Metadata and tensors of a GGUF file; the tensors' data stays on disk."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]
    size: int  # bytes


def read_gguf(path: Path) -> GgufFile:
    """Read and check the header of `path`. Raises CheckpointError."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise CheckpointError(f"{path} is empty.", "Download the file again.")
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                return _parse(data, path)
    except OSError as error:
        raise unreadable(path, error) from error


class _Cursor:
    """A position in the file that can only move forward within its bytes."""

    def __init__(self, data: mmap, path: Path) -> None:
        self.data = data
        self.path = path
        self.at = 0

    def damaged(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path} is damaged: {what} (at byte {self.at}).",
            "Download the file again and compare its SHA-256.",
        )

    def take(self, count: int, what: str) -> bytes:
        if count > len(self.data) - self.at:
            raise self.damaged(f"{what} reaches past the end of the file")
        self.at += count
        return self.data[self.at - count : self.at]

    def u32(self, what: str) -> int:
        return struct.unpack("<I", self.take(4, what))[0]

    def u64(self, what: str) -> int:
        return struct.unpack("<Q", self.take(8, what))[0]

    def count(self, what: str, bytes_each: int) -> int:
        """A count of things that take at least `bytes_each` bytes each."""
        value = self.u64(what)
        if value * bytes_each > len(self.data) - self.at:
            raise self.damaged(f"{what} is {value}, more than the file can hold")
        return value

    def text(self, what: str) -> str:
        raw = self.take(self.count(f"length of {what}", 1), what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.damaged(f"{what} is not UTF-8") from error

    def name(self, what: str) -> str:
        """The name of a key or tensor: short and printable, so that messages may show it."""
        text = self.text(what)
        if not text.isprintable() or not 0 < len(text) <= _MAX_NAME:
            raise self.damaged(f"{what} is not a name")
        return text


def _parse(data: mmap, path: Path) -> GgufFile:
    cursor = _Cursor(data, path)
    if data[:4] != _MAGIC:
        raise CheckpointError(
            f"{path} is not a GGUF file.",
            "Give a .gguf file, a Hugging Face folder, or the name of a preset or source.",
        )
    cursor.at = 4
    version = cursor.u32("the version")
    if version not in _VERSIONS:
        raise CheckpointError(
            f"{path}: GGUF version {version} is not supported.",
            "Convert the file with a current llama.cpp (little-endian, version 3).",
        )
    tensor_count = cursor.count("the number of tensors", 24)
    key_count = cursor.count("the number of metadata keys", 12)
    metadata: dict[str, Any] = {}
    for _ in range(key_count):
        key = cursor.name("a metadata key")
        if key in metadata:
            raise cursor.damaged(f"metadata key {key!r} comes twice")
        metadata[key] = _value(cursor, cursor.u32(f"the type of {key}"), key, 0)
    rows = [_tensor_row(cursor) for _ in range(tensor_count)]
    return _place(cursor, metadata, rows)


def _value(cursor: _Cursor, kind: int, key: str, depth: int) -> Any:
    if kind == _STRING:
        return cursor.text(key)
    if kind in _SCALARS:
        dtype = np.dtype(_SCALARS[kind])
        return np.frombuffer(cursor.take(dtype.itemsize, key), dtype)[0].item()
    if kind == _ARRAY and depth < _MAX_NESTING:
        return _array(cursor, key, depth)
    raise cursor.damaged(f"{key} has an unknown value type {kind}")


def _array(cursor: _Cursor, key: str, depth: int) -> Any:
    kind = cursor.u32(f"the element type of {key}")
    if kind in _SCALARS:
        dtype = np.dtype(_SCALARS[kind])
        count = cursor.count(f"the length of {key}", dtype.itemsize)
        return np.frombuffer(cursor.take(count * dtype.itemsize, key), dtype).tolist()
    count = cursor.count(f"the length of {key}", 8)
    return [_value(cursor, kind, key, depth + 1) for _ in range(count)]


def _tensor_row(cursor: _Cursor) -> tuple[str, int, tuple[int, ...], int]:
    """(name, type, shape in torch's order, offset from the data's start)."""
    name = cursor.name("a tensor name")
    dimensions = cursor.u32(f"the dimensions of {name}")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise cursor.damaged(f"tensor {name} has {dimensions} dimensions")
    shape = [cursor.u64(f"the shape of {name}") for _ in range(dimensions)]
    kind = cursor.u32(f"the type of {name}")
    return name, kind, tuple(reversed(shape)), cursor.u64(f"the offset of {name}")


def _place(
    cursor: _Cursor, metadata: dict[str, Any], rows: list[tuple[str, int, tuple[int, ...], int]]
) -> GgufFile:
    """Turn offsets into places in the file, and check that each tensor lies inside it."""
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if (
        not isinstance(alignment, int)
        or not 1 <= alignment <= _MAX_ALIGNMENT
        or alignment & (alignment - 1)
    ):
        raise cursor.damaged(f"general.alignment is {alignment!r}")
    start, end = -(-cursor.at // alignment) * alignment, len(cursor.data)
    tensors: dict[str, GgufTensor] = {}
    for name, raw_kind, shape, offset in rows:
        size, kind = _tensor_size(cursor, name, raw_kind, shape)
        if name in tensors:
            raise cursor.damaged(f"tensor {name} comes twice")
        if offset % alignment or start + offset + size > end:
            raise CheckpointError(
                f"{cursor.path} is damaged or cut short: tensor {name} reaches past its end or "
                "starts off its alignment.",
                "Download the file again and compare its SHA-256.",
            )
        tensors[name] = GgufTensor(name, kind, shape, start + offset, size)
    _check_overlap(cursor, tensors)
    return GgufFile(cursor.path, metadata, tensors, end)


def _tensor_size(
    cursor: _Cursor, name: str, raw_kind: int, shape: tuple[int, ...]
) -> tuple[int, GGMLQuantizationType]:
    """(bytes, type) of a tensor."""
    try:
        kind = GGMLQuantizationType(raw_kind)
    except ValueError as error:
        raise cursor.damaged(f"tensor {name} has an unknown type {raw_kind}") from error
    block, block_bytes = GGML_QUANT_SIZES[kind]
    if shape[-1] % block or 0 in shape:
        raise cursor.damaged(f"tensor {name} of type {kind.name} has the shape {shape}")
    elements = 1
    for size in shape:  # Python's integers do not overflow
        elements *= size
    return elements // block * block_bytes, kind


def _check_overlap(cursor: _Cursor, tensors: dict[str, GgufTensor]) -> None:
    previous: GgufTensor | None = None
    for tensor in sorted(tensors.values(), key=lambda t: t.offset):
        if previous is not None and tensor.offset < previous.offset + previous.size:
            raise cursor.damaged(f"tensors {previous.name} and {tensor.name} overlap")
        previous = tensor

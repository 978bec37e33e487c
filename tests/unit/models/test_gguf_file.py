"""The GGUF container: what a good header gives, and each way in which one can lie."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from sdk_builder.errors import CheckpointError
from sdk_builder.models.gguf_file import GgufFile, read_gguf

F32, Q4_0, ARRAY, STRING, U32 = 0, 2, 9, 8, 4
Row = tuple[str, tuple[int, ...], int, int]  # name, dimensions (fastest first), type, offset


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def craft(
    *,
    keys: list[bytes] | None = None,
    rows: list[Row] | None = None,
    data: int = 256,
    alignment: int = 32,
    version: int = 3,
) -> bytes:
    """A GGUF file of these key-value entries and tensor rows, with `data` bytes of zeros."""
    keys, rows = keys or [], rows or []
    head = b"GGUF" + struct.pack("<IQQ", version, len(rows), len(keys)) + b"".join(keys)
    for name, dimensions, kind, offset in rows:
        head += text(name) + struct.pack("<I", len(dimensions))
        head += struct.pack(f"<{len(dimensions)}Q", *dimensions) + struct.pack("<IQ", kind, offset)
    return head + b"\0" * (-len(head) % alignment) + b"\0" * data


def entry(name: str | bytes, kind: int, payload: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + payload


def read(tmp_path: Path, content: bytes) -> GgufFile:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    return read_gguf(path)


def test_every_value_type_that_the_writer_knows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    values: dict[str, Any] = {
        "uint8": 200, "int8": -100, "uint16": 60000, "int16": -30000, "uint32": 4_000_000_000,
        "int32": -2_000_000_000, "uint64": 1 << 63, "int64": -(1 << 62), "float32": 0.5,
        "float64": 1e300, "bool": True, "string": "naïve 你好",
    }  # fmt: skip
    arrays: dict[str, Any] = {
        "ints": [1, -2, 3], "floats": [0.5, -1.5], "strings": ["a", "", "ü"], "flags": [True, False]
    }  # fmt: skip
    writer = gguf.GGUFWriter(path, "llama")
    for name, value in values.items():
        getattr(writer, f"add_{name}")(f"x.{name}", value)
    for name, value in arrays.items():
        writer.add_array(f"y.{name}", value)
    writer.add_tensor("t", np.arange(64, dtype=np.float32).reshape(2, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    file = read_gguf(path)
    assert {name: file.metadata[f"x.{name}"] for name in values} == values
    assert {name: file.metadata[f"y.{name}"] for name in arrays} == arrays
    tensor = file.tensors["t"]
    assert tensor.shape == (2, 32)
    assert (tensor.size, tensor.row_bytes) == (256, 128)
    stored = np.frombuffer(path.read_bytes()[tensor.offset :][: tensor.size], np.float32)
    assert stored.tolist() == list(range(64))


@pytest.mark.parametrize("version", [2, 3])
def test_rows_are_placed_after_the_header(version: int, tmp_path: Path) -> None:
    rows: list[Row] = [("a", (32,), F32, 0), ("b", (32, 2), Q4_0, 128)]
    file = read(tmp_path, craft(rows=rows, version=version))
    assert file.tensors["b"].shape == (2, 32)
    assert file.tensors["b"].size == 36
    assert file.tensors["b"].offset - file.tensors["a"].offset == 128


def test_own_alignment_is_followed(tmp_path: Path) -> None:
    keys = [entry("general.alignment", U32, struct.pack("<I", 256))]
    file = read(tmp_path, craft(keys=keys, rows=[("a", (8,), F32, 0)], alignment=256))
    assert file.tensors["a"].offset == 256


def alignment(value: int) -> list[bytes]:
    return [entry("general.alignment", U32, struct.pack("<I", value))]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (craft(rows=[("a", (8,), F32, 0), ("a", (8,), F32, 32)]), "tensor a comes twice"),
        (craft(rows=[("a", (16,), F32, 0), ("b", (8,), F32, 32)]), "tensors a and b overlap"),
        (craft(rows=[("a", (16,), F32, 32), ("b", (32,), F32, 0)]), "tensors b and a overlap"),
        (craft(rows=[("a", (8,), F32, 4)]), "starts off its alignment"),
        (craft(rows=[("a", (65,), F32, 0)]), "past its end"),
        (craft(rows=[("a", (8,), F32, 1 << 63)]), "past its end"),
        (craft(rows=[("a", (1 << 63, 1 << 63), F32, 0)]), "past its end"),
        (craft(rows=[("a", (0,), F32, 0)]), r"type F32 has the shape \(0,\)"),
        (craft(rows=[("a", (16, 2), Q4_0, 0)]), r"type Q4_0 has the shape \(2, 16\)"),
        (craft(rows=[("a", (), F32, 0)]), "has 0 dimensions"),
        (craft(rows=[("a", (1,) * 5, F32, 0)]), "has 5 dimensions"),
        (craft(rows=[("a", (8,), 999, 0)]), "unknown type 999"),
        (craft(rows=[("a\n", (8,), F32, 0)]), "tensor name is not a name"),
        (craft(rows=[("", (8,), F32, 0)]), "tensor name is not a name"),
        (craft(keys=[entry("k", U32, b"\0" * 4)] * 2), "'k' comes twice"),
        (craft(keys=[entry("k" * 300, U32, b"\0" * 4)]), "metadata key is not a name"),
        (craft(keys=[entry(b"\xff", U32, b"\0" * 4)]), "not UTF-8"),
        (craft(keys=[entry("k", STRING, text(b"\xff"))]), "k is not UTF-8"),
        (craft(keys=[entry("k", 13, b"")]), "unknown value type 13"),
        (craft(keys=[entry("k", ARRAY, struct.pack("<IQ", 13, 1))]), "unknown value type 13"),
        (craft(keys=alignment(0)), "general.alignment is 0"),
        (craft(keys=alignment(48)), "general.alignment is 48"),
        (craft(keys=alignment(1 << 31)), "general.alignment is"),
        (craft(keys=[entry("general.alignment", STRING, text("32"))]), "alignment is '32'"),
    ],
)  # fmt: skip
def test_header_that_lies_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=says) as caught:
        read(tmp_path, content)
    assert "m.gguf" in caught.value.message
    assert "\n" not in caught.value.message


def test_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.gguf"):
        with pytest.raises(CheckpointError, match="Cannot read"):
            read_gguf(path)

"""Which bytes of a program are which parameter: a small table that travels in the program.

Linear layers are split by rows when they are lowered, and equal bytes are stored once, so the file
alone does not say what belongs to whom. The index does, by position in the list of named data; it
is named data itself, under a key that no runtime asks for.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sdk_builder.errors import BundleError

INDEX_KEY = "shakti.weights"
_VERSION = 1

Runs = tuple[tuple[int, int], ...]
"""Rows as (first, count), in order."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a parameter, all if `rows` is None.

    kind: "fp32", "int8" or "int4"; shape: of this piece; data, scale, offset and step (the offsets'
    scale) are positions in the program's named data.
    """

    rows: Runs | None
    kind: str
    shape: tuple[int, ...]
    data: int
    scale: int | None = None
    group_size: int = 0
    offset: int | None = None
    step: int | None = None


Index = Mapping[str, tuple[Piece, ...]]


def to_runs(rows: Sequence[int] | None) -> Runs | None:
    """Row numbers as runs of neighbours."""
    if rows is None:
        return None
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([row, 1])
    return tuple((first, count) for first, count in runs)


def to_rows(runs: Runs) -> list[int]:
    """The inverse of `to_runs`."""
    return [row for first, count in runs for row in range(first, first + count)]


def encode(index: Index) -> bytes:
    """The index as it is stored; the same index gives the same bytes."""
    tensors = {
        name: [
            {key: value for key, value in asdict(piece).items() if value not in (None, 0, ())}
            | {"data": piece.data}
            for piece in pieces
        ]
        for name, pieces in index.items()
    }
    text = json.dumps({"version": _VERSION, "tensors": tensors}, separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def decode(data: bytes) -> dict[str, tuple[Piece, ...]]:
    """Raises BundleError for bytes that are no index."""
    try:
        document = json.loads(zlib.decompress(data))
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']}")
        return {
            name: tuple(_piece(fields) for fields in pieces)
            for name, pieces in document["tensors"].items()
        }
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f"the program's weight index cannot be read: {error}", "export the bundle again"
        ) from error


def _piece(fields: dict[str, object]) -> Piece:
    rows, shape = fields.pop("rows", None), fields.pop("shape")
    runs = None if rows is None else tuple((int(a), int(b)) for a, b in rows)  # type: ignore[attr-defined]
    return Piece(rows=runs, shape=tuple(shape), **fields)  # type: ignore[arg-type]

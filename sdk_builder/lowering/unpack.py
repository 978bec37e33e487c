"""The weights of a finished program, read back from its bytes: the inverse of `weights.py`.

Calibrated values can't be computed again elsewhere, so whoever checks a program takes them from the
program itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.errors import BundleError
from sdk_builder.lowering.index import INDEX_KEY, Piece, decode, to_rows
from sdk_builder.lowering.pte import NamedBytes, named_bytes
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.quantization.formats import INT4, INT8
from sdk_builder.quantization.grid import IntGrid, from_parts


@dataclass(frozen=True)
class StoredProgram:
    """Reads like a checkpoint: float32 or torchao's tensors by parameter name."""

    path: Path
    config: ShaktiConfig

    @cached_property
    def _named(self) -> NamedBytes:
        return named_bytes(self.path)

    @cached_property
    def _index(self) -> Mapping[str, tuple[Piece, ...]]:
        found = self._named.find(INDEX_KEY)
        if found is None:
            raise BundleError(
                f"{self.path} does not say which weights it holds",
                "it was made by an older version: export it again",
            )
        return decode(bytes(found))

    @property
    def has_index(self) -> bool:
        """Programs of older versions have none."""
        return self._named.find(INDEX_KEY) is not None

    def names(self) -> list[str]:
        """Parameter names. Raises BundleError without an index."""
        return list(self._index)

    def tensor(self, name: str) -> Tensor:
        """The parameter as it is stored. Raises BundleError for an index that does not fit."""
        pieces = self._index[name]
        try:
            if pieces[0].kind == "fp32":
                return _joined([self._floats(piece) for piece in pieces], pieces)
            grids = [self._grid(piece) for piece in pieces]
            whole = IntGrid(*(_joined(list(parts), pieces) for parts in zip(*grids, strict=True)))
            return _torchao(whole, pieces[0])
        except (IndexError, ValueError, RuntimeError) as error:
            raise BundleError(
                f"{self.path}: the weight index does not fit {name}: {error}",
                "export the bundle again",
            ) from error

    def _read(self, position: int | None, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        if position is None:
            raise ValueError("a part is missing")
        data = np.frombuffer(self._named.at(position), dtype=np.uint8).copy()
        return torch.from_numpy(data).view(dtype).view(shape)

    def _floats(self, piece: Piece) -> Tensor:
        return self._read(piece.data, torch.float32, piece.shape)

    def _grid(self, piece: Piece) -> IntGrid:
        rows, inputs = piece.shape
        if piece.kind == "int8":
            values = self._read(piece.data, torch.int8, piece.shape)
            scale = self._read(piece.scale, torch.float32, (rows, 1))
            return IntGrid(values, scale, torch.zeros(rows, 1))
        groups = (rows, inputs // piece.group_size)
        packed = self._read(piece.data, torch.uint8, (rows, inputs // 2))
        nibbles = torch.stack([packed & 15, packed >> 4], dim=2).view(rows, inputs)
        scale = self._read(piece.scale, torch.bfloat16, groups).float()
        zero_point = torch.zeros(groups)
        if piece.offset is not None:
            step = self._read(piece.step, torch.float32, (rows, 1))
            zero_point = -self._read(piece.offset, torch.int8, groups).float() * step / scale
        return IntGrid(nibbles.to(torch.int8) - 8, scale, zero_point)


def _joined(parts: list[Tensor], pieces: tuple[Piece, ...]) -> Tensor:
    """Rows of all pieces in their places; every row exactly once."""
    if pieces[0].rows is None:
        return parts[0]
    rows = [torch.tensor(to_rows(piece.rows or ())) for piece in pieces]
    order = torch.cat(rows)
    if not torch.equal(order.sort().values, torch.arange(len(order))):
        raise ValueError("rows are missing or given twice")
    return torch.cat(parts)[order.argsort()]


def _torchao(grid: IntGrid, piece: Piece) -> IntxUnpackedToInt8Tensor:
    if not bool(grid.zero_point.any()):
        grid = grid._replace(zero_point=torch.zeros_like(grid.scale, dtype=torch.int8))
    weight_format = INT8 if piece.kind == "int8" else INT4.grouped(piece.group_size)
    return from_parts(grid, weight_format)

"""A GGUF file (llama.cpp's format) as a Checkpoint.

Notation as in `config.py`.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from gguf.constants import GGMLQuantizationType
from gguf.quants import QuantError, dequantize
from torch import Tensor

from sdk_builder.errors import CheckpointError
from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.gguf_config import ROPE_FACTORS, parse_gguf_config
from sdk_builder.models.gguf_file import GgufFile, GgufTensor, read_gguf
from sdk_builder.models.gguf_tokenizer import tokenizer_from_gguf
from sdk_builder.models.source_info import (
    SourceInfo,
    describe_file,
    require_finite,
    unreadable,
)
from sdk_builder.models.tokenizer_assets import TokenizerAssets, tokenizer_from_path

# Dequantizing makes several temporaries; parts of this size keep them in the cache.
_PART_ELEMENTS = 1 << 18

_PARTS = {
    layout.INPUT_NORM: ("attn_norm.weight",),
    layout.QKV: ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    layout.QKV_BIAS: ("attn_q.bias", "attn_k.bias", "attn_v.bias"),
    layout.OUT: ("attn_output.weight",),
    layout.POST_NORM: ("ffn_norm.weight",),
    layout.GATE_UP: ("ffn_gate.weight", "ffn_up.weight"),
    layout.DOWN: ("ffn_down.weight",),
}
_OUTSIDE = {
    layout.EMBEDDING: ("token_embd.weight",),
    layout.FINAL_NORM: ("output_norm.weight",),
    layout.HEAD: ("output.weight",),
}


class GgufCheckpoint:
    """Checkpoint of a GGUF file of architecture llama or qwen2.

    Raises CheckpointError when the header is damaged, a tensor is missing, left over or of
    the wrong shape, or the architecture is not supported.
    """

    def __init__(
        self,
        path: Path,
        *,
        tokenizer: Path | None = None,
        name: str | None = None,
        family: str | None = None,
        licence: str | None = None,
    ) -> None:
        self._file = read_gguf(path)
        factors = self._file.tensors.get(ROPE_FACTORS)
        self.config = parse_gguf_config(
            self._file, None if factors is None else self._read(factors).ravel()
        )
        self._shapes = layout.parameter_shapes(self.config)
        self._tokenizer_path = tokenizer
        self._named = name, family, licence
        _check_tensors(self._file, self.config, self._shapes)

    @property
    def _architecture(self) -> str:
        return str(self._file.metadata["general.architecture"])

    @cached_property
    def source(self) -> SourceInfo:
        """Origin (the first access hashes the file)."""
        meta = self._file.metadata
        name, family, licence = self._named
        return SourceInfo(
            kind="gguf",
            name=name or str(meta.get("general.name") or self._file.path.stem),
            architecture=self._architecture,
            family=family or str(meta.get("general.basename") or self._architecture),
            licence=licence or _text(meta.get("general.license")),
            files=(describe_file(self._file.path),),
            untrained=False,
            seed=None,
            weight_format=_dominant_format(self._file),
        )

    def names(self) -> list[str]:
        """Parameter names in decoder order."""
        return list(self._shapes)

    def tensor(self, name: str) -> Tensor:
        """Read and dequantize one parameter: float32, fused, contiguous.

        Raises CheckpointError.
        """
        if name not in self._shapes:
            raise CheckpointError(f"{self._file.path} has no tensor for {name}.")
        result = torch.empty(self._shapes[name])
        row = 0
        for part in _file_names(name):
            table = self._file.tensors[part]
            rows = result[row : row + table.shape[0]]
            self._read_into(table, rows)
            require_finite(rows, part, self._file.path)
            row += table.shape[0]
            if self._architecture == "llama" and (".attn_q." in part or ".attn_k." in part):
                rows.copy_(_half_split(rows, table.shape[0] // self.config.head_dim))
        return result

    def tokenizer(self) -> TokenizerAssets:
        """The file's own tokenizer, or the one given instead. Raises TokenizerError."""
        if self._tokenizer_path is not None:
            return tokenizer_from_path(self._tokenizer_path, self.config.vocab_size)
        return tokenizer_from_gguf(self._file, self.config.vocab_size)

    def _read_into(self, table: GgufTensor, out: Tensor) -> None:
        """Dequantize `table` into `out` (same shape) in parts of whole rows."""
        target = out.numpy()
        if len(table.shape) == 1:
            np.copyto(target, self._read(table))
            return
        step = max(1, _PART_ELEMENTS // table.shape[-1])
        for first in range(0, table.shape[0], step):
            count = min(step, table.shape[0] - first)
            np.copyto(target[first : first + count], self._read(table, first, count))

    def _read(self, table: GgufTensor, first: int = 0, rows: int | None = None) -> np.ndarray:
        """Rows of a tensor as float32; read-only where the file holds just that."""
        count = (table.shape[0] if rows is None else rows) if len(table.shape) > 1 else 1
        offset = table.offset + first * table.row_bytes
        try:
            if self._file.path.stat().st_size != self._file.size:
                raise CheckpointError(
                    f"{self._file.path} changed while it was being read.", "Run the command again."
                )
            raw = np.memmap(self._file.path, np.uint8, "r", offset, count * table.row_bytes)
        except OSError as error:
            raise unreadable(self._file.path, error) from error
        # One flat row: blocks are independent, and the package loops in Python over rows.
        flat = raw.view(np.ndarray).reshape(1, -1)
        return _to_float32(flat, table, self._file.path).reshape(
            (count, *table.shape[1:]) if len(table.shape) > 1 else table.shape
        )


def _to_float32(raw: np.ndarray, table: GgufTensor, path: Path) -> np.ndarray:
    if table.kind is GGMLQuantizationType.F64:
        return raw.view(np.float64).astype(np.float32)
    try:
        # Scales of a damaged file may overflow; the check for finite values reports that.
        with np.errstate(all="ignore"):
            return dequantize(raw, table.kind)
    except (NotImplementedError, QuantError, ValueError) as error:
        raise CheckpointError(
            f"{path}: tensor {table.name} is stored as {table.kind.name}, which is not supported.",
            "Use a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or a K format.",
        ) from error


def _half_split(rows: Tensor, heads: int) -> Tensor:
    """Undo llama.cpp's reordering of the rows of q and k for architecture llama.

    It interleaves the two rotary halves of each head; [heads*hd, ...] -> the same, new.
    """
    paired = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return paired.transpose(1, 2).reshape(rows.shape)


def _file_names(name: str) -> tuple[str, ...]:
    """Names in the file of the parts of Shakti's parameter `name`, in row order."""
    found = layout.split_layer(name)
    if found is None:
        return _OUTSIDE[name]
    layer, rest = found
    return tuple(f"blk.{layer}.{part}" for part in _PARTS[rest])


def _check_tensors(
    file: GgufFile, config: ShaktiConfig, shapes: dict[str, tuple[int, ...]]
) -> None:
    """Every needed tensor is there with the right shape, and none is left over."""
    needed: set[str] = {ROPE_FACTORS}
    for name, shape in shapes.items():
        parts = zip(_file_names(name), layout.part_rows(config, name), strict=True)
        for part, rows in parts:
            needed.add(part)
            if part not in file.tensors:
                raise CheckpointError(
                    f"{file.path}: tensor {part} is missing.", "Download the file again."
                )
            found, expected = file.tensors[part].shape, (rows, *shape[1:])
            if found != expected:
                raise CheckpointError(
                    f"{file.path}: tensor {part} has the shape {found}, the metadata asks for "
                    f"{expected}.",
                    "Download the file again.",
                )
    extra = sorted(set(file.tensors) - needed)
    if extra:
        raise CheckpointError(
            f"{file.path}: tensor {extra[0]} is not part of a Llama-shaped model with "
            f"{config.num_hidden_layers} layers.",
            "Its weights would be ignored; export a plain Llama-shaped model.",
        )


def _dominant_format(file: GgufFile) -> str:
    """The type that most weights have (norms and embeddings often differ)."""
    sizes: Counter[str] = Counter()
    for tensor in file.tensors.values():
        sizes[tensor.kind.name] += tensor.size
    return sizes.most_common(1)[0][0]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

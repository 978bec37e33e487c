"""Where a checkpoint came from: what the manifest records about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sdk_builder.errors import CheckpointError

_HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One file of a checkpoint: its plain name, never a path of this machine."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class SourceInfo:
    """Origin of a checkpoint.

    architecture: as the checkpoint names it ("llama", "qwen2", "shakti"); family: the
    product line ("SmolLM2", "Shakti"); weight_format: how weights are stored ("bf16", "Q4_1");
    untrained: made from `seed`, not learned.
    """

    kind: Literal["gguf", "safetensors", "preset"]
    name: str
    architecture: str
    family: str
    licence: str | None
    files: tuple[SourceFile, ...]
    untrained: bool
    seed: int | None
    weight_format: str
    notes: tuple[str, ...] = ()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as lower-case hex. Raises CheckpointError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def describe_file(path: Path) -> SourceFile:
    """Name, size and hash of `path` (reads all of it). Raises CheckpointError."""
    digest = sha256_of(path)
    return SourceFile(name=path.name, size_bytes=path.stat().st_size, sha256=digest)


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """The CheckpointError for a file that the system does not let us read."""
    return CheckpointError(
        f"Cannot read {path}: {error.strerror or error}.",
        "Check that the file is there and that you may read it.",
    )


def require_finite(values: Tensor, name: str, path: Path) -> None:
    """Refuse a tensor that holds NaN or infinities. Raises CheckpointError."""
    # isfinite() makes temporaries as large as the tensor; its extremes need none, and a NaN
    # anywhere makes both NaN, which fails either comparison.
    low, high = torch.aminmax(values)
    if not (low.item() > float("-inf") and high.item() < float("inf")):
        raise CheckpointError(
            f"{path}: tensor {name} holds NaN or infinite values.",
            "The checkpoint is damaged or its training diverged; use another one.",
        )


def first_line(error: BaseException) -> str:
    """The first line of an error of another library, for our one-line messages."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]

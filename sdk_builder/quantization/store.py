"""Tensors that took long to compute, kept by the content that they were computed from.

An entry is a safetensors file and a record with its SHA-256. It is used only if the digest is
right; whatever is damaged, half-written or from elsewhere is as if it were not there. The oldest
entries go when the folder grows beyond its bound.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sdk_builder.cache import cache_dir

LARGEST_BYTES = 8 * 2**30


def calibrated_store() -> TensorStore:
    """Where calibrated weights and texts are kept between runs."""
    return TensorStore(cache_dir() / "calibrated")


def key_of(**ingredients: object) -> str:
    """SHA-256 of everything that the content depends on; values must be JSON."""
    text = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """A verified file of tensors, read one at a time."""

    path: Path

    def names(self) -> list[str]:
        with safe_open(self.path, framework="pt") as file:
            return list(file.keys())

    def tensor(self, name: str) -> Tensor:
        """Raises SafetensorError when there is none of that name."""
        with safe_open(self.path, framework="pt") as file:
            found: Tensor = file.get_tensor(name)
        return found


@dataclass(frozen=True)
class TensorStore:
    """Entries in `folder`, together at most `largest_bytes`."""

    folder: Path
    largest_bytes: int = LARGEST_BYTES

    def find(self, key: str) -> Entry | None:
        """The entry for `key`, unless it is missing or damaged."""
        path, record = self._paths(key)
        try:
            expected = json.loads(record.read_text(encoding="utf-8"))["sha256"]
            intact = _sha256(path) == expected
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not intact:
            return None
        with suppress(OSError):
            os.utime(path)  # the oldest go first
        return Entry(path)

    def save(self, key: str, tensors: Mapping[str, Tensor]) -> Entry:
        """Keep `tensors` under `key`. Raises OSError when the disk is full."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path, record = self._paths(key)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as temporary:
            made = Path(temporary) / "tensors"
            try:
                save_file(dict(tensors), made)
            except SafetensorError as error:
                raise OSError(f"cannot write {path}: {error}") from error
            note = Path(temporary) / "record"
            note.write_text(json.dumps({"sha256": _sha256(made)}), encoding="utf-8")
            made.replace(path)
            note.replace(record)
        self._prune(keep=path)
        return Entry(path)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.safetensors", self.folder / f"{key}.json"

    def _prune(self, keep: Path) -> None:
        entries = [(path.stat(), path) for path in self.folder.glob("*.safetensors")]
        total = sum(stat.st_size for stat, _ in entries)
        for stat, path in sorted(entries, key=lambda entry: entry[0].st_mtime):
            if total <= self.largest_bytes:
                return
            if path != keep:
                path.unlink(missing_ok=True)
                path.with_suffix(".json").unlink(missing_ok=True)
                total -= stat.st_size


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest()

"""Results as documents: what was measured, on which bytes, with what; and their files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import TargetExistsError, output_errors
from sdk_builder.evaluation.results import SCHEMA

__all__ = ["SCHEMA", "describe_bundle", "labels_of", "require_new", "write_document", "write_lines"]


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """What says which bundle a result is of."""
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "name": manifest.name,
        "identity": identity(manifest),
        "program_sha256": manifest.program.sha256,
        "scheme": manifest.quantization.scheme,
        "bits_per_weight": manifest.quantization.bits_per_weight,
    }


def labels_of(described: Sequence[Mapping[str, Any]]) -> list[str]:
    """Model and format of each of `describe_bundle`; with the folder's name where those repeat."""
    plain = [f"{one['name']} {one['scheme']}" for one in described]
    return [
        label if plain.count(label) == 1 else f"{label} ({Path(one['bundle']).name})"
        for label, one in zip(plain, described, strict=True)
    ]


def require_new(path: Path | None, *, force: bool) -> None:
    """Raises TargetExistsError for a file that is there already; before the work, not after."""
    if path is not None and os.path.lexists(path) and not force:
        raise TargetExistsError(f"{path} exists.", "Name another file, or pass --force.")


def write_document(path: Path, document: dict[str, Any], *, force: bool) -> None:
    """Write a result as JSON, whole or not at all. Raises OutputError."""
    _write(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n", force=force)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]], *, force: bool) -> None:
    """Write rows as JSON lines, whole or not at all. Raises OutputError."""
    _write(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), force=force)


def _write(path: Path, text: str, *, force: bool) -> None:
    require_new(path, force=force)
    data = text.encode()
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(0o644)  # mkstemp's files are for their owner alone
            os.replace(name, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)

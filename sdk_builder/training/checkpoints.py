"""Checkpoints of a run: marked when they are whole, so that any moment may be the last one.

Trainer writes ``checkpoint-N`` file by file. When all are there, `mark` adds ``intact.json`` with
their sizes and hashes, by a rename: a checkpoint without it was cut short, and one whose files
differ from it is damaged. Neither is ever resumed from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdk_builder.models.source_info import describe_file

MARK = "intact.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def step_of(checkpoint: Path) -> int:
    """Optimizer steps behind a checkpoint."""
    found = _NAME.fullmatch(checkpoint.name)
    assert found is not None
    return int(found[1])


def checkpoints(folder: Path) -> list[Path]:
    """All of a run, whole or not, the newest first."""
    try:
        found = [one for one in folder.iterdir() if _NAME.fullmatch(one.name) and one.is_dir()]
    except FileNotFoundError:
        return []
    return sorted(found, key=step_of, reverse=True)


def mark(checkpoint: Path) -> None:
    """Say that a checkpoint is whole, once the disk holds all of it. Raises OSError."""
    files = {}
    for path in _files(checkpoint):
        _sync(path)
        described = describe_file(path)
        name = path.relative_to(checkpoint).as_posix()
        files[name] = {"size_bytes": described.size_bytes, "sha256": described.sha256}
    write_json(checkpoint / MARK, {"step": step_of(checkpoint), "files": files})


def is_marked(checkpoint: Path) -> bool:
    """Whether it was ever whole."""
    return (checkpoint / MARK).is_file()


def is_intact(checkpoint: Path) -> bool:
    """Whether it is marked, and all of its files are still as they were then (reads them)."""
    try:
        said = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))["files"]
        there = {path.relative_to(checkpoint).as_posix(): path for path in _files(checkpoint)}
        return set(said) == set(there) and all(
            path.stat().st_size == said[name]["size_bytes"]
            and describe_file(path).sha256 == said[name]["sha256"]
            for name, path in there.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def newest_intact(folder: Path) -> Path | None:
    """The checkpoint to go on from."""
    return next((one for one in checkpoints(folder) if is_intact(one)), None)


def remove_unmarked(folder: Path) -> None:
    """Remove what was cut short while it was written."""
    for one in checkpoints(folder):
        if not is_marked(one):
            shutil.rmtree(one, ignore_errors=True)


def remove_newer(folder: Path, than: Path | None) -> None:
    """Remove what comes behind a checkpoint, or all: a run that goes on writes them anew."""
    for one in checkpoints(folder):
        if than is None or step_of(one) > step_of(than):
            shutil.rmtree(one, ignore_errors=True)


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the newest `count` marked checkpoints."""
    for one in [one for one in checkpoints(folder) if is_marked(one)][count:]:
        (one / MARK).unlink(missing_ok=True)  # so that a half-removed one is not taken for whole
        shutil.rmtree(one, ignore_errors=True)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a file whole or not at all. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _files(checkpoint: Path) -> Iterator[Path]:
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name not in (MARK, f".{MARK}.new"):
            yield path


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""Files and folders that are made once and kept in the cache, by many processes at a time."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdk_builder.app.download import sha256_of
from sdk_builder.errors import output_errors

if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        msvcrt.locking(number, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX)


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Wait until no other process works at `target`, then keep the others waiting."""
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.with_name(f".{target.name}.lock").open("w")
    with file:
        with suppress(OSError):  # a file system without locks: the final rename is still atomic
            _lock(file.fileno())
        yield


def made_folder(target: Path, make: Callable[[Path], None]) -> Path:
    """The folder `target`, filled by `make` unless it is there already."""
    if target.is_dir():
        return target
    with alone(target):
        if target.is_dir():  # another process made it meanwhile
            return target
        with (
            output_errors(target),
            tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch,
        ):
            filled = Path(scratch) / "made"
            filled.mkdir()
            make(filled)
            filled.rename(target)
    return target


def is_intact(path: Path, sha256: str) -> bool:
    """Whether a file has this SHA-256.

    It is hashed in full once; afterwards its size and time, noted beside it, are enough.
    """
    try:
        state = path.stat()
    except OSError:
        return False
    facts = [sha256, state.st_size, state.st_mtime_ns]
    if _note(path) == facts:
        return True
    if sha256_of(path) != sha256:
        return False
    with suppress(OSError):  # a read-only cache is hashed anew each time
        _note_path(path).write_text(json.dumps(facts), encoding="utf-8")
    return True


def _note_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.verified.json")


def _note(path: Path) -> object:
    try:
        return json.loads(_note_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

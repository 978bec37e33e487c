"""Write beside the target, then rename: a target is whole or not there at all.

Staging folders (and files) are named ``.TARGET.shakti-new-XXXXXXXX`` and locked while their
writer lives. What a killed writer left is recognised by its missing lock and removed by the
next one. While a target is replaced, the old one is called ``.TARGET.shakti-old-XXXXXXXX``;
if its writer is killed just then, the next one puts it back.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdk_builder.errors import TargetExistsError

_MOST_TRIES = 20  # names to try for a staging folder; one is nearly always enough


@dataclass
class Staging:
    """A locked folder or file beside its target; `discard` or `publish` ends it."""

    path: Path
    target: Path
    _lock: int | None  # file descriptor; None where the file system has no locks

    def publish(self, *, replace: bool) -> None:
        """Rename to the target, in place of a present one only if `replace`.

        Raises TargetExistsError, or OSError. An interrupted replacement is undone.
        """
        _sync(self.path)
        if replace and os.path.lexists(self.target):
            self._swap()
        else:
            self._rename()
        _sync_folder(self.target.parent)
        self._unlock()

    def discard(self) -> None:
        """Remove it and all it holds; never raises."""
        _remove(self.path)
        self._unlock()

    def _rename(self) -> None:
        try:
            if self.path.is_dir():
                if sys.platform == "win32" and self.target.is_dir():
                    self.target.rmdir()  # elsewhere a rename takes the place of an empty folder
                os.rename(self.path, self.target)
            elif os.path.lexists(self.target):
                raise target_exists(self.target)
            else:
                os.rename(self.path, self.target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise target_exists(self.target) from error
            raise

    def _swap(self) -> None:
        if not self.path.is_dir():
            os.replace(self.path, self.target)
            return
        old = _name_beside(self.target, "old")
        with _locked(self.target):
            try:
                os.rename(self.target, old)
                os.rename(self.path, self.target)
            except BaseException:
                if old.exists() and not self.target.exists():
                    os.rename(old, self.target)
                raise
            _sync_folder(self.target.parent)  # before the old one goes for good
            _remove(old)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def target_exists(target: Path) -> TargetExistsError:
    """The error for a target that is already there."""
    return TargetExistsError(
        f"{target} already exists.", "Pass --force to replace it, or choose another output."
    )


def stage(target: Path, kind: Literal["folder", "file"]) -> Staging:
    """A new, empty, locked folder or file beside `target`. Raises OSError.

    First, what killed writers of the same target left is cleared up.
    """
    sweep(target)
    for _ in range(_MOST_TRIES):
        path = _name_beside(target, "new")
        try:
            if kind == "folder":
                path.mkdir()
            else:
                path.touch(exist_ok=False)
            lock = _lock(path)
            os.stat(path)
        except (BlockingIOError, FileNotFoundError):
            if not target.parent.is_dir():
                raise
            continue  # another writer's sweep was faster than our lock
        except KeyboardInterrupt:
            _remove(path)  # nobody else knows of it yet
            raise
        return Staging(path, target, lock)
    raise FileExistsError(errno.EEXIST, "no free name for a staging folder", str(target))


def sweep(target: Path) -> None:
    """Clear up what killed writers of `target` left; what is in use stays."""
    for path in _leftovers(target):
        try:
            with _locked(path) as lock:
                if lock is None:
                    continue  # without locks nobody can tell a killed writer from a slow one
                if "-old-" in path.name and not os.path.lexists(target):
                    os.rename(path, target)
                else:
                    _remove(path)
        except OSError:
            continue  # in use, or not ours to remove


def _leftovers(target: Path) -> list[Path]:
    pattern = re.compile(re.escape(f".{target.name}.shakti-") + "(new|old)-[0-9a-f]{8}")
    try:
        names = sorted(os.listdir(target.parent))
    except OSError:
        return []
    return [target.parent / name for name in names if pattern.fullmatch(name)]


def _name_beside(target: Path, role: Literal["new", "old"]) -> Path:
    return target.parent / f".{target.name}.shakti-{role}-{secrets.token_hex(4)}"


def _lock(path: Path) -> int | None:
    """Lock a folder or file until the descriptor is closed, if only by the process's death.

    None where the file system has no locks. Raises BlockingIOError where another holds it,
    FileNotFoundError where it is gone.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


@contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """Hold the lock of `path` inside. Raises what _lock raises."""
    descriptor = _lock(path)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have the disk hold a file, or a folder and its files, before a rename shows it."""
    if not path.is_dir():
        _sync_file(path)
        return
    for child in sorted(path.iterdir()):
        _sync_file(child)
    _sync_folder(path)


def _sync_file(path: Path) -> None:
    # Windows syncs only what is open for writing; elsewhere a read-only file may be synced.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return  # cannot be opened there
    _sync_file(path)

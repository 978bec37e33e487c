"""Locks on open files, so that two processes do not write one file."""

from __future__ import annotations

import errno
import sys
from io import FileIO
from typing import BinaryIO

_TAKEN = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})
_FAR = 2**30  # Windows locks bytes, and what is locked cannot be read: one far behind the end


def try_lock(file: BinaryIO | FileIO) -> bool:
    """Lock the file until it is closed; False if another process, or another opening, has it.

    Raises OSError where the file system has no locks.
    """
    try:
        _lock(file)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO | FileIO) -> None:
        position = file.tell()
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        finally:
            file.seek(position)

else:
    import fcntl

    def _lock(file: BinaryIO | FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

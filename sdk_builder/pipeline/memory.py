"""Memory that an export is done with goes back to the system: glibc's settings, elsewhere nothing.

Of 4.7 times the float model at the peak of a calibrated export of 93 million parameters, half
were freed blocks that glibc kept, in arenas of threads that had ended and below its own limits.
"""

from __future__ import annotations

import ctypes
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt's names in glibc's malloc.h
_LARGE_BYTES = 4 << 20


def keep_little() -> None:
    """One heap for all threads that start from now on, and none of it for blocks of 16 MiB.

    glibc would raise that limit to 32 MiB with the first large tensor that is freed.
    """
    _call("mallopt", _ARENA_MAX, 1)
    _call("mallopt", _MMAP_THRESHOLD, 4 * _LARGE_BYTES)


def trim() -> None:
    """Give what is free back, in milliseconds."""
    _call("malloc_trim", 0)


def return_large_blocks() -> None:
    """Give freed blocks of 4 MiB and more back at once, from now on, and what is free already.

    Not for calibration, which takes a fifth longer with it.
    """
    for name in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
        _call("mallopt", name, _LARGE_BYTES)
    trim()


def _call(name: str, *arguments: int) -> None:
    try:
        function: Any = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    function(*arguments)

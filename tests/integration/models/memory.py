"""Peak resident memory of this process (Linux).

Not ru_maxrss: that one survives exec, so a child starts with the peak of its parent.
"""

from __future__ import annotations

import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
AVAILABLE = _STATUS.is_file() and _CLEAR.is_file()


def start() -> int:
    """Forget the peak so far; bytes that are resident now."""
    _CLEAR.write_text("5")
    return _bytes("VmRSS")


def peak() -> int:
    """Most bytes that were resident since `start`."""
    return _bytes("VmHWM")


def _bytes(field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024

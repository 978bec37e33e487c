"""What an export frees is the system's again, not only the process's."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Blocks of 6 MiB between small ones that stay, after a larger one was freed.
SCRIPT = """
import sys
import psutil
from sdk_builder.pipeline.memory import return_large_blocks
if sys.argv[1] == "on":
    return_large_blocks()
block = b"x" * (30 << 20)
del block
before = psutil.Process().memory_info().rss
kept, large = [], []
for _ in range(30):
    large.append(b"x" * (6 << 20))
    kept.append(b"x" * (64 << 10))
del large
print(psutil.Process().memory_info().rss - before)
"""


def growth_mib(switch: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, switch], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / (1 << 20)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's malloc")
def test_large_blocks_leave_the_process_when_they_are_freed() -> None:
    assert growth_mib("off") > 100
    assert growth_mib("on") < 20

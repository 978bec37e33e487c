"""What decides and draws needs no torch, so that it starts at once and runs anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULES = ("space", "pareto", "records", "runner", "choice", "search", "plot", "files")
HEAVY = ("torch", "torchao", "transformers", "executorch")


def test_all_but_measuring_loads_nothing_heavy():
    names = ", ".join(f"sdk_builder.tuning.{name}" for name in MODULES)
    code = f"import sys, {names}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr

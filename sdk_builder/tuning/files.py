"""Files that are there whole or not at all. No torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sdk_builder.errors import output_errors


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then give it its name. Raises OutputError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

"""A run's folder belongs to one run at a time: two would mix their checkpoints and their logs."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from sdk_builder.errors import OutputError, output_errors
from sdk_builder.locks import try_lock

LOCK = ".lock"


class Claim:
    """The right to train in `folder`, which ends with `release`, or with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    def take(self) -> None:
        """For the run's first process alone. Raises OutputError where another run has it."""
        with output_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / LOCK).open("ab")
        try:
            is_ours = try_lock(file)
        except OSError:
            is_ours = True  # a file system without locks: nothing can be known
        if not is_ours:
            file.close()
            raise OutputError(
                f"Another run is training in {self._folder}.",
                "Wait for it, stop it, or choose another output.",
            )
        self._file = file

    def release(self) -> None:
        """Also where it was never taken."""
        if self._file is not None:
            self._file.close()
            self._file = None

"""Results kept as they come, so that an interrupted evaluation goes on where it stopped.

A JSONL file; each line is ``{"run": KEY, "id": ..., "value": ...}``. KEY is a SHA-256 of all that
decides a result (bundle, options, versions): lines of another key stay in the file and are not
used. Whoever is killed while writing leaves at most one torn line, which is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from sdk_builder import __version__
from sdk_builder.errors import InputError, output_errors

_BEGINNING = b'{"run": "'


def digest(value: Any) -> str:
    """SHA-256 of a JSON value; the order of its keys does not matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, str]:
    """What computes the results; a newer one's may differ."""
    return {
        "shakti_sdk": __version__,
        "executorch": version("executorch"),
        "torch": version("torch"),
    }


class Journal:
    """The results of one key in a file, and a place to add more. Use it as a context manager.

    Raises InputError when the file is something else, OutputError when it cannot be written.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self._known, torn = _read(path, key)
        self.found = len(self._known)
        with output_errors(path):
            self._file: TextIO = path.open("a", encoding="utf-8")
            if torn:
                self._file.write("\n")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def get(self, name: str) -> Any:
        """The result of this name, or None."""
        return self._known.get(name)

    def add(self, name: str, value: Any) -> None:
        """Keep a result; it is with the system when this returns. None is no result."""
        line = json.dumps({"run": self.key, "id": name, "value": value}, ensure_ascii=False)
        with output_errors(self.path):
            self._file.write(line + "\n")
            self._file.flush()
        self._known[name] = value


def _read(path: Path, key: str) -> tuple[dict[str, Any], bool]:
    """The results of `key`, and whether the last line is torn off."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, False
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    lines = [line for line in data.split(b"\n") if line.strip()]
    parsed = [found for found in map(_parse, lines) if found is not None]
    if lines and not parsed and not (len(lines) == 1 and _is_torn(lines[0])):
        raise InputError(
            f"{os.fspath(path)} is not a file of results to resume from.",
            "Name another file for --resume; it is made if it is not there.",
        )
    known = {one["id"]: one["value"] for one in parsed if one["run"] == key}
    return known, bool(data) and not data.endswith(b"\n")


def _is_torn(line: bytes) -> bool:
    """Whether a line may be the beginning of one of ours."""
    return all(a == b for a, b in zip(line, _BEGINNING, strict=False))


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or set(value) != {"run", "id", "value"}:
        return None
    return value if isinstance(value["run"], str) and isinstance(value["id"], str) else None

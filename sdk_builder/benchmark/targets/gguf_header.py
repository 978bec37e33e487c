"""The few facts of a GGUF file that a result needs, from the metadata at its beginning.

`models.gguf_file` reads whole files, strictly; this one skips what it does not need and works
where only the benchmark's requirements are installed.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sdk_builder.errors import InputError

_STRING, _ARRAY = 8, 9
# Value type -> its struct format; all little-endian.
_SCALARS = {
    **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i"},
    **{6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"},
}
_MOST_KEYS = 10_000
_LONGEST_TEXT = 1 << 16  # of a key, or of a value that is read; longer ones are skipped


@dataclass(frozen=True)
class GgufFacts:
    """What a GGUF file says of itself; empty and 0: nothing."""

    architecture: str
    name: str
    context_length: int


def read_gguf_facts(path: Path) -> GgufFacts:
    """The facts of the file. Raises InputError if it is no GGUF file, or cut off."""
    try:
        with path.open("rb") as file:
            found = _Reader(file, path).metadata()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    architecture = _text(found.get("general.architecture"))
    context = found.get(f"{architecture}.context_length")
    return GgufFacts(
        architecture=architecture,
        name=_text(found.get("general.name")),
        context_length=context if isinstance(context, int) and context > 0 else 0,
    )


class _Reader:
    """Walks over the metadata; everything that reaches past the end is an InputError."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._size = path.stat().st_size

    def metadata(self) -> dict[str, object]:
        """Texts and numbers by key; lists are skipped."""
        if self._size < 4 or self._take(4) != b"GGUF":
            raise InputError(f"{self._path} is not a GGUF file.", "Give a .gguf file.")
        version = self._number("I")
        if version not in (2, 3):
            raise InputError(f"{self._path}: GGUF version {version} is not supported.")
        self._number("Q")  # how many tensors
        keys = self._number("Q")
        if keys > _MOST_KEYS:
            raise self._damaged()
        found: dict[str, object] = {}
        for _ in range(keys):
            key = self._string()
            found[key or ""] = self._value(self._number("I"))
        return found

    def _value(self, kind: int) -> object:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._skip_array()
            return None
        return self._unpack(self._format(kind))

    def _skip_array(self) -> None:
        kind, count = self._number("I"), self._number("Q")
        if kind == _STRING:
            for _ in range(count):  # each takes 8 bytes at least, so the file's end ends this
                self._skip(self._number("Q"))
        elif kind == _ARRAY:
            raise self._damaged()  # allowed by the format, used by nobody
        else:
            self._skip(count * struct.calcsize("<" + self._format(kind)))

    def _string(self) -> str | None:
        length = self._number("Q")
        if length > _LONGEST_TEXT:
            self._skip(length)
            return None
        return self._take(length).decode("utf-8", "replace")

    def _format(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise self._damaged()
        return _SCALARS[kind]

    def _number(self, form: str) -> int:
        value = self._unpack(form)
        return int(value)

    def _unpack(self, form: str) -> int | float | bool:
        form = "<" + form
        value: int | float | bool = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise self._damaged()
        return data

    def _skip(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise self._damaged()
        self._file.seek(count, 1)

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._path} is a damaged GGUF file (at byte {self._file.tell()}).",
            "Download it again and compare its SHA-256.",
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

"""Bringing files to a phone: hashed on both sides, never half-written, resumable."""

from __future__ import annotations

import hashlib
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.files import (
    PART,
    free_bytes,
    full_error,
    hash_of,
    is_full,
    make_folder,
    patience_s,
    remove,
    script,
    size_of,
)
from sdk_builder.device.refusals import command_failed
from sdk_builder.errors import InputError, TransferError

_CHUNK_BYTES = 2**18

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Pushed:
    """What a push did; `resumed_at_bytes` were there already from one that was cut short."""

    skipped: bool
    resumed_at_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class _Source:
    """Content to send: a file here, or bytes."""

    name: str
    size_bytes: int
    _path: Path | None = None
    _data: bytes = b""

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The content from byte `start` up to `end`. Raises InputError if it is cut off."""
        left = (self.size_bytes if end is None else end) - start
        if self._path is None:
            yield from _pieces(self._data[start : start + left])
            return
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise _unreadable(self._path, error) from error
        if left > 0:
            raise InputError(f"{self.name} became shorter while it was read.")

    def sha256(self, end: int | None = None) -> str:
        """SHA-256 of the first `end` bytes."""
        digest = hashlib.sha256()
        for chunk in self.chunks(0, end):
            digest.update(chunk)
        return digest.hexdigest()


def push(
    phone: AdbPhone,
    source: Path,
    target: str,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Pushed:
    """Bring a file to the path `target` on the phone, readable for apps.

    Nothing is sent if the phone has the same content there already; what a broken push left is
    continued. `sha256` saves hashing the file here; a file with another content is refused.

    Raises InputError, DeviceFullError (the phone has too little room; nothing is left there),
    TransferError (what arrived is not what was sent), CommandFailedError, DeviceLostError.
    """
    try:
        status = source.stat()
    except OSError as error:
        raise _unreadable(source, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{source} is not a file.")
    what = _Source(str(source), status.st_size, source)
    return _push(phone, what, target, sha256 or what.sha256(), progress)


def push_bytes(phone: AdbPhone, data: bytes, target: str) -> Pushed:
    """Write bytes to the path `target` on the phone, as `push` does."""
    what = _Source(posixpath.basename(target), len(data), None, data)
    return _push(phone, what, target, what.sha256(), None)


def _push(
    phone: AdbPhone, source: _Source, target: str, sha256: str, progress: Progress | None
) -> Pushed:
    size = source.size_bytes
    make_folder(phone, posixpath.dirname(target))
    if size_of(phone, target) == size and hash_of(phone, target, size) == sha256:
        if progress:
            progress(size, size)
        return Pushed(True, 0, size)
    part = target + PART
    start = _resume_at(phone, source, part)
    _check_room(phone, target, size - start)
    _send(phone, source, part, start, progress)
    arrived = hash_of(phone, part, size)
    if arrived != sha256:
        remove(phone, part)
        if source.sha256() != sha256:
            raise InputError(f"{source.name} is damaged: its SHA-256 is not {sha256}.")
        raise TransferError(
            f"{source.name} arrived on phone {phone.serial} with another content "
            f"(SHA-256 {arrived or 'not known'}).",
            "Try again; if it repeats, try another cable or port.",
            serial=phone.serial,
        )
    result = script(phone, 'chmod a+r "$1" && mv -f "$1" "$2"', part, target)
    if result.returncode != 0:
        raise command_failed(phone.serial, f"{target} cannot be put in place", result)
    return Pushed(False, start, size)


def _resume_at(phone: AdbPhone, source: _Source, part: str) -> int:
    """How many bytes of the part file are the beginning of `source`: all of it, or 0."""
    there = size_of(phone, part)
    if there is None:
        return 0
    fits = there <= source.size_bytes
    if fits and hash_of(phone, part, there) == source.sha256(there):
        return there
    remove(phone, part)  # now: the room that it takes may be needed
    return 0


def _check_room(phone: AdbPhone, target: str, need: int) -> None:
    free = free_bytes(phone, posixpath.dirname(target))
    if free is not None and free < need:
        raise full_error(phone, target, need)


def _send(
    phone: AdbPhone, source: _Source, part: str, start: int, progress: Progress | None
) -> None:
    """Append what is missing to the part file, or begin it anew."""

    def counted(chunks: Iterable[bytes]) -> Iterator[bytes]:
        done = start
        for chunk in chunks:
            yield chunk
            done += len(chunk)
            if progress:
                progress(done, source.size_bytes)

    result = phone.shell(
        ["sh", "-c", 'cat >> "$1"' if start else 'cat > "$1"', "sh", part],
        timeout_s=patience_s(source.size_bytes - start),
        stdin=counted(source.chunks(start)),
    )
    if result.returncode != 0:
        if is_full(result):
            remove(phone, part)  # a full phone is of use to nobody
            raise full_error(phone, part.removesuffix(PART), source.size_bytes, result)
        raise command_failed(phone.serial, f"{part} cannot be written", result)


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"Cannot read {path}: {error.strerror or error}.")

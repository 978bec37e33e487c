"""Open a bundle, from its folder or from a zip of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import struct
import tempfile
import weakref
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Protocol

from sdk_builder.bundle.manifest import MANIFEST_NAME, Manifest
from sdk_builder.bundle.manifest_file import MAX_MANIFEST_BYTES, decode_manifest
from sdk_builder.bundle.record import FILE_NAME
from sdk_builder.errors import BundleError, output_errors

COPY_AGAIN = "The copy may be incomplete: copy the bundle again, or export it again."

_CHUNK_BYTES = 2**20
_ENCRYPTED = 0x1  # in a zip entry's flags


class _MissingFile(BundleError):
    """A file of the bundle is not there."""


class Store(Protocol):
    """Where the files of a bundle are. All methods raise BundleError."""

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file, piece by piece."""
        ...

    def path(self, name: str) -> Path:
        """A file on disk with the content of this one."""
        ...

    def close(self) -> None:
        """Remove what `path` had to write."""
        ...


@dataclass(frozen=True)
class Bundle:
    """An open bundle. Its files are looked at only when asked for (`check_files`)."""

    path: Path
    manifest: Manifest
    _store: Store = field(repr=False, compare=False)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Bundle:
        """Read the manifest of the folder or zip at `path`.

        Raises BundleError if there is none, or if it is damaged or from a newer shakti-sdk.
        """
        where = Path(path)
        store = _open_store(where)
        try:
            size = store.size(MANIFEST_NAME)
        except _MissingFile as error:
            raise BundleError(
                f"{where} is not a bundle: it has no {MANIFEST_NAME}.",
                "Make one with: shakti-sdk export MODEL",
            ) from error
        if size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{where}/{MANIFEST_NAME} is too large to be a manifest.")
        data = b"".join(store.chunks(MANIFEST_NAME))
        return cls(where, decode_manifest(data, f"{where}/{MANIFEST_NAME}"), store)

    @property
    def program_path(self) -> Path:
        """The program as a file, of the right size. Out of a zip, it is extracted once.

        Raises BundleError if it is missing, cut off, or (from a zip) changed.
        """
        program = self.manifest.program
        size = self.size(program.file)
        if size != program.size_bytes:
            raise BundleError(
                f"{self.path}/{program.file} has {size} bytes instead of {program.size_bytes}.",
                COPY_AGAIN,
            )
        return self._store.path(program.file)

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer as a file. Out of a zip, it is extracted once. Raises BundleError."""
        return self._store.path(self.manifest.tokenizer.file)

    def size(self, name: str) -> int:
        """The size in bytes of a file of the bundle. Raises BundleError if it is missing."""
        return self._store.size(name)

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file of the bundle, piece by piece. Raises BundleError."""
        return self._store.chunks(name)

    def read_bytes(self, name: str) -> bytes:
        """The content of a file of the bundle. Raises BundleError."""
        return b"".join(self._store.chunks(name))

    def close(self) -> None:
        """Remove files that were extracted from a zip; also done when the process ends."""
        self._store.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sha256_of(chunks: Iterable[bytes]) -> str:
    """The SHA-256 of content given piece by piece, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def file_chunks(path: Path) -> Iterator[bytes]:
    """The content of a file, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _open_store(path: Path) -> Store:
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise BundleError(
            f"There is no bundle at {path}.", "Make one with: shakti-sdk export MODEL"
        )
    if path.suffix == ".pte":
        raise BundleError(
            f"{path} is a program, not a bundle.", "Give the folder that an export wrote."
        )
    with _reading(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        archive_bytes = path.stat().st_size
    return _Zip(path, _checked_entries(path, entries, archive_bytes))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a damaged folder or zip raises into BundleError."""
    try:
        yield
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it ends too early"
        raise BundleError(f"Cannot read {path}: {reason}.", COPY_AGAIN) from error
    except (zipfile.BadZipFile, struct.error, ValueError, RuntimeError) as error:
        # zipfile's own words for damage; NotImplementedError is a RuntimeError.
        raise BundleError(f"{path} is no bundle folder, nor a zip of one: {error}.") from error


class _Folder:
    """The files of a bundle's folder, as they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, name: str) -> int:
        with _reading(self._folder / name):
            try:
                status = (self._folder / name).stat()
            except FileNotFoundError as error:
                raise _MissingFile(f"{name} is missing from {self._folder}.", COPY_AGAIN) from error
        if not stat.S_ISREG(status.st_mode):  # reading a pipe could wait for ever
            raise BundleError(f"{self._folder / name} is not a file.")
        return status.st_size

    def chunks(self, name: str) -> Iterator[bytes]:
        self.size(name)
        with _reading(self._folder / name):
            yield from file_chunks(self._folder / name)

    def path(self, name: str) -> Path:
        self.size(name)
        return self._folder / name

    def close(self) -> None:
        pass


class _Zip:
    """The files in a stored zip, read in place; `path` extracts to a temporary folder."""

    def __init__(self, path: Path, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        self._path = path
        self._entries = entries
        self._extracted: Path | None = None
        self._cleanup: weakref.finalize[..., _Zip] | None = None

    def size(self, name: str) -> int:
        return self._entry(name).file_size

    def chunks(self, name: str) -> Iterator[bytes]:
        entry = self._entry(name)
        with (
            _reading(self._path),
            zipfile.ZipFile(self._path) as archive,
            archive.open(entry) as file,
        ):
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def path(self, name: str) -> Path:
        entry = self._entry(name)
        if self._extracted is None:
            with output_errors(tempfile.gettempdir()):
                self._extracted = Path(tempfile.mkdtemp(prefix="shakti-bundle-"))
            self._cleanup = weakref.finalize(self, shutil.rmtree, self._extracted, True)
        target = self._extracted / name
        if not target.exists() or target.stat().st_size != entry.file_size:
            self._extract(name, target)
        return target

    def close(self) -> None:
        if self._cleanup is not None:
            self._cleanup()
        self._extracted = self._cleanup = None

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self._entries:
            raise _MissingFile(f"{name} is missing from {self._path}.", COPY_AGAIN)
        return self._entries[name]

    def _extract(self, name: str, target: Path) -> None:
        with output_errors(target), target.open("wb") as file:
            for chunk in self.chunks(name):
                file.write(chunk)


def _checked_entries(
    path: Path, entries: Iterable[zipfile.ZipInfo], archive_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """The entries by name. BundleError for any that write_zip would not have made."""
    checked: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        problem = None
        if not re.fullmatch(FILE_NAME, entry.orig_filename):
            problem = "has a name that a bundle's file cannot have"
        elif entry.filename in checked:
            problem = "is there twice"
        elif entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            problem = "is compressed"
        elif entry.flag_bits & _ENCRYPTED:
            problem = "is encrypted"
        if problem:
            raise BundleError(
                f"{path} is not a zip of a bundle: {entry.orig_filename[:80]!r} {problem}.",
                "Make the zip with shakti-sdk, or unpack it and give the folder.",
            )
        checked[entry.filename] = entry
    if sum(entry.file_size for entry in checked.values()) > archive_bytes:
        raise BundleError(f"{path} is damaged: its files overlap.", COPY_AGAIN)
    return checked

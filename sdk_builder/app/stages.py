"""What the compilers made, kept for as long as nothing changes that it was made of.

A stage is a folder in the cache, named by a fingerprint of all that goes into it: a second build
of the same sources runs no compiler, and the app's tests share the classes with the build.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app import compiling, dexing
from sdk_builder.app.archive import Entry
from sdk_builder.app.compiling import APP_JAVA, Compilation, compile_java, compile_sources
from sdk_builder.app.dexing import Dexing, make_dex
from sdk_builder.app.framework import Framework
from sdk_builder.app.jdk import Jdk
from sdk_builder.app.keep import made_folder
from sdk_builder.errors import output_errors

_UNUSED_S = 3 * 24 * 3600.0
_WARNINGS = "warnings.json"
_ENTRIES = "entries.json"


class Fingerprint:
    """A short name for inputs; equal only if all of them are."""

    def __init__(self, *texts: str) -> None:
        self._digest = hashlib.sha256()
        self.texts(*texts)

    def texts(self, *texts: str) -> Fingerprint:
        for text in texts:
            self._digest.update(f"{len(text)}:{text};".encode())
        return self

    def files(self, files: Iterable[Path], root: Path | None = None) -> Fingerprint:
        """By content, and by their path below `root`, or else their name."""
        for path in files:
            shown = path.relative_to(root).as_posix() if root else path.name
            self.texts(shown, hashlib.sha256(path.read_bytes()).hexdigest())
        return self

    def libraries(self, paths: Iterable[Path]) -> Fingerprint:
        """By place, size and time: these are large, and nobody edits them."""
        for path in paths:
            state = path.stat()
            self.texts(str(path), str(state.st_size), str(state.st_mtime_ns))
        return self

    @property
    def name(self) -> str:
        return self._digest.hexdigest()[:20]


def stage(cache: Path, kind: str, of: Fingerprint, make: Callable[[Path], None]) -> Path:
    """The folder of a stage, filled by `make` unless it is there; older ones are removed."""
    folder = made_folder(cache / f"{kind}-{of.name}", make)
    with output_errors(folder):
        os.utime(folder)  # in use
    for other in cache.glob(f"{kind}-*"):
        if _unused_s(other) > _UNUSED_S:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _unused_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0  # another build removed it


@dataclass(frozen=True)
class AppSources:
    """The app's code: Kotlin below the folders, R.java, and what both may use.

    libraries: jars that are part of the app.
    """

    folders: tuple[Path, ...]
    r_java: Path
    libraries: tuple[Path, ...]
    framework: Framework

    @property
    def kotlin(self) -> tuple[Path, ...]:
        return compiling.source_files(*self.folders)


@dataclass(frozen=True)
class AppClasses:
    """Folders of classes, and what the compiler warned of."""

    app: Path
    resources: Path
    warnings: tuple[str, ...]

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.app, self.resources


def compiled_app(
    jdk: Jdk, compiler: tuple[Path, ...], sources: AppSources, cache: Path
) -> AppClasses:
    """The app's classes. Raises CompileError, OutputError."""
    java = sorted(sources.r_java.rglob("*.java"))
    of = Fingerprint(jdk.version).libraries((*compiler, *sources.libraries))
    of.libraries([sources.framework.classes]).files([Path(compiling.__file__)])
    of.files(java, sources.r_java)
    for folder in sources.folders:
        of.files(compiling.source_files(folder), folder)

    def make(target: Path) -> None:
        resources, app = target / "resources", target / "app"
        compile_java(jdk, java, (), resources, APP_JAVA)
        uses = (resources, *sources.libraries, sources.framework.classes)
        warnings = compile_sources(jdk, compiler, Compilation(sources.kotlin, uses), app)
        (target / _WARNINGS).write_text(json.dumps(warnings), encoding="utf-8")

    folder = stage(cache, "classes", of, make)
    warnings = tuple(json.loads((folder / _WARNINGS).read_text(encoding="utf-8")))
    return AppClasses(folder / "app", folder / "resources", warnings)


def dexed_app(jdk: Jdk, r8: tuple[Path, ...], inputs: Dexing, cache: Path) -> list[Entry]:
    """The dex and service files of the APK. Raises CompileError, OutputError."""
    rules = (*(inputs.rules or ()), *inputs.framework.shrinker_rules)
    of = Fingerprint(jdk.version, str(inputs.min_sdk), str(inputs.rules is None))
    of.libraries((*r8, *inputs.jars, inputs.framework.classes)).files(rules)
    of.files([Path(dexing.__file__)])
    for folder in inputs.classes:
        of.files(sorted(folder.rglob("*.class")), folder)

    def make(target: Path) -> None:
        entries = make_dex(jdk, r8, inputs, target)
        for number, entry in enumerate(entries):
            (target / str(number)).write_bytes(entry.data)
        names = [entry.name for entry in entries]
        (target / _ENTRIES).write_text(json.dumps(names), encoding="utf-8")

    folder = stage(cache, "dex", of, make)
    names = json.loads((folder / _ENTRIES).read_text(encoding="utf-8"))
    return [Entry(name, (folder / str(i)).read_bytes()) for i, name in enumerate(names)]

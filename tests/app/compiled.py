"""The app and its tests as classes: compiled once for each content of the sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app import aapt2, compiling, resources
from sdk_builder.app.catalog import CATALOG, LOCK, Catalog, read_catalog
from sdk_builder.app.compiling import TEST_JAVA, Compilation, compile_java, compile_sources
from sdk_builder.app.framework import Framework, slim_framework
from sdk_builder.app.jdk import Jdk, find_jdk
from sdk_builder.app.keep import made_folder
from sdk_builder.app.resources import Levels, Resources, Version, link_resources
from sdk_builder.app.runtimes import Runtime, resolve_runtime
from sdk_builder.app.toolchain import app_cache, open_store
from sdk_builder.log import Step, Steps

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "android_demo"
SOURCES = DEMO / "app" / "src"
RUNNER = Path(__file__).parent / "runner"
ROBOLECTRIC_SDK = 34  # src/test/resources/robolectric.properties has the same
_UNUSED_S = 24 * 3600.0


@dataclass(frozen=True)
class Libraries:
    """What the tests are compiled and run with.

    instrumented: the folder of the Android that Robolectric runs.
    """

    jdk: Jdk
    aapt2: Path
    framework: Framework
    compiler: tuple[Path, ...]
    app: tuple[Path, ...]
    test: tuple[Path, ...]
    android: Path
    instrumented: Path
    runtime: Runtime


@dataclass(frozen=True)
class CompiledTests:
    """Class path of the tests, in order, and what Robolectric is told about the app."""

    libraries: Libraries
    main: Path
    test: Path
    linked: Path

    @property
    def class_path(self) -> tuple[Path, ...]:
        libraries = self.libraries
        own = (self.main, self.test, self.linked / "classes", SOURCES / "test" / "resources")
        uses = (*libraries.test, *libraries.runtime.jars, libraries.android)
        return (*own, *uses)

    def robolectric_properties(self) -> str:
        """The text of com/android/tools/test_config.properties."""
        return (
            f"android_merged_manifest={SOURCES / 'main' / 'AndroidManifest.xml'}\n"
            f"android_merged_assets={SOURCES / 'main' / 'assets'}\n"
            f"android_resource_apk={self.linked / 'resources.ap_'}\n"
            "android_custom_package=io.shakti.demo\n"
        )


def compile_tests(steps: Steps) -> CompiledTests:
    """Everything that is needed to run the tests. Raises ShaktiError."""
    with steps.step("Libraries") as step:
        libraries = _libraries(read_catalog(DEMO), step)
    cache = app_cache() / "tests"
    _remove_unused(cache)
    linked = _linked(libraries, cache, steps)
    main = _main(libraries, linked, cache, steps)
    test = _test(libraries, linked, main, cache, steps)
    return CompiledTests(libraries, main, test, linked)


def _libraries(catalog: Catalog, step: Step) -> Libraries:
    store = open_store()

    def bring(bundle: str) -> tuple[Path, ...]:
        return tuple(store.bring(catalog.bundle(bundle), step))

    android, instrumented = bring("framework-test")
    cache = app_cache()
    sha256 = str(catalog.bundle("framework")[0].sha256)
    runtimes = cache / "runtimes"
    return Libraries(
        jdk=find_jdk(),
        aapt2=aapt2.extract(bring("aapt2")[0], cache / "aapt2"),
        framework=slim_framework(bring("framework")[0], sha256, cache / "framework"),
        compiler=bring("compiler"),
        app=bring("app"),
        test=bring("test"),
        android=android,
        instrumented=instrumented.parent,
        runtime=resolve_runtime("community", ("x86_64",), catalog, store, runtimes, step),
    )


def _linked(libraries: Libraries, cache: Path, steps: Steps) -> Path:
    """resources.ap_ for Robolectric and the classes of R."""
    main = SOURCES / "main"
    inputs = [main / "AndroidManifest.xml", *_files(main / "res"), *_files(main / "assets")]

    def make(target: Path) -> None:
        with steps.step("Resources linked for the tests"):
            linked = link_resources(
                libraries.aapt2,
                Resources(
                    main,
                    libraries.framework.resources,
                    Levels(28, ROBOLECTRIC_SDK),
                    Version("0.0.0-test", 1),
                ),
                target,
            )
            java = sorted(linked.java.rglob("*.java"))
            compile_java(libraries.jdk, java, (), target / "classes", TEST_JAVA)

    return _kept(cache / f"resources-{_key(inputs)}", make)


def _main(libraries: Libraries, linked: Path, cache: Path, steps: Steps) -> Path:
    sources = compiling.source_files(
        SOURCES / "main" / "kotlin", SOURCES / libraries.runtime.flavour.name / "kotlin"
    )

    def make(target: Path) -> None:
        uses = (linked / "classes", *libraries.app, *libraries.runtime.jars)
        compilation = Compilation(sources, (*uses, libraries.framework.classes))
        _compile("app", libraries, compilation, target, steps)

    return _kept(cache / f"main-{_key(sources, linked.name)}", make)


def _test(libraries: Libraries, linked: Path, main: Path, cache: Path, steps: Steps) -> Path:
    sources = compiling.source_files(RUNNER, SOURCES / "test" / "kotlin", SOURCES / "test" / "java")

    def make(target: Path) -> None:
        uses = (main, linked / "classes", *libraries.test, *libraries.runtime.jars)
        compilation = Compilation(sources, (*uses, libraries.android), TEST_JAVA, friends=main)
        _compile("tests", libraries, compilation, target, steps)

    return _kept(cache / f"test-{_key(sources, main.name)}", make)


def _compile(
    what: str, libraries: Libraries, compilation: Compilation, target: Path, steps: Steps
) -> None:
    with steps.step(f"Kotlin compiled: {what}") as step:
        warnings = compile_sources(libraries.jdk, libraries.compiler, compilation, target)
        for warning in warnings:
            step.note(warning)


def _key(files: Iterable[Path], *names: str) -> str:
    """A name for what is made of these files, of the locked libraries, and by this code."""
    digest = hashlib.sha256("\n".join(names).encode())
    own = [Path(compiling.__file__), Path(resources.__file__), Path(__file__)]
    for path in (*own, DEMO / CATALOG, DEMO / LOCK, *files):
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        digest.update(f"{shown}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _kept(target: Path, make) -> Path:
    folder = made_folder(target, make)
    os.utime(folder)
    return folder


def _remove_unused(cache: Path) -> None:
    """Remove what no run has asked for in a day."""
    for folder in cache.glob("*-*"):
        try:
            unused_s = time.time() - folder.stat().st_mtime
        except OSError:
            continue  # another run removed it
        if unused_s > _UNUSED_S and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)

"""The app and its tests as classes: compiled once for each content of the sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app import aapt2, compiling
from sdk_builder.app.catalog import Catalog, read_catalog
from sdk_builder.app.compiling import TEST_JAVA, Compilation, compile_sources
from sdk_builder.app.framework import Framework, slim_framework
from sdk_builder.app.jdk import Jdk, find_jdk
from sdk_builder.app.resources import Levels, Resources, Version, link_resources
from sdk_builder.app.runtimes import Runtime, resolve_runtime
from sdk_builder.app.stages import AppClasses, AppSources, Fingerprint, compiled_app, stage
from sdk_builder.app.toolchain import app_cache, open_store
from sdk_builder.device.app import MIN_API
from sdk_builder.log import Step, Steps

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "android_demo"
SOURCES = DEMO / "app" / "src"
RUNNER = Path(__file__).parent / "runner"
ROBOLECTRIC_SDK = 34  # src/test/resources/robolectric.properties has the same


@dataclass(frozen=True)
class Libraries:
    """What the tests are compiled and run with.

    instrumented: the folder of the Androids that Robolectric runs.
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
    app: AppClasses
    test: Path
    linked: Path

    @property
    def main(self) -> Path:
        """The app's own classes."""
        return self.app.app

    @property
    def class_path(self) -> tuple[Path, ...]:
        libraries = self.libraries
        own = (*self.app.folders, self.test, SOURCES / "test" / "resources")
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
    cache = app_cache() / "stages"
    linked = _linked(libraries, cache, steps)
    app = _app(libraries, linked, cache, steps)
    test = _test(libraries, app, cache, steps)
    return CompiledTests(libraries, app, test, linked)


def _libraries(catalog: Catalog, step: Step) -> Libraries:
    store = open_store()

    def bring(bundle: str) -> tuple[Path, ...]:
        return tuple(store.bring(catalog.bundle(bundle), step))

    android, instrumented = bring("framework-test")
    bring("framework-oldest")  # found beside the other by Robolectric
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
    """resources.ap_ for Robolectric, and R.java below r."""
    main = SOURCES / "main"
    files = [main / "AndroidManifest.xml", *_files(main / "res"), *_files(main / "assets")]

    def make(target: Path) -> None:
        with steps.step("Resources linked for the tests"):
            link_resources(
                libraries.aapt2,
                Resources(
                    main,
                    libraries.framework.resources,
                    Levels(MIN_API, ROBOLECTRIC_SDK),
                    Version("0.0.0-test", 1),
                ),
                target,
            )

    of = Fingerprint().libraries([libraries.aapt2, libraries.framework.resources])
    return stage(cache, "resources", of.files(files, main), make)


def _app(libraries: Libraries, linked: Path, cache: Path, steps: Steps) -> AppClasses:
    sources = AppSources(
        (SOURCES / "main" / "kotlin", SOURCES / libraries.runtime.flavour.name / "kotlin"),
        linked / "r",
        (*libraries.app, *libraries.runtime.jars),
        libraries.framework,
    )
    with steps.step("Kotlin compiled: app") as step:
        classes = compiled_app(libraries.jdk, libraries.compiler, sources, cache)
        for warning in classes.warnings:
            step.note(warning)
    return classes


def _test(libraries: Libraries, app: AppClasses, cache: Path, steps: Steps) -> Path:
    folders = (RUNNER, SOURCES / "test" / "kotlin", SOURCES / "test" / "java")
    uses = (*app.folders, *libraries.test, *libraries.runtime.jars, libraries.android)
    compilation = Compilation(compiling.source_files(*folders), uses, TEST_JAVA, friends=app.app)

    def make(target: Path) -> None:
        for warning in compile_sources(libraries.jdk, libraries.compiler, compilation, target):
            steps.note(warning)

    of = Fingerprint(app.app.parent.name, libraries.jdk.version)
    of.libraries((*libraries.compiler, *uses[2:])).files([Path(compiling.__file__)])
    with steps.step("Kotlin compiled: tests"):
        return stage(cache, "tests", of.files(compilation.sources, ROOT), make)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())

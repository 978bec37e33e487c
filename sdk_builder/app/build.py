"""From the app's sources to a signed APK: the whole build, step by step.

Identical inputs (sources, tools, key) give identical bytes, whatever folder they are in.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdk_builder import __version__
from sdk_builder.app.archive import Entry, write_archive
from sdk_builder.app.artifacts import repositories_from_environment
from sdk_builder.app.catalog import Catalog, read_catalog
from sdk_builder.app.dexing import Dexing
from sdk_builder.app.inspection import (
    BUILD_RECORD,
    ApkReport,
    RuntimeRecord,
    build_record,
    inspect_apk,
)
from sdk_builder.app.jdk import find_jdk
from sdk_builder.app.resources import Levels, Linked, Resources, link_resources, version_of
from sdk_builder.app.runtimes import Runtime, flavour_named, resolve_runtime
from sdk_builder.app.signing import Keystore, debug_keystore, sign, verify
from sdk_builder.app.sources import android_demo
from sdk_builder.app.stages import AppClasses, AppSources, compiled_app, dexed_app
from sdk_builder.app.toolchain import Tools, app_cache, open_store, resolve_tools
from sdk_builder.errors import output_errors
from sdk_builder.log import Steps

_STORED_SUFFIXES = (".png", ".webp", ".jpg", ".ogg", ".arsc")


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    output: a path that ends in .apk, or a folder. keystore None signs with this user's debug key.
    repositories: Maven repositories to ask before the default one, after those of
    SHAKTI_MAVEN_REPOSITORIES. offline: use only what is in the cache.
    """

    output: Path
    runtime: str = "official"
    abis: tuple[str, ...] = ("arm64-v8a",)
    keystore: Keystore | None = None
    repositories: tuple[str, ...] = ()
    shrink: bool = True
    offline: bool = False

    @property
    def apk(self) -> Path:
        """The file that is made."""
        if self.output.suffix == ".apk":
            return self.output
        return self.output / f"shakti-demo-{__version__}-{self.runtime}.apk"


@dataclass(frozen=True)
class BuiltApk:
    """The APK, what is inside, and what its user should know."""

    path: Path
    report: ApkReport
    warnings: tuple[str, ...]


def build_apk(request: BuildRequest, steps: Steps, *, demo: Path | None = None) -> BuiltApk:
    """Build, sign, verify and inspect the app; `demo` is another folder android_demo.

    Raises UsageError, ToolchainError and its family, OutputError. The APK appears whole or not.
    """
    flavour_named(request.runtime)
    demo = demo or android_demo()
    catalog = read_catalog(demo)
    tools, runtime = _resolve(request, catalog, steps)
    with output_errors(request.apk):  # before the work, not after it
        request.apk.parent.mkdir(parents=True, exist_ok=True)
    with (
        output_errors(tempfile.gettempdir()),
        tempfile.TemporaryDirectory(prefix="shakti-build-") as scratch,
    ):
        return _Build(request, demo, catalog, tools, runtime, Path(scratch), steps).run()


def _resolve(request: BuildRequest, catalog: Catalog, steps: Steps) -> tuple[Tools, Runtime]:
    repositories = (*request.repositories, *repositories_from_environment())
    store = open_store(repositories, request.offline)
    cache = app_cache() / "runtimes"
    find_jdk()  # before any download
    # First: it is what most likely is not to be had, and the tools are a long download.
    with steps.step("Runtime") as step:
        runtime = resolve_runtime(request.runtime, request.abis, catalog, store, cache, step)
        step.result(f"Runtime: {runtime.flavour.title} {runtime.version}")
    with steps.step("Tools") as step:
        tools = resolve_tools(catalog, store, step)
        step.result(f"Tools: JDK {tools.jdk.version}, Kotlin {catalog.versions['kotlin']}")
    return tools, runtime


@dataclass(frozen=True)
class _Build:
    """One build below `work`."""

    request: BuildRequest
    demo: Path
    catalog: Catalog
    tools: Tools
    runtime: Runtime
    work: Path
    steps: Steps

    @property
    def main(self) -> Path:
        return self.demo / "app" / "src" / "main"

    @property
    def stages(self) -> Path:
        return app_cache() / "stages"

    @property
    def levels(self) -> Levels:
        return Levels.of(self.catalog.versions)

    def run(self) -> BuiltApk:
        linked = self.link()
        classes = self.compile(linked)
        dex = self.dex(linked, classes)
        unsigned, signed = self.work / "unsigned.apk", self.work / "signed.apk"
        with self.steps.step("Packaged"):
            write_archive(unsigned, self.entries(linked, dex))
        self.sign(unsigned, signed)
        with self.steps.step("Verified") as step:
            target = self.levels.target_sdk
            verify(self.tools.jdk, self.tools.signer, signed, self.levels.min_sdk, target)
            _put(signed, self.request.apk)
            report = inspect_apk(self.request.apk)
            step.result(f"Verified: {report.size_bytes / 10**6:.1f} MB, {', '.join(report.abis)}")
        limits = tuple(f"runtime: {limit}" for limit in self.runtime.flavour.limits)
        warnings = (*classes.warnings, *limits, *self.runtime.remarks)
        for warning in warnings:
            self.steps.warn(warning)
        return BuiltApk(self.request.apk, report, warnings)

    def link(self) -> Linked:
        with self.steps.step("Resources"):
            resources = Resources(
                self.main, self.tools.framework.resources, self.levels, version_of(__version__)
            )
            return link_resources(self.tools.aapt2, resources, self.work)

    def compile(self, linked: Linked) -> AppClasses:
        flavour = self.demo / "app" / "src" / self.runtime.flavour.name
        sources = AppSources(
            (self.main / "kotlin", flavour / "kotlin"),
            linked.java,
            (*self.tools.libraries, *self.runtime.jars),
            self.tools.framework,
        )
        with self.steps.step(f"Kotlin: {len(sources.kotlin)} files"):
            return compiled_app(self.tools.jdk, self.tools.compiler, sources, self.stages)

    def dex(self, linked: Linked, classes: AppClasses) -> list[Entry]:
        rules = (self.demo / "app" / "proguard-rules.pro", linked.rules, *self.runtime.rules)
        dexing = Dexing(
            classes.folders,
            (*self.tools.libraries, *self.runtime.jars),
            self.tools.framework,
            self.levels.min_sdk,
            rules if self.request.shrink else None,
        )
        with self.steps.step("Shrunk and dexed" if self.request.shrink else "Dexed"):
            return dexed_app(self.tools.jdk, self.tools.shrinker, dexing, self.stages)

    def entries(self, linked: Linked, dex: list[Entry]) -> list[Entry]:
        """The APK's entries: the manifest first, then by name, libraries last."""
        runtime = self.runtime
        record = RuntimeRecord(
            runtime.flavour.name, runtime.flavour.title, runtime.version, runtime.flavour.limits
        )
        found = {entry.name: entry for entry in (*_linked_entries(linked.apk), *dex)}
        found[BUILD_RECORD] = Entry(BUILD_RECORD, build_record(record))
        first = found.pop("AndroidManifest.xml")
        return [first, *(found[name] for name in sorted(found)), *self.native(runtime.libraries)]

    def native(self, libraries: Mapping[str, Mapping[str, Path]]) -> list[Entry]:
        return [
            Entry(f"lib/{abi}/{name}", path.read_bytes(), stored=True)
            for abi, of_abi in sorted(libraries.items())
            for name, path in sorted(of_abi.items())
        ]

    def sign(self, unsigned: Path, signed: Path) -> None:
        with self.steps.step("Signed") as step:
            keystore = self.request.keystore
            if keystore is None:
                keystore = debug_keystore(self.tools.jdk, app_cache())
                step.result("Signed with the debug key of this user")
            sign(self.tools.jdk, self.tools.signer, keystore, unsigned, signed)


def _linked_entries(apk: Path) -> list[Entry]:
    """What aapt2 linked; what it stored stays so, as Android wants it of resources.arsc."""
    with zipfile.ZipFile(apk) as packed:
        return [
            Entry(
                one.filename,
                packed.read(one),
                stored=one.compress_type == zipfile.ZIP_STORED
                or one.filename.endswith(_STORED_SUFFIXES),
            )
            for one in packed.infolist()
            if not re.fullmatch(r"META-INF/.*", one.filename)
        ]


def _put(made: Path, target: Path) -> None:
    """Copy to a temporary name beside the target, then rename."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    with output_errors(target):
        try:
            shutil.copyfile(made, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

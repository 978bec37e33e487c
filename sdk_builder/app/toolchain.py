"""All that building the app takes, resolved before the first step of the build begins."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app import aapt2, npm
from sdk_builder.app.artifacts import ArtifactStore
from sdk_builder.app.catalog import Artifact, Catalog, read_catalog
from sdk_builder.app.framework import Framework, slim_framework
from sdk_builder.app.jdk import Jdk, find_jdk
from sdk_builder.app.sources import android_demo
from sdk_builder.cache import cache_dir
from sdk_builder.errors import ShaktiError, ToolchainError
from sdk_builder.findings import Finding
from sdk_builder.log import Step

SDK_VARIABLES = ("ANDROID_HOME", "ANDROID_SDK_ROOT")
OLDEST_BUILD_TOOLS = 35


@dataclass(frozen=True)
class Tools:
    """Programs and class paths; where the Android SDK is set up, its own.

    libraries: the app's own dependencies, without the runtime.
    """

    jdk: Jdk
    aapt2: Path
    framework: Framework
    compiler: tuple[Path, ...]
    libraries: tuple[Path, ...]
    shrinker: tuple[Path, ...]
    signer: tuple[Path, ...]


@dataclass(frozen=True)
class AndroidSdk:
    """The parts of an Android SDK that the build uses."""

    build_tools: Path
    platform: Path

    @property
    def aapt2(self) -> Path:
        return self.build_tools / ("aapt2.exe" if os.name == "nt" else "aapt2")

    @property
    def d8(self) -> Path:
        return self.build_tools / "lib" / "d8.jar"  # has R8, too

    @property
    def apksigner(self) -> Path:
        return self.build_tools / "lib" / "apksigner.jar"

    @property
    def framework(self) -> Framework:
        return Framework(self.platform / "android.jar", self.platform / "android.jar")


def app_cache() -> Path:
    """The folder below the cache where this room keeps what it fetched and made."""
    return cache_dir() / "app"


def open_store(repositories: tuple[str, ...] = (), offline: bool = False) -> ArtifactStore:
    """The store of Maven artifacts, in the cache."""
    return ArtifactStore(app_cache() / "maven", repositories, offline)


def find_android_sdk(compile_sdk: int) -> AndroidSdk | None:
    """The Android SDK of ANDROID_HOME; None where that is not set.

    Raises ToolchainError where it lacks what the build needs.
    """
    home = next((value for name in SDK_VARIABLES if (value := os.environ.get(name))), None)
    if home is None:
        return None
    folder = Path(home).expanduser()
    tools = _newest(folder / "build-tools", r"(\d+)\.[\d.]+$", OLDEST_BUILD_TOOLS)
    platform = _newest(folder / "platforms", r"android-(\d+)$", compile_sdk)
    if tools is None or platform is None:
        what = (
            f"build-tools {OLDEST_BUILD_TOOLS} or newer"
            if tools is None
            else (f"the platform {compile_sdk} or newer")
        )
        raise ToolchainError(
            f"The Android SDK in {home} has not {what}.",
            f'Run: sdkmanager "build-tools;{compile_sdk}.0.0" "platforms;android-{compile_sdk}". '
            "Or unset ANDROID_HOME to build without the SDK.",
        )
    sdk = AndroidSdk(tools, platform)
    for path in (sdk.aapt2, sdk.d8, sdk.apksigner, sdk.framework.classes):
        if not path.is_file():
            raise ToolchainError(
                f"The Android SDK is not whole: {path} is missing.",
                "Install its packages again, or unset ANDROID_HOME to build without the SDK.",
            )
    return sdk


def resolve_tools(catalog: Catalog, store: ArtifactStore, step: Step) -> Tools:
    """Everything but the runtime, downloaded where it is missing.

    Raises JdkError, ToolchainError and its family, OutputError.
    """
    jdk = find_jdk()
    sdk = find_android_sdk(int(catalog.versions["compileSdk"]))

    def bring(bundle: str) -> tuple[Path, ...]:
        return tuple(store.bring(catalog.bundle(bundle), step))

    return Tools(
        jdk=jdk,
        aapt2=sdk.aapt2 if sdk else aapt2.extract(bring("aapt2")[0], app_cache() / "aapt2"),
        framework=sdk.framework if sdk else _framework(catalog, bring),
        compiler=bring("compiler"),
        libraries=bring("app"),
        shrinker=(sdk.d8,) if sdk else bring("shrinker"),
        signer=(sdk.apksigner,) if sdk else bring("signer"),
    )


def _framework(catalog: Catalog, bring: Callable[[str], tuple[Path, ...]]) -> Framework:
    sha256 = catalog.bundle("framework")[0].sha256
    return slim_framework(bring("framework")[0], str(sha256), app_cache() / "framework")


def _newest(folder: Path, pattern: str, oldest: int) -> Path | None:
    """The folder with the highest number, if that is at least `oldest`."""
    found = [
        (tuple(int(n) for n in re.findall(r"\d+", path.name)), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := re.match(pattern, path.name)) and int(match[1]) >= oldest
    ]
    return max(found)[1] if found else None


# --- for `doctor` -----------------------------------------------------------------------


def examine_toolchain() -> list[Finding]:
    """Whether this machine can build the app; every miss with its fix."""
    try:
        catalog = read_catalog(android_demo())
    except ToolchainError as error:
        return [Finding("app sources", "missing", error.message, error.hint)]
    return [
        _jdk_finding(),
        _tools_finding(catalog),
        *_cache_findings(catalog),
        _npm_finding(catalog),
    ]


def _jdk_finding() -> Finding:
    try:
        jdk = find_jdk()
    except ShaktiError as error:
        return Finding("JDK", "missing", error.message, error.hint)
    return Finding("JDK", "ok", f"{jdk.version} in {jdk.home}")


def _tools_finding(catalog: Catalog) -> Finding:
    """aapt2, dexer and signer: of the Android SDK or of the cache."""
    try:
        sdk = find_android_sdk(int(catalog.versions["compileSdk"]))
        if sdk:
            return Finding("Android tools", "ok", f"of the Android SDK: {sdk.build_tools}")
        aapt2.member_for_this_machine()
    except ShaktiError as error:
        return Finding("Android tools", "missing", error.message, error.hint)
    return Finding("Android tools", "ok", "without an Android SDK (ANDROID_HOME is not set)")


def _cache_findings(catalog: Catalog) -> list[Finding]:
    store = open_store()
    wanted = {
        artifact
        for name, artifacts in catalog.bundles.items()
        if not name.startswith(("test", "framework-test", "framework-oldest", "runtime-official"))
        for artifact in artifacts
    }
    missing = [artifact for artifact in wanted if not store.is_cached(artifact)]
    detail = f"{len(wanted) - len(missing)} of {len(wanted)} Maven artifacts in {store.folder}"
    if not missing:
        return [Finding("app build cache", "ok", detail)]
    fix = f"The first `shakti-sdk demo build` downloads the other {_megabytes(missing)} MB."
    return [Finding("app build cache", "warning", detail, fix)]


def _npm_finding(catalog: Catalog) -> Finding:
    version = catalog.versions["react-native-executorch"]
    if any((app_cache() / "runtimes").glob(f"react-native-executorch-{version}-*")):
        return Finding("npm", "ok", "not needed: the community runtime is in the cache")
    path = npm.find_npm()
    if path:
        return Finding("npm", "ok", f"{path} (for --runtime community)")
    return Finding(
        "npm", "warning", "not found (only --runtime community needs it)", npm.MISSING_HINT
    )


def _megabytes(artifacts: list[Artifact]) -> int:
    return round(sum(artifact.size_bytes or 0 for artifact in artifacts) / 10**6)

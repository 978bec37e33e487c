"""The builds of ExecuTorch that the app can carry: the official one, and one that npm has."""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sdk_builder.app.artifacts import ArtifactStore, require_sha256
from sdk_builder.app.catalog import Catalog, NpmPackage
from sdk_builder.app.keep import made_folder
from sdk_builder.app.npm import pack
from sdk_builder.errors import (
    ArtifactMissingError,
    NetworkError,
    ToolchainError,
    UsageError,
    output_errors,
)
from sdk_builder.log import Step

ABIS = ("arm64-v8a", "x86_64")
FORM = "1"  # of what is unpacked; another one unpacks anew


@dataclass(frozen=True)
class Flavour:
    """A runtime that the app can be built with.

    sources: the folder of android_demo/app/src that has its adapter; limits: sentences for
    people, shown at the build and in the inspection.
    """

    name: str
    title: str
    version_key: str
    limits: tuple[str, ...] = ()


FLAVOURS: Mapping[str, Flavour] = MappingProxyType(
    {
        "official": Flavour("official", "ExecuTorch", "executorch"),
        "community": Flavour(
            "community",
            "ExecuTorch as built for react-native-executorch",
            "react-native-executorch",
            (
                "an older ExecuTorch than the official build",
                "native libraries for 4 KiB pages: it does not start on phones with 16 KiB pages",
            ),
        ),
    }
)


@dataclass(frozen=True)
class Runtime:
    """What an app with this runtime is made of.

    jars: classes; libraries: path of each native library by ABI and file name; rules: shrinker
    rules that the runtime itself brings; remarks: sentences about where it came from.
    """

    flavour: Flavour
    version: str
    jars: tuple[Path, ...]
    libraries: Mapping[str, Mapping[str, Path]]
    rules: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()


def flavour_named(name: str) -> Flavour:
    """Raises UsageError for a name that is none."""
    try:
        return FLAVOURS[name]
    except KeyError:
        raise UsageError(
            f"No runtime is called {name}.", f"Runtimes: {', '.join(FLAVOURS)}."
        ) from None


def resolve_runtime(
    name: str, abis: Sequence[str], catalog: Catalog, store: ArtifactStore, cache: Path, step: Step
) -> Runtime:
    """The runtime called `name`, downloaded and unpacked if it is not there yet.

    Raises UsageError, ArtifactMissingError, NetworkError, TamperedArtifactError, ToolchainError,
    OutputError.
    """
    flavour = flavour_named(name)
    for abi in abis:
        if abi not in ABIS:
            raise UsageError(f"No runtime is built for {abi}.", f"ABIs: {', '.join(ABIS)}.")
    archives = _archives(flavour, catalog, store, step)
    parts = [_unpacked(archive, cache) for archive in archives]
    if name == "community":
        package = catalog.npm["react-native-executorch"]
        parts.append(_community(package, cache, store.offline))
    libraries = {abi: _libraries(parts, abi) for abi in abis}
    return Runtime(
        flavour,
        catalog.versions[flavour.version_key],
        tuple(jar for part in parts for jar in sorted(part.glob("*.jar"))),
        libraries,
        tuple(rules for part in parts for rules in sorted(part.glob("proguard.txt"))),
        tuple(filter(None, map(store.unpinned, catalog.bundle(f"runtime-{name}")))),
    )


def _archives(flavour: Flavour, catalog: Catalog, store: ArtifactStore, step: Step) -> list[Path]:
    try:
        return store.bring(catalog.bundle(f"runtime-{flavour.name}"), step)
    except ArtifactMissingError as error:
        if flavour.name != "official":
            raise
        raise ArtifactMissingError(
            f"{error.message} It is the official ExecuTorch runtime.",
            "Build with the runtime that npm has: --runtime community. Or give a repository that "
            "has the official one: --repository.",
        ) from error


def _unpacked(archive: Path, cache: Path) -> Path:
    """An Android library: its classes, its native libraries by ABI, its shrinker rules."""

    def unpack(target: Path) -> None:
        try:
            with zipfile.ZipFile(archive) as aar:
                for name in aar.namelist():
                    parts = name.split("/")
                    if name in ("classes.jar", "proguard.txt"):
                        _write(target / name, aar.read(name))
                    elif name.endswith(".so") and parts[0] == "jni" and parts[1] in ABIS:
                        _write(target / "jni" / parts[1] / parts[2], aar.read(name))
        except zipfile.BadZipFile as error:
            raise ToolchainError(f"{archive.name} is no Android library: {error}.") from error

    return made_folder(cache / f"{archive.stem}-{FORM}", unpack)


def _community(package: NpmPackage, cache: Path, offline: bool) -> Path:
    """Of the npm package only the runtime: no part of React Native is used."""
    members = {
        "package/android/libs/classes.jar": "classes.jar",
        **{
            f"package/third-party/android/libs/executorch/{abi}/libexecutorch.so": (
                f"jni/{abi}/libexecutorch.so"
            )
            for abi in ABIS
        },
    }

    def unpack(target: Path) -> None:
        if offline:
            raise NetworkError(
                f"{package.name} is not in the cache, and nothing may be downloaded.",
                "Build once with a connection, without --offline.",
            )
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            archive = pack(package.name, package.version, Path(scratch))
            require_sha256(archive, package.sha256, f"The package {package.name}")
            _extract(archive, members, target)

    return made_folder(cache / f"{package.name}-{package.version}-{FORM}", unpack)


def _extract(archive: Path, members: Mapping[str, str], target: Path) -> None:
    found = set()
    try:
        with tarfile.open(archive) as tar:
            for entry in tar:
                if entry.name in members and (packed := tar.extractfile(entry)) is not None:
                    _write(target / members[entry.name], packed.read())
                    found.add(entry.name)
    except tarfile.TarError as error:
        raise ToolchainError(f"{archive.name} is no npm package: {error}.") from error
    if missing := members.keys() - found:
        raise ToolchainError(f"{archive.name} does not hold {min(missing)}.")


def _write(path: Path, data: bytes) -> None:
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _libraries(parts: Sequence[Path], abi: str) -> dict[str, Path]:
    return {path.name: path for part in parts for path in sorted((part / "jni" / abi).glob("*.so"))}

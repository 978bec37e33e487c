"""The app's manifest, resources and assets, compiled and linked by aapt2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app.aapt2 import run_aapt2
from sdk_builder.errors import output_errors


@dataclass(frozen=True)
class Levels:
    """Of Android: the oldest that the app runs on, and the one it was made for."""

    min_sdk: int
    target_sdk: int

    @classmethod
    def of(cls, versions: Mapping[str, str]) -> Levels:
        """The levels in the version catalog."""
        return cls(int(versions["minSdk"]), int(versions["targetSdk"]))


@dataclass(frozen=True)
class Version:
    """The app's version: for people, and the number that Android compares."""

    name: str
    code: int


@dataclass(frozen=True)
class Linked:
    """apk: resources alone; java: folder of R.java; rules: what the shrinker must keep for them."""

    apk: Path
    java: Path
    rules: Path


@dataclass(frozen=True)
class Resources:
    """What is linked: the folder with AndroidManifest.xml, res and assets, and against what."""

    main: Path
    framework: Path
    levels: Levels
    version: Version
    extra_assets: tuple[Path, ...] = ()


def link_resources(aapt2: Path, resources: Resources, work: Path) -> Linked:
    """Compile and link below `work`, which is there.

    Raises CompileError with aapt2's own lines, OutputError.
    """
    compiled = work / "resources.zip"
    linked = Linked(work / "resources.ap_", work / "r", work / "aapt2-rules.pro")
    with output_errors(work):
        linked.java.mkdir()
    run_aapt2(
        aapt2,
        ["compile", "--dir", resources.main / "res", "-o", compiled],
        what="compiling the resources",
    )
    folders = (resources.main / "assets", *resources.extra_assets)
    assets = [part for folder in folders if folder.is_dir() for part in ("-A", folder)]
    run_aapt2(
        aapt2,
        [
            *("link", compiled, "-I", resources.framework, *assets),
            *("--manifest", resources.main / "AndroidManifest.xml"),
            *("--min-sdk-version", str(resources.levels.min_sdk)),
            *("--target-sdk-version", str(resources.levels.target_sdk)),
            *("--version-name", resources.version.name),
            *("--version-code", str(resources.version.code), "--replace-version"),
            *("--java", linked.java, "--proguard", linked.rules, "-o", linked.apk),
        ],
        what="linking the resources",
    )
    return linked


def version_of(name: str) -> Version:
    """1.2.3 has the code 10203: each part below 100 has its own two digits.

    What follows the three numbers (".dev1", "rc2") does not count: such builds replace each other.
    """
    numbers = []
    for part in name.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(min(int(digits or 0), 99))
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return Version(name, max(1, major * 10_000 + minor * 100 + patch))

"""What the app is built from: the version catalog and the lock file, read as one.

libs.versions.toml (which Gradle reads too) says which versions; artifacts.lock.json says which
files these are, dependencies included, and the SHA-256 of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdk_builder.errors import ToolchainError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CATALOG = Path("gradle/libs.versions.toml")
LOCK = Path("gradle/artifacts.lock.json")
LOCK_FORMAT = 1


@dataclass(frozen=True, order=True)
class Coordinate:
    """A file in a Maven repository, written `group:name:version` or `group:name:version@aar`."""

    group: str
    name: str
    version: str
    extension: str = "jar"

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """Raises ValueError for anything but `group:name:version[@extension]`."""
        ids, _, extension = text.partition("@")
        group, name, version = ids.split(":")
        return cls(group, name, version, extension or "jar")

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}.{self.extension}"

    def __str__(self) -> str:
        suffix = "" if self.extension == "jar" else f"@{self.extension}"
        return f"{self.group}:{self.name}:{self.version}{suffix}"


@dataclass(frozen=True)
class Artifact:
    """A file that the lock names; sha256 None: nobody could learn it yet."""

    coordinate: Coordinate
    sha256: str | None
    size_bytes: int | None


@dataclass(frozen=True)
class NpmPackage:
    """A package of the npm registry; sha256 is that of its archive."""

    name: str
    version: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Catalog:
    """versions: of the catalog, by name; bundles: class paths, by name, dependencies included."""

    versions: Mapping[str, str]
    bundles: Mapping[str, tuple[Artifact, ...]]
    npm: Mapping[str, NpmPackage]

    def bundle(self, name: str) -> tuple[Artifact, ...]:
        """The files of a class path, the catalog's own first."""
        return self.bundles[name]


def read_catalog(demo: Path) -> Catalog:
    """The catalog of the app in `demo`. Raises ToolchainError where a file is damaged."""
    table = read_toml(demo / CATALOG)
    lock = _read_lock(demo / LOCK)
    try:
        files = {
            text: Artifact(Coordinate.parse(text), entry["sha256"], entry["bytes"])
            for text, entry in lock["artifacts"].items()
        }
        bundles = {
            name: tuple(files[text] for text in texts) for name, texts in lock["bundles"].items()
        }
        npm = {
            name: NpmPackage(name, entry["version"], entry["sha256"], entry["bytes"])
            for name, entry in lock["npm"].items()
        }
        versions = {name: str(version) for name, version in table["versions"].items()}
        catalog = Catalog(versions, bundles, npm)
        _require_agreement(table, catalog)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ToolchainError(
            f"{demo / LOCK} does not fit {CATALOG.name}: {error}.",
            "Take both files from one commit, or run: python -m sdk_builder.app.relock",
        ) from error
    return catalog


def read_toml(path: Path) -> dict[str, Any]:
    """Raises ToolchainError where the file is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ToolchainError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ToolchainError(f"{path} is no version catalog: {error}.") from error


def libraries(table: Mapping[str, Any]) -> dict[str, str]:
    """`group:name:version` of each library in a version catalog, by alias."""
    return {
        alias: f"{entry['module']}:{table['versions'][entry['version']['ref']]}"
        for alias, entry in table["libraries"].items()
    }


def _read_lock(path: Path) -> dict[str, Any]:
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ToolchainError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ToolchainError(f"{path} is no JSON: {error}.") from error
    if not isinstance(lock, dict) or lock.get("format") != LOCK_FORMAT:
        raise ToolchainError(f"{path} is not a lock file of format {LOCK_FORMAT}.")
    return lock


def _require_agreement(table: Mapping[str, Any], catalog: Catalog) -> None:
    """Raises ValueError where a bundle of the catalog is not the lock's, or another version."""
    known = libraries(table)
    for bundle, aliases in table["bundles"].items():
        held = {str(one.coordinate).partition("@")[0] for one in catalog.bundles[bundle]}
        for alias in aliases:
            if known[alias] not in held:
                raise ValueError(f"{known[alias]} is missing from its bundle {bundle}")
    for name, package in catalog.npm.items():
        if package.version != table["versions"][name]:
            raise ValueError(f"{name} is locked at {package.version}")

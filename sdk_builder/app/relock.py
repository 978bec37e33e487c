"""Makes artifacts.lock.json from libs.versions.toml: run it after a change of versions.

Maven itself resolves the dependencies and npm fetches the package, so both must be installed. A
file that cannot be had is locked without its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from sdk_builder.app.catalog import CATALOG, LOCK, LOCK_FORMAT, Coordinate, libraries, read_toml
from sdk_builder.app.npm import pack
from sdk_builder.app.sources import android_demo
from sdk_builder.errors import ToolchainError
from sdk_builder.process import run

# Class paths, with all that they depend on; a second name: resolved together with that bundle.
CLASS_PATHS: dict[str, tuple[str, ...]] = {"app": (), "compiler": (), "test": ("app",)}
EXTENSIONS = {"executorch-android": "aar", "fbjni": "aar"}
NPM = ("react-native-executorch",)
# Only Google's own repository has these; the tests bring stand-ins of their own.
EXCLUDED = (
    "androidx.test:monitor",
    "androidx.test.espresso:espresso-idling-resource",
    "com.google.testparameterinjector:test-parameter-injector",
)
_MAVEN_TIMEOUT_S = 1800.0


def main() -> int:
    """Write the lock file; names on stderr what could not be had."""
    demo = android_demo()
    table = read_toml(demo / CATALOG)
    modules = libraries(table)
    bundles: dict[str, list[str]] = {}
    artifacts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="shakti-relock-") as scratch:
        for name, aliases in table["bundles"].items():
            together = [
                *aliases,
                *(a for b in CLASS_PATHS.get(name, ()) for a in table["bundles"][b]),
            ]
            roots = [_coordinate(modules[alias], alias) for alias in together]
            files = _resolve(roots, Path(scratch) / name, transitive=name in CLASS_PATHS)
            bundles[name] = [str(coordinate) for coordinate in files]
            artifacts |= {str(coordinate): _entry(path) for coordinate, path in files.items()}
        npm = {name: _npm_entry(name, table["versions"][name], Path(scratch)) for name in NPM}
    lock = {
        "format": LOCK_FORMAT,
        "bundles": bundles,
        "artifacts": dict(sorted(artifacts.items())),
        "npm": npm,
    }
    (demo / LOCK).write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    for text, entry in artifacts.items():
        if entry["sha256"] is None:
            sys.stderr.write(f"{text} does not resolve: locked without its SHA-256\n")
    return 0


def _coordinate(module: str, alias: str) -> Coordinate:
    group, name, version = module.split(":")
    return Coordinate(group, name, version, EXTENSIONS.get(alias, "jar"))


def _resolve(
    roots: list[Coordinate], folder: Path, *, transitive: bool
) -> dict[Coordinate, Path | None]:
    """The files of a class path, roots first, then by name; None for one that does not resolve."""
    if not transitive:
        return {root: _resolve_one(root, folder / root.name) for root in roots}
    found = _maven(roots, folder)
    return {
        **{root: found[root] for root in roots},
        **dict(sorted((c, path) for c, path in found.items() if c not in roots)),
    }


def _resolve_one(root: Coordinate, folder: Path) -> Path | None:
    try:
        return _maven([root], folder, exclude_all=True)[root]
    except ToolchainError:
        return None


def _maven(
    roots: list[Coordinate], folder: Path, *, exclude_all: bool = False
) -> dict[Coordinate, Path]:
    """What Maven copies for the roots, by coordinate."""
    folder.mkdir(parents=True)
    (folder / "pom.xml").write_text(_pom(roots, ("*:*",) if exclude_all else EXCLUDED), "utf-8")
    goal = "dependency:copy-dependencies"
    options = ("-Dmdep.useRepositoryLayout=true", "-DoutputDirectory=files")
    run(["mvn", "-q", "-B", goal, *options], cwd=folder, timeout_s=_MAVEN_TIMEOUT_S, what="locking")
    found = {}
    for path in sorted((folder / "files").rglob("*.?ar")):
        *group, name, version, _ = path.relative_to(folder / "files").parts
        found[Coordinate(".".join(group), name, version, path.suffix[1:])] = path
    return found


def _pom(roots: list[Coordinate], excluded: tuple[str, ...]) -> str:
    exclusions = "".join(
        f"<exclusion><groupId>{group}</groupId><artifactId>{name}</artifactId></exclusion>"
        for group, name in (one.split(":") for one in excluded)
    )
    dependencies = "".join(
        f"<dependency><groupId>{escape(root.group)}</groupId>"
        f"<artifactId>{escape(root.name)}</artifactId><version>{escape(root.version)}</version>"
        f"<type>{root.extension}</type><exclusions>{exclusions}</exclusions></dependency>"
        for root in roots
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>shakti</groupId><artifactId>lock</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )


def _entry(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {"sha256": None, "bytes": None}
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}


def _npm_entry(name: str, version: str, scratch: Path) -> dict[str, Any]:
    return {"version": version, **_entry(pack(name, version, scratch))}


if __name__ == "__main__":
    sys.exit(main())

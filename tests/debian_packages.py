"""Programs of Debian for tests, unpacked in the cache folder: nothing is installed.

The packages are downloaded with apt and unpacked below SHAKTI_CACHE (or ~/.cache/shakti-sdk), where
they stay for the next time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COMMAND_S = 300.0


class PackagesMissingError(Exception):
    """A program is not here and cannot be had; the text is the reason."""


def unpacked(packages: Sequence[str], program: str) -> Path:
    """The folder into which `packages` are unpacked; the first call brings them there.

    program: a path below it that is there once all is well. Packages that this machine has
    installed are left out, but for the first. Raises PackagesMissingError.
    """
    chosen = os.environ.get("SHAKTI_CACHE")
    base = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "shakti-sdk"
    cache = base / packages[0]
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / "tree"
    with _alone(cache / "lock"):
        if not (tree / program).is_file():
            shutil.rmtree(tree, ignore_errors=True)
            _bring(packages, cache, tree)
        if not (tree / program).is_file():
            raise PackagesMissingError(f"{packages[0]} has no {program}")
    return tree


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: tests may run side by side."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring(packages: Sequence[str], cache: Path, tree: Path) -> None:
    """Download the packages that are missing here, and unpack them."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise PackagesMissingError(f"no {tool} to get Debian's {packages[0]} with")
    try:
        files = _download(packages, cache / "debs")
    except PackagesMissingError:
        if os.geteuid() != 0:
            raise
        run(["apt-get", "-qq", "update"])  # the lists may be missing, or too old to be served
        files = _download(packages, cache / "debs")
    fresh = cache / "tree.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for file in files:
        run(["dpkg-deb", "-x", str(file), str(fresh)])
    os.rename(fresh, tree)
    shutil.rmtree(cache / "debs")


def _download(packages: Sequence[str], folder: Path) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wanted = ["apt-get", "-qq", "-y", "--no-install-recommends", "--print-uris", "install"]
    # A line: 'URI' FILE SIZE HASH; FILE is NAME_VERSION_ARCHITECTURE.deb.
    names = [line.split()[1].split("_")[0] for line in run([*wanted, *packages]).splitlines()]
    if packages[0] not in names:
        names.append(packages[0])
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names], cwd=folder)
    return sorted(folder.glob("*.deb"))


def run(
    argv: Sequence[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Run a program to its end; what it wrote. Raises PackagesMissingError if that goes wrong."""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackagesMissingError(f"{argv[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PackagesMissingError(f"{argv[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout

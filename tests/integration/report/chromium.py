"""A headless Chromium for tests: the one that is here, else Debian's package in the cache folder.

Nothing is installed: the packages are downloaded with apt and unpacked below SHAKTI_CACHE (or
~/.cache/shakti-sdk), where they stay for the next time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
COMMAND_S = 300.0


class ChromiumMissing(Exception):
    """There is no Chromium, and none can be had; the text is the reason."""


@dataclass(frozen=True)
class Chromium:
    """A program to start, with what its environment must hold."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def required() -> bool:
    """Whether its absence is a failure (in CI) and not a reason to skip."""
    return bool(os.environ.get("CI")) or os.environ.get("SHAKTI_REQUIRE_CHROMIUM") == "1"


def find_chromium() -> Chromium:
    """The Chromium to test with. Raises ChromiumMissing."""
    if chosen := os.environ.get("SHAKTI_CHROMIUM"):
        return _answering(Chromium(Path(chosen)))
    for name in PROGRAMS:
        if found := shutil.which(name):
            return _answering(Chromium(Path(found)))
    return _unpacked(_cache())


def _cache() -> Path:
    chosen = os.environ.get("SHAKTI_CACHE")
    base = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "shakti-sdk"
    return base / "chromium"


def _unpacked(cache: Path) -> Chromium:
    """Chromium from the cache folder; the first call brings it there."""
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / "tree"
    with _alone(cache / "lock"):
        try:
            return _answering(_in_tree(tree))
        except ChromiumMissing:
            shutil.rmtree(tree, ignore_errors=True)
        _bring(cache, tree)
        return _answering(_in_tree(tree))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: tests may run side by side."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring(cache: Path, tree: Path) -> None:
    """Download the packages that are missing here, and unpack them."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise ChromiumMissing(f"no Chromium on PATH, and no {tool} to get Debian's with")
    try:
        files = _download(cache / "debs")
    except ChromiumMissing:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "-qq", "update"])  # the lists may be missing, or too old to be served
        files = _download(cache / "debs")
    fresh = cache / "tree.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for file in files:
        _run(["dpkg-deb", "-x", str(file), str(fresh)])
    os.rename(fresh, tree)
    shutil.rmtree(cache / "debs")


def _download(folder: Path) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wanted = ["apt-get", "-qq", "-y", "--no-install-recommends", "--print-uris", "install"]
    # A line: 'URI' FILE SIZE HASH; FILE is NAME_VERSION_ARCHITECTURE.deb.
    names = [line.split()[1].split("_")[0] for line in _run([*wanted, *PACKAGES]).splitlines()]
    if PACKAGES[0] not in names:
        names.append(PACKAGES[0])
    _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names], cwd=folder)
    return sorted(folder.glob("*.deb"))


def _in_tree(tree: Path) -> Chromium:
    program = tree / "usr" / "lib" / "chromium" / "chromium-headless-shell"
    libraries = [*tree.glob("usr/lib/*-linux-gnu*"), *tree.glob("usr/lib/*-linux-gnu*/pulseaudio")]
    if not program.is_file():
        raise ChromiumMissing("not in the cache folder")
    fonts = tree / "fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>/usr/share/fonts</dir><dir>{tree}/usr/share/fonts</dir>"
        f"<cachedir>{tree}/font-cache</cachedir>"
        # What nothing else matches, system-ui among it.
        '<match target="pattern"><edit name="family" mode="append_last">'
        "<string>DejaVu Sans</string></edit></match></fontconfig>"
    )
    paths = os.pathsep.join(str(path) for path in [program.parent, *libraries])
    return Chromium(program, {"LD_LIBRARY_PATH": paths, "FONTCONFIG_FILE": str(fonts)})


def _answering(chromium: Chromium) -> Chromium:
    """The same, once it has told its version."""
    _run([str(chromium.program), "--version"], environment=chromium.environment)
    return chromium


def _run(
    argv: Sequence[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> str:
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
        raise ChromiumMissing(f"{argv[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ChromiumMissing(f"{argv[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout

"""A headless Chromium for tests: the one that is here, else Debian's, in the cache folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.debian_packages import run, unpacked

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
PROGRAM = "usr/lib/chromium/chromium-headless-shell"


@dataclass(frozen=True)
class Chromium:
    """A program to start, with what its environment must hold."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)


def required() -> bool:
    """Whether its absence is a failure (in CI) and not a reason to skip."""
    return bool(os.environ.get("CI")) or os.environ.get("SHAKTI_REQUIRE_CHROMIUM") == "1"


def find_chromium() -> Chromium:
    """The Chromium to test with. Raises PackagesMissingError."""
    if chosen := os.environ.get("SHAKTI_CHROMIUM"):
        return _answering(Chromium(Path(chosen)))
    for name in PROGRAMS:
        if found := shutil.which(name):
            return _answering(Chromium(Path(found)))
    return _answering(_in_tree(unpacked(PACKAGES, PROGRAM)))


def _in_tree(tree: Path) -> Chromium:
    program = tree / PROGRAM
    libraries = [*tree.glob("usr/lib/*-linux-gnu*"), *tree.glob("usr/lib/*-linux-gnu*/pulseaudio")]
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
    run([str(chromium.program), "--version"], environment=chromium.environment)
    return chromium

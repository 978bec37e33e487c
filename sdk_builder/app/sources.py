"""Where the app's own files are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

from sdk_builder.errors import ToolchainError

_PACKAGE = Path(__file__).resolve().parents[1]


def android_demo() -> Path:
    """The folder android_demo. Raises ToolchainError where it is missing."""
    for folder in (_PACKAGE / "android_demo", _PACKAGE.parent / "android_demo"):
        if (folder / "gradle" / "libs.versions.toml").is_file():
            return folder
    raise ToolchainError(
        "The sources of the demo app are missing from this installation.",
        "Install shakti-sdk from a checkout or a wheel again.",
    )

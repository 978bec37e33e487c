"""What the app's tests take from the machine.

Where it is missing they are skipped with the reason; where they must run (CI, or
SHAKTI_REQUIRE_APP=1 in the environment) they fail.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys

import pytest

from sdk_builder.app.jdk import find_jdk
from sdk_builder.app.npm import MISSING_HINT, find_npm
from sdk_builder.errors import ToolchainError


def missing_tool() -> str | None:
    """What this machine lacks, with the way to get it; None if it has everything."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"they run on Linux x86_64, this is {sys.platform} {platform.machine()}"
    try:
        find_jdk()
    except ToolchainError as error:
        return f"{error.message} {error.hint}"
    if find_npm() is None:
        return f"npm was not found. {MISSING_HINT}"
    if not (shutil.which("gcc") or shutil.which("cc")):
        return "no C compiler was found (on Debian and Ubuntu: apt install build-essential)"
    return None


def require_app_tools() -> None:
    """Skip the test, or fail it where it must run, if the machine lacks a tool."""
    missing = missing_tool()
    if missing is None:
        return
    if os.environ.get("CI") or os.environ.get("SHAKTI_REQUIRE_APP") == "1":
        pytest.fail(f"the app's tests are required here, but: {missing}", pytrace=False)
    pytest.skip(f"no tests of the app: {missing}")

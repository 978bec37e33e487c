"""The demo app as a phone has it: its names, and where it finds what is pushed for it.

The app's sources have the same values.
"""

from __future__ import annotations

import shlex

from sdk_builder.device.files import PUBLIC_ROOT

PACKAGE = "io.shakti.demo"
MAIN_ACTIVITY = f"{PACKAGE}/.MainActivity"
BUNDLE_EXTRA = "bundle"  # of the main activity: the folder of the bundle to open

PHONE_FOLDER = f"{PUBLIC_ROOT}/shakti"  # bundles/ and the benchmark's plans/ live below it
BUNDLES_FOLDER = f"{PHONE_FOLDER}/bundles"


def install_command(serial: str) -> str:
    """What the user types to put the app on this phone."""
    return f"shakti-sdk demo install --device {shlex.quote(serial)}"


def uninstall_command(serial: str) -> str:
    """What the user types to take it off."""
    return f"shakti-sdk demo uninstall --device {shlex.quote(serial)}"

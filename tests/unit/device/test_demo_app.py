"""What the SDK and the app both know of each other."""

from __future__ import annotations

from pathlib import Path

import sdk_builder
from sdk_builder.device.demo_app import BUNDLES_FOLDER, install_command, uninstall_command

SOURCES = Path(sdk_builder.__file__).parents[1] / "android_demo/app/src/main/kotlin/io/shakti/demo"


def test_the_app_looks_for_bundles_where_they_are_pushed():
    texts = [path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.kt")]
    assert any(BUNDLES_FOLDER in text for text in texts)


def test_a_serial_is_one_word_of_a_command():
    assert install_command("R5CT1") == "shakti-sdk demo install --device R5CT1"
    assert uninstall_command("a b;c") == "shakti-sdk demo uninstall --device 'a b;c'"

"""The official flavour's adapter, compiled and run over the declared API of its library.

The library itself (org.pytorch:executorch-android) is out of reach here: see
android_demo/app/src/test/official-api/README.md.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sdk_builder.app.compiling import Compilation, compile_sources, source_files
from sdk_builder.app.jdk import class_path, run_java
from sdk_builder.log import Steps
from tests.app.compiled import SOURCES, compile_tests


def write_program_head(path: Path) -> Path:
    """A file that begins as a program does, with tables and no segments."""
    tables = 64
    path.write_bytes(
        struct.pack("<I4s4sIQQQ", 48, b"ET12", b"eh00", 32, tables, tables, 0) + bytes(tables)
    )
    return path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_adapter_fits_the_declared_api_and_translates_its_failures(tmp_path):
    compiled = compile_tests(Steps.silent())
    libraries = compiled.libraries
    sources = source_files(SOURCES / "official" / "kotlin", SOURCES / "test" / "official-api")
    # The app's classes are those of the other flavour, whose adapter these sources replace.
    uses = (compiled.main, *libraries.app, libraries.framework.classes)
    classes = tmp_path / "classes"

    compile_sources(libraries.jdk, libraries.compiler, Compilation(sources, uses), classes)

    program = write_program_head(tmp_path / "model.pte")
    done = run_java(
        libraries.jdk,
        [
            *("-cp", class_path((classes, compiled.main, *libraries.app))),
            *("io.shakti.demo.runtime.OfficialCheckKt", program),
        ],
        what="running the official adapter",
        timeout_s=60,
    )
    assert done.stdout.strip() == "the official adapter keeps to its API"

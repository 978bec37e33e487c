"""The app's own benchmark code as a process of a stand-in phone, on this machine's JVM."""

from __future__ import annotations

from sdk_builder.app.jdk import QUICK, class_path
from tests.app.android_runtime import build_harness, jvm_options
from tests.app.compiled import CompiledTests

MAIN = "io.shakti.demo.host.InstrumentationHost"


def app_process(compiled: CompiledTests) -> list[str]:
    """The command for `InstalledApp.process`; it must not write but below the phone's /data."""
    libraries = compiled.libraries
    harness = build_harness(libraries.runtime.libraries["x86_64"])
    return [
        *(str(libraries.jdk.tool("java")), *QUICK, "-Xmx1g", "-XX:-UsePerfData"),
        "-XX:ErrorFile=/data/local/tmp/jvm-error.log",
        "-Djava.io.tmpdir=/data/local/tmp",
        "-Dfile.encoding=UTF-8",
        *jvm_options(harness),
        *("-cp", class_path(compiled.class_path), MAIN),
    ]

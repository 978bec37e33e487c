"""Programs of the app's test sources that run on this machine's JVM beside the JUnit tests."""

from __future__ import annotations

from collections.abc import Sequence

from sdk_builder.app.jdk import QUICK, class_path
from tests.app.android_runtime import build_harness, jvm_options
from tests.app.compiled import CompiledTests

PACKAGE = "io.shakti.demo.host"


def command(
    compiled: CompiledTests, main: str, *arguments: str, options: Sequence[str] = ()
) -> list[str]:
    """The command line of the class `main` of this package, without Android's library."""
    return [
        *(str(compiled.libraries.jdk.tool("java")), *QUICK, "-Xmx1g", "-Dfile.encoding=UTF-8"),
        *options,
        *("-cp", class_path(compiled.class_path), f"{PACKAGE}.{main}", *arguments),
    ]


def runtime_options(compiled: CompiledTests) -> list[str]:
    """The options that bring Android's library along."""
    return jvm_options(build_harness(compiled.libraries.runtime.libraries["x86_64"]))


def app_process(compiled: CompiledTests) -> list[str]:
    """For `InstalledApp.process` of a stand-in phone: it writes nowhere but below its /data."""
    own = (
        "-XX:-UsePerfData",
        "-XX:ErrorFile=/data/local/tmp/jvm-error.log",
        "-Djava.io.tmpdir=/data/local/tmp",
    )
    options = [*own, *runtime_options(compiled)]
    return command(compiled, "InstrumentationHost", options=options)

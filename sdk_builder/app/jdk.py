"""The Java development kit that runs the compilers, and programs that run in it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdk_builder.errors import JdkError, ShaktiError, ToolchainError
from sdk_builder.process import Completed, run

OLDEST, NEWEST = 17, 25
HINT = (
    f"Install a JDK {OLDEST} to {NEWEST} (on Debian and Ubuntu: apt install "
    "openjdk-17-jdk-headless; on macOS: brew install openjdk@21), or set JAVA_HOME to one."
)
# Short runs: the fast compiler alone, and the collector that needs no threads.
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_ASK_TIMEOUT_S = 60.0
_SUFFIX = ".exe" if sys.platform == "win32" else ""


@dataclass(frozen=True)
class Jdk:
    """A development kit; `home` has bin/java, bin/javac and bin/keytool."""

    home: Path
    version: str

    def tool(self, name: str) -> Path:
        """Path of one of its programs."""
        return self.home / "bin" / f"{name}{_SUFFIX}"


def find_jdk() -> Jdk:
    """The JDK of JAVA_HOME, else that of `java` on PATH.

    Raises JdkError: none, only a runtime, or a version that the build was not made for.
    """
    given = os.environ.get("JAVA_HOME")
    java = Path(given).expanduser() / "bin" / f"java{_SUFFIX}" if given else None
    if java is not None and not java.is_file():
        raise JdkError(f"JAVA_HOME is {given}, where there is no bin/java.", HINT)
    on_path = shutil.which("java")
    if java is None and on_path is None:
        raise JdkError("No JDK was found: java is not on PATH and JAVA_HOME is not set.", HINT)
    jdk = _ask(java or Path(str(on_path)))
    for tool in ("javac", "keytool"):
        if not jdk.tool(tool).is_file():
            raise JdkError(f"The Java in {jdk.home} has no {tool}: it is a runtime, no JDK.", HINT)
    if not OLDEST <= _major(jdk.version) <= NEWEST:
        raise JdkError(f"The JDK in {jdk.home} is version {jdk.version}.", HINT)
    return jdk


@cache
def _ask(java: Path) -> Jdk:
    """What a `java` says of itself."""
    try:
        done = run(
            [java, "-XshowSettings:properties", "-version"],
            timeout_s=_ASK_TIMEOUT_S,
            what="asking for the Java version",
        )
    except ToolchainError as error:
        raise JdkError(f"{java} does not run.", f"{error.hint}\n{HINT}".strip()) from error
    said = dict(re.findall(r"^\s*(java\.\w+(?:\.\w+)*) = (.*)$", done.stderr, re.MULTILINE))
    if not {"java.home", "java.version"} <= said.keys():
        raise JdkError(f"{java} does not say its version and home.", HINT)
    return Jdk(Path(said["java.home"].strip()), said["java.version"].strip())


def _major(version: str) -> int:
    """17 of "17.0.15"; 8 of "1.8.0_402"; 24 of "24-ea"."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    return numbers[1] if numbers[:1] == [1] else numbers[0]


def class_path(entries: Sequence[Path]) -> str:
    """Entries as `java -cp` wants them."""
    return os.pathsep.join(str(entry) for entry in entries)


def run_java(
    jdk: Jdk,
    arguments: Sequence[str | Path],
    *,
    what: str,
    timeout_s: float,
    heap: str = "1500m",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    error: Callable[[str, str], ShaktiError] = ToolchainError,
    check: bool = True,
) -> Completed:
    """Run a class or source file in a JVM; `arguments` begin with its options.

    `env` is added to our environment. Raises `error` where it fails.
    """
    argv = [jdk.tool("java"), *QUICK, f"-Xmx{heap}", "-Dfile.encoding=UTF-8", *arguments]
    whole = None if env is None else {**os.environ, **env}
    return run(argv, timeout_s=timeout_s, what=what, env=whole, cwd=cwd, error=error, check=check)

"""Kotlin and Java sources to classes, by the compilers themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.app.jdk import Jdk, class_path, run_java
from sdk_builder.errors import CompileError, output_errors
from sdk_builder.process import run

_COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
_TIMEOUT_S = 900.0
_LINES = 60  # of what the compiler says, in an error's hint
# The API of Java that Android 8 has whole: what came later would compile and then crash there.
APP_JAVA = "8"
TEST_JAVA = "11"


@dataclass(frozen=True)
class Compilation:
    """What is compiled: source files, and what they may use.

    java: the release of Java whose API they may use; friends: classes whose internal
    declarations they may use.
    """

    sources: tuple[Path, ...]
    class_path: tuple[Path, ...]
    java: str = APP_JAVA
    friends: Path | None = None


def source_files(*folders: Path) -> tuple[Path, ...]:
    """Kotlin and Java files below the folders, in a fixed order; a missing folder has none."""
    return tuple(
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".kt", ".java")
    )


def compile_sources(
    jdk: Jdk, compiler: Sequence[Path], compilation: Compilation, target: Path
) -> tuple[str, ...]:
    """Compile into the folder `target`; returns the compiler's warnings.

    Raises CompileError with the compiler's own lines, OutputError.
    """
    with output_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    kotlin = [path for path in compilation.sources if path.suffix == ".kt"]
    java = [path for path in compilation.sources if path.suffix == ".java"]
    warnings = _compile_kotlin(jdk, compiler, compilation, target) if kotlin else ()
    if java:
        compile_java(jdk, java, (target, *compilation.class_path), target, compilation.java)
    return warnings


def compile_java(
    jdk: Jdk, sources: Sequence[Path], uses: Sequence[Path], target: Path, release: str
) -> None:
    """Compile Java files. Raises CompileError, OutputError."""
    with output_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    run(
        [
            jdk.tool("javac"),
            *("-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1"),
            *("-encoding", "UTF-8", "-Xlint:-options", "-nowarn", "-proc:none"),
            *("--release", release, "-cp", class_path(uses), "-d", str(target)),
            *map(str, sources),
        ],
        timeout_s=_TIMEOUT_S,
        what="compiling Java",
        error=CompileError,
    )


def _compile_kotlin(
    jdk: Jdk, compiler: Sequence[Path], compilation: Compilation, target: Path
) -> tuple[str, ...]:
    options = [
        *("-no-stdlib", "-no-reflect", "-progressive", "-module-name", "app"),
        *("-jvm-target", {"8": "1.8"}.get(compilation.java, compilation.java)),
        f"-Xjdk-release={compilation.java}",
        *("-cp", class_path(compilation.class_path), "-d", str(target)),
    ]
    if compilation.friends is not None:
        options.append(f"-Xfriend-paths={compilation.friends}")
    arguments = target.with_name(f"{target.name}.kotlinc")
    with output_errors(arguments):
        lines = [*options, *map(str, compilation.sources)]
        arguments.write_text("".join(f"{_quoted(line)}\n" for line in lines), encoding="utf-8")
    done = run_java(
        jdk,
        ["-cp", class_path(compiler), _COMPILER, f"@{arguments}"],
        what="compiling Kotlin",
        timeout_s=_TIMEOUT_S,
        heap="1800m",
        error=CompileError,
        check=False,
    )
    arguments.unlink(missing_ok=True)
    if done.returncode:
        raise CompileError("The app does not compile.", _errors(done.stderr or done.stdout))
    return tuple(re.findall(r"^(?:.*: )?warning: .*$", done.stderr, re.MULTILINE))


def _quoted(argument: str) -> str:
    """An argument in a file of arguments."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _errors(said: str) -> str:
    """The compiler's lines about errors, each with the lines that point at the place."""
    blocks = re.split(r"(?m)^(?=\S.*: (?:error|warning|info): |(?:error|warning|info): )", said)
    errors = [block.rstrip() for block in blocks if re.match(r"(?:\S.*: )?error: ", block)]
    lines = "\n".join(errors or [said.strip()]).splitlines()
    more = f"\n... and {len(lines) - _LINES} lines more" if len(lines) > _LINES else ""
    return "\n".join(lines[:_LINES]) + more

"""The app's JUnit tests on this machine's JVM.

    python -m tests.app.jvm              all of them
    python -m tests.app.jvm Chat Bench   the classes whose name holds one of these

Classes named *RuntimeTest run in a JVM of their own, in which Android's native library works.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdk_builder.app.jdk import QUICK, class_path
from sdk_builder.errors import ShaktiError
from sdk_builder.log import Steps
from tests.app.compiled import SOURCES, CompiledTests, compile_tests
from tests.app.inputs import properties_for

MAIN = "io.shakti.tests.JUnitLinesKt"
TIMEOUT_S = 1800.0
HEAP = "2g"
_SHOWN_CHARACTERS = 6000  # of one failure
_OUTPUT_LINES = 60  # of a JVM that died
# Robolectric's shadows of java.io, and its reading of fields.
OPENED = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.io", "java.lang", "java.util", "java.nio", "java.net")
)


@dataclass(frozen=True)
class JUnitClass:
    """A test class, found in the sources."""

    name: str
    source: Path

    @property
    def on_runtime(self) -> bool:
        """Whether it needs Android's native library."""
        return self.name.endswith("RuntimeTest")

    @property
    def text(self) -> str:
        return self.source.read_text(encoding="utf-8")


@dataclass
class ClassResult:
    """What came of a class: failures by test, how many passed and were skipped."""

    passed: int = 0
    skipped: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    over: bool = False
    running: str = ""
    seconds: float = 0.0


def find_classes(sources: Path = SOURCES) -> list[JUnitClass]:
    """Every class *Test that has an @Test, by name."""
    found = []
    for path in sorted((sources / "test" / "kotlin").rglob("*.kt")):
        text = path.read_text(encoding="utf-8")
        package = re.search(r"^package ([\w.]+)", text, re.MULTILINE)
        if package is None or not re.search(r"^\s*@(?:org\.junit\.)?Test\b", text, re.MULTILINE):
            continue
        for name in re.findall(r"^(?:internal )?class (\w+Test)\b", text, re.MULTILINE):
            found.append(JUnitClass(f"{package[1]}.{name}", path))
    return sorted(found, key=lambda one: one.name)


def run_classes(
    classes: Sequence[JUnitClass], steps: Steps, *, update_screenshots: bool = False
) -> dict[str, ClassResult]:
    """Compile what has changed and run the classes, in at most two JVMs.

    update_screenshots: what is drawn replaces the stored images instead of being compared.
    Raises ShaktiError.
    """
    compiled = compile_tests(steps)
    properties = properties_for(_texts(classes), steps)
    if update_screenshots:
        properties["shakti.screenshots.update"] = "true"
    results: dict[str, ClassResult] = {}
    for on_runtime in (False, True):
        names = [one.name for one in classes if one.on_runtime == on_runtime]
        if names:
            title = f"{len(names)} test classes run"
            with steps.step(title + (" with Android's library" if on_runtime else "")):
                results |= _run_jvm(compiled, names, properties, on_runtime)
    return results


def _texts(classes: Sequence[JUnitClass]) -> list[str]:
    """The sources of the classes, and of what several of them may share."""
    own = {one.source for one in find_classes()}
    shared = [path for path in (SOURCES / "test" / "kotlin").rglob("*.kt") if path not in own]
    return [one.text for one in classes] + [path.read_text(encoding="utf-8") for path in shared]


def _run_jvm(
    compiled: CompiledTests, names: Sequence[str], properties: dict[str, str], on_runtime: bool
) -> dict[str, ClassResult]:
    with tempfile.TemporaryDirectory(prefix="shakti-app-tests-") as scratch:
        folder = Path(scratch)
        config = folder / "config" / "com" / "android" / "tools" / "test_config.properties"
        config.parent.mkdir(parents=True)
        config.write_text(compiled.robolectric_properties(), encoding="utf-8")
        lines = folder / "lines.jsonl"
        argv = [
            *(str(compiled.libraries.jdk.tool("java")), *QUICK, f"-Xmx{HEAP}", *OPENED),
            "-Dfile.encoding=UTF-8",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={folder}",
            "-Drobolectric.offline=true",
            f"-Drobolectric.dependency.dir={compiled.libraries.instrumented}",
            *(f"-D{name}={value}" for name, value in properties.items()),
            *(_runtime_options(compiled) if on_runtime else ()),
            *("-cp", class_path((folder / "config", *compiled.class_path)), MAIN, str(lines)),
            *names,
        ]
        output, code = _run(argv, folder)
        results = _read(lines, names)
    _judge_the_end(results, names, output, code)
    return results


def _runtime_options(compiled: CompiledTests) -> list[str]:
    from tests.app.android_runtime import build_harness, jvm_options

    return jvm_options(build_harness(compiled.libraries.runtime.libraries["x86_64"]))


def _run(argv: Sequence[str], folder: Path) -> tuple[str, int | None]:
    """What a JVM says, and its exit code, which is None where it had to be stopped."""
    log = folder / "output"
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        code: int | None
        try:
            code = process.wait(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
    return log.read_text(encoding="utf-8", errors="replace"), code


def _read(path: Path, names: Sequence[str]) -> dict[str, ClassResult]:
    results = {name: ClassResult() for name in names}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the JVM died in the middle of it
        result = results[event["class"]]
        test = event["test"]
        if event["event"] == "end":
            result.over = True
        elif event["event"] in ("begin", "start"):
            result.running = test or "its beginning"
        elif event["event"] == "test":
            _count(result, event)
    return results


def _count(result: ClassResult, event: dict) -> None:
    result.seconds += event["seconds"]
    if event["status"] == "passed":
        result.passed += 1
    elif event["status"] == "skipped":
        result.skipped.append(f"{event['test']}: {event['detail']}")
    else:
        said = event["detail"][:_SHOWN_CHARACTERS]
        test = event["test"] or "the class"
        result.failures[test] = "\n".join(filter(None, (result.failures.get(test), said)))


def _judge_the_end(
    results: dict[str, ClassResult], names: Sequence[str], output: str, code: int | None
) -> None:
    """A class that was not over when the JVM ended has failed, and says how."""
    how = f"did not end within {TIMEOUT_S:g} s" if code is None else f"ended with exit code {code}"
    tail = "\n".join(output.splitlines()[-_OUTPUT_LINES:])
    for name in names:
        result = results[name]
        if not result.over:
            where = f"in {result.running}" if result.running else "before this class began"
            result.failures["the JVM"] = f"The JVM {how} {where}.\n{tail}"
        elif not (result.passed or result.skipped or result.failures):
            result.failures["the class"] = "No test ran."


def failure_text(result: ClassResult) -> str:
    """All failures of a class."""
    return "\n\n".join(f"{test}:\n{said}" for test, said in result.failures.items())


def main(arguments: Sequence[str]) -> int:
    """For developers: run what the patterns select, print what failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.app.jvm", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("-v", "--verbose", action="store_true", help="show compiler warnings")
    parser.add_argument(
        "--update-screenshots", action="store_true", help="store what is drawn in docs/app"
    )
    parser.add_argument("--list", action="store_true", help="only name the classes")
    options = parser.parse_args(arguments)
    patterns = options.patterns or [""]
    classes = [one for one in find_classes() if any(p in one.name for p in patterns)]
    if options.list or not classes:
        sys.stdout.write("".join(f"{one.name}\n" for one in classes) or "no such class\n")
        return 0 if classes else 2
    try:
        steps = Steps(verbosity=int(options.verbose))
        results = run_classes(classes, steps, update_screenshots=options.update_screenshots)
    except ShaktiError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for name, result in results.items():
        mark = "FAILED" if result.failures else "ok"
        sys.stdout.write(f"{mark:6} {name}: {result.passed} passed, {result.seconds:.1f} s\n")
        if result.failures:
            sys.stdout.write(f"{failure_text(result)}\n")
    return 1 if any(result.failures for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

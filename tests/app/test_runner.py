"""The runner of the JUnit tests: nothing that went wrong in a JVM may look like a pass."""

from __future__ import annotations

import json
from pathlib import Path

from sdk_builder.log import Steps
from tests.app.inputs import properties_for
from tests.app.jvm import ClassResult, _judge_the_end, _read, failure_text, find_classes

ONE, TWO = "a.OneTest", "a.TwoTest"


def line(event: str, name: str, test: str = "", status: str = "", detail: str = "") -> str:
    fields = {"event": event, "class": name, "test": test, "status": status}
    return json.dumps({**fields, "detail": detail, "seconds": 0.5})


def judged(folder: Path, *lines: str, code: int | None = 0) -> dict[str, ClassResult]:
    (folder / "lines").write_text("\n".join(lines), encoding="utf-8")
    results = _read(folder / "lines", [ONE, TWO])
    _judge_the_end(results, [ONE, TWO], "what the JVM said", code)
    return results


def whole(name: str, status: str = "passed", detail: str = "") -> list[str]:
    return [line("begin", name), line("test", name, "it", status, detail), line("end", name)]


def test_passed_classes_have_no_failures(tmp_path):
    results = judged(tmp_path, *whole(ONE), *whole(TWO, "skipped", "not here"))
    assert not results[ONE].failures
    assert not results[TWO].failures
    assert (results[ONE].passed, results[TWO].skipped) == (1, ["it: not here"])


def test_failure_carries_its_trace(tmp_path):
    results = judged(tmp_path, *whole(ONE, "failed", "expected 1\n\tat a.b"), *whole(TWO))
    assert "it:\nexpected 1\n\tat a.b" in failure_text(results[ONE])


def test_class_that_the_jvm_died_in_fails_and_so_does_the_one_after_it(tmp_path):
    lines = [line("begin", ONE), line("start", ONE, "crash"), '{"event": "te']
    results = judged(tmp_path, *lines, code=134)
    assert "exit code 134 in crash" in failure_text(results[ONE])
    assert "before this class began" in failure_text(results[TWO])
    assert "what the JVM said" in failure_text(results[TWO])


def test_jvm_that_had_to_be_stopped_fails_what_it_ran(tmp_path):
    results = judged(tmp_path, *whole(ONE), line("begin", TWO), code=None)
    assert not results[ONE].failures
    assert "did not end within" in failure_text(results[TWO])


def test_class_without_a_single_test_that_ran_fails(tmp_path):
    results = judged(tmp_path, line("begin", ONE), line("end", ONE), *whole(TWO))
    assert failure_text(results[ONE]) == "the class:\nNo test ran."


def test_classes_are_found_by_their_tests(tmp_path):
    folder = tmp_path / "test" / "kotlin" / "a"
    folder.mkdir(parents=True)
    (folder / "One.kt").write_text("package a\n\nclass OneTest {\n    @Test\n    fun x() {}\n}\n")
    (folder / "Fake.kt").write_text("package a\n\nclass NoTest\n")
    (folder / "ThatRuntimeTest.kt").write_text("package a\nclass ThatRuntimeTest { \n @Test fun\n}")
    found = {one.name: one.on_runtime for one in find_classes(tmp_path)}
    assert found == {"a.OneTest": False, "a.ThatRuntimeTest": True}


def test_only_what_a_source_names_is_given():
    found = properties_for(['val a = input("shakti.fixtures")'], Steps.silent())
    assert set(found) == {"shakti.fixtures"}
    assert Path(found["shakti.fixtures"]).is_dir()

"""Every JUnit class of the app as a test of its own; the app's sources say which there are."""

from __future__ import annotations

import pytest

from tests.app.jvm import ClassResult, JUnitClass, failure_text, find_classes

CLASSES = find_classes()


def test_sources_hold_test_classes():
    assert len(CLASSES) >= 3


@pytest.mark.slow
@pytest.mark.timeout(2400)  # the first one waits for all of them
@pytest.mark.parametrize(
    "junit_class", CLASSES, ids=lambda one: one.name.removeprefix("io.shakti.")
)
def test_junit_class_passes(junit_class: JUnitClass, junit_results: dict[str, ClassResult]):
    result = junit_results[junit_class.name]
    assert not result.failures, f"\n{failure_text(result)}"

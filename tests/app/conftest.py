"""The app's JUnit classes, run once a session, as few JVMs as the selection allows."""

from __future__ import annotations

import pytest

from sdk_builder.log import Steps
from tests.app.jvm import ClassResult, JUnitClass, run_classes


@pytest.fixture(scope="session")
def junit_results(request: pytest.FixtureRequest) -> dict[str, ClassResult]:
    """What came of every JUnit class that this session selected."""
    selected: dict[str, JUnitClass] = {}
    for item in request.session.items:
        callspec = getattr(item, "callspec", None)
        one = callspec.params.get("junit_class") if callspec else None
        if isinstance(one, JUnitClass):
            selected[one.name] = one
    return run_classes(list(selected.values()), Steps.silent())

"""The app's JUnit classes, run once a session, as few JVMs as the selection allows."""

from __future__ import annotations

import pytest

from sdk_builder.log import Steps
from tests.app.jvm import ClassResult, JUnitClass, run_classes
from tests.app.needs import require_app_tools


@pytest.fixture(scope="session", autouse=True)
def app_tools() -> None:
    """The compilers and runtimes of the app are there."""
    require_app_tools()


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

"""For all tests: one thread a process, and how they are shared out among processes.

`pytest -n 2` runs two at a time. Tests that share something costly (the app's JVM, the stand-in
phones, an exported model) stay in one process; of the others, each file does.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings

# Before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("shakti", deadline=None)
settings.load_profile("shakti")

TOGETHER = (
    "tests/app/",
    "tests/phones/",
    "tests/e2e/",
    "tests/integration/pipeline/",
    "tests/integration/evaluation/",
)
# The long ones, so that none of them is left over for the end.
FIRST = (*TOGETHER, "tests/integration/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    config.option.loadscopereorder = False  # units are taken in the order of the items
    return ByFolder(config, log)


def _unit(nodeid: str) -> str:
    """What the test shares a process with."""
    file = nodeid.split("::", 1)[0]
    return next((one for one in TOGETHER if file.startswith(one)), file)


def _rank(nodeid: str) -> int:
    """Its place in `FIRST`."""
    return next((at for at, one in enumerate(FIRST) if nodeid.startswith(one)), len(FIRST))

from __future__ import annotations

import pytest

from sdk_builder import Bundle
from tests.unit.runtime.talk import write_talking_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that is only read."""
    return write_talking_bundle(tmp_path_factory.mktemp("talk") / "bundle")

"""The lab for the tests of this folder: made once, each test with fresh phones.

Where it cannot be made the tests are skipped with the reason; where it must be (CI, or
SHAKTI_REQUIRE_PHONES=1 in the environment) they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.phones.debian import LabUnavailableError
from tests.phones.lab import Lab, Phone


@pytest.fixture(scope="session")
def made_lab() -> Iterator[Lab]:
    """The lab, as it came out of the last test."""
    try:
        lab = Lab()
    except LabUnavailableError as error:
        if os.environ.get("CI") or os.environ.get("SHAKTI_REQUIRE_PHONES") == "1":
            pytest.fail(f"the stand-in phones are required here, but: {error}", pytrace=False)
        pytest.skip(f"no stand-in phones: {error}")
    yield lab
    lab.close()


@pytest.fixture
def lab(made_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab with fresh phones; the test, and all that it starts, is in its network."""
    for name, value in made_lab.environment.items():
        monkeypatch.setenv(name, value)
    with made_lab.entered():
        for phone in made_lab.phones:
            phone.reset()
        yield made_lab


@pytest.fixture
def phone(lab: Lab) -> Phone:
    """The first phone."""
    return lab.phones[0]

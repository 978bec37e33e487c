"""The lab for the tests of this folder: made once, each test with fresh phones.

Where it cannot be made the tests are skipped with the reason; where it must be (CI, or
SHAKTI_REQUIRE_PHONES=1 in the environment) they fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.phones.debian import LabUnavailableError
from tests.phones.lab import Lab, Phone

MakeLab = Callable[..., Lab]


@pytest.fixture(scope="session")
def make_lab() -> MakeLab:
    """Makes a lab, as `Lab` does; the test is skipped, or fails, where it cannot."""

    def make(phones: int = 3, data_mib: float = 64) -> Lab:
        try:
            return Lab(phones, data_mib)
        except LabUnavailableError as error:
            if os.environ.get("CI") or os.environ.get("SHAKTI_REQUIRE_PHONES") == "1":
                pytest.fail(f"the stand-in phones are required here, but: {error}", pytrace=False)
            pytest.skip(f"no stand-in phones: {error}")

    return make


@pytest.fixture(scope="session")
def made_lab(make_lab: MakeLab) -> Iterator[Lab]:
    """The lab, as it came out of the last test."""
    lab = make_lab()
    yield lab
    lab.close()


@contextmanager
def fresh(made: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab with fresh phones; whoever is in the block, and all they start, is in its network."""
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    with made.entered():
        for phone in made.phones:
            phone.reset()
        yield made


@pytest.fixture
def lab(made_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab with fresh phones; the test, and all that it starts, is in its network."""
    with fresh(made_lab, monkeypatch) as lab:
        yield lab


@pytest.fixture
def phone(lab: Lab) -> Phone:
    """The first phone."""
    return lab.phones[0]

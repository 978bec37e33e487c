"""A bundle that runs: the tiny model, exported once for all tests here."""

from __future__ import annotations

import pytest

import sdk_builder
from sdk_builder import Bundle
from tests.integration.pipeline.tiny import CONTEXT, save_folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Only read."""
    folder = save_folder(tmp_path_factory.mktemp("model") / "tiny")
    target = tmp_path_factory.mktemp("bundles") / "tiny-q4"
    sdk_builder.export(str(folder), target, quant="q4", context_length=CONTEXT)
    return Bundle.open(target)

"""The tiny model and one bundle of it in each scheme, made once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import sdk_builder
from tests.integration.pipeline.tiny import CONTEXT, save_folder

BundleOf = Callable[[str], Path]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder. Tests change only copies."""
    return save_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def bundle_of(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> BundleOf:
    """Scheme -> its bundle of the tiny model. Tests change only copies."""
    made: dict[str, Path] = {}

    def bundle(quant: str) -> Path:
        if quant not in made:
            target = tmp_path_factory.mktemp("bundles") / quant
            sdk_builder.export(str(folder), target, quant=quant, context_length=CONTEXT)
            made[quant] = target
        return made[quant]

    return bundle

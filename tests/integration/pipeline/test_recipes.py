"""The recipes run, and do what `export` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sdk_builder import Bundle
from sdk_builder.catalogue import entries
from sdk_builder.pipeline import ExportRequest
from sdk_builder.pipeline.stages import check_request
from sdk_builder.verify import verify_bundle
from tests.integration.pipeline.conftest import BundleOf
from tests.integration.pipeline.test_export import stable
from tests.integration.pipeline.tiny import CONTEXT

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "recipes" / "configs" / "export").rglob("*.yaml"))


def test_export_recipe_makes_the_bundle_that_export_makes(
    folder: Path, bundle_of: BundleOf, tmp_path: Path
):
    config = tmp_path / "tiny.yaml"
    settings = {"model": str(folder), "quant": "q4", "context_length": CONTEXT}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    target = tmp_path / "bundle"
    done = subprocess.run(
        [sys.executable, ROOT / "recipes" / "export.py", config, "-o", target],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout
    expected = bundle_of("q4")
    assert (target / "model.pte").read_bytes() == (expected / "model.pte").read_bytes()
    assert stable(target) == stable(expected)
    assert verify_bundle(Bundle.open(target)).ok


def test_there_are_configs_and_each_belongs_to_a_recipe():
    assert len(CONFIGS) >= 7
    folders = {path.parent for path in (ROOT / "recipes" / "configs").rglob("*.yaml")}
    recipes = {path.stem.partition("_")[0] for path in (ROOT / "recipes").glob("*.py")}
    assert {folder.name for folder in folders} == recipes


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_a_request_for_a_model_that_we_know(path: Path):
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    request = ExportRequest(output=Path("build"), **settings)
    assert check_request(request).name == request.quant
    assert entries(request.model)[0].name == request.model
    assert path.stem == f"{request.model}-{request.quant}"
    assert f"recipes/export.py {path.relative_to(ROOT).as_posix()}" in path.read_text("utf-8")

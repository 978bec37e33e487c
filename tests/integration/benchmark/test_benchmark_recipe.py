"""The benchmark recipe runs, and its configs are plans."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sdk_builder import Bundle
from sdk_builder.benchmark.plans import make_plan
from sdk_builder.benchmark.results import read_results

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "recipes" / "configs" / "benchmark").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_a_plan(path: Path):
    text = path.read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    assert isinstance(settings.pop("device"), str)
    plan, notes = make_plan(4096, **settings)
    assert len(plan.cases) >= 4
    assert not [note for note in notes if "left out" in note]
    assert f"recipes/benchmark.py {path.relative_to(ROOT).as_posix()}" in text


def test_recipe_measures_this_machine(tiny_bundle: Bundle, tmp_path: Path):
    config = tmp_path / "tiny.yaml"
    settings = {"device": "host", "rounds": 1, "prefill": [4], "decode": [2], "ttft": 4}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, ROOT / "recipes" / "benchmark.py", config, tiny_bundle.path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "decode-2: " in done.stdout
    results = read_results(tmp_path / "bench" / "tiny.jsonl")
    assert results.next_round is None
    assert len(results.valid) == 4

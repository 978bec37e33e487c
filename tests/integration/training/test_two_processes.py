"""Two processes under torchrun learn what one does from the same batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.integration.pipeline.tiny import save_folder
from tests.integration.training.launching import two_processes
from tests.integration.training.stages import events, run, said, settings_of, weights, write_rows

ROOT = Path(__file__).parents[3]


def settings_for(stage: str, folder: Path, name: str):
    answers = ["a" * (i % 7 + 1) for i in range(24)]
    rows: dict[str, list[dict[str, Any]]] = {
        "sft": [{"messages": said(f"{i}?", one)} for i, one in enumerate(answers)],
        "dpo": [
            {"prompt": f"{i}?", "chosen": one, "rejected": "no"} for i, one in enumerate(answers)
        ],
    }
    data = write_rows(folder / f"{stage}.jsonl", rows[stage])
    return settings_of(
        stage, folder / "model", folder / f"{stage}-{name}", data, batch_size=4, micro_batch_size=2
    )


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_two_processes_learn_what_one_does(stage, tmp_path):
    save_folder(tmp_path / "model")
    one, two = (settings_for(stage, tmp_path, name) for name in ("one", "two"))
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(two.model_dump(mode="json")))
    done = subprocess.run(
        [
            *(sys.executable, *two_processes()),
            *(str(ROOT / "recipes" / f"train_{stage}.py"), "two.yaml"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Next:") == 1  # the first process alone prints
    run(one)
    for a, b in zip(events(one), events(two), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
    found = weights(two.output)
    for name, value in weights(one.output).items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=2e-4)

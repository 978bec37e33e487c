"""A run's folder belongs to one run at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdk_builder.errors import OutputError
from sdk_builder.log import Steps
from sdk_builder.training.claim import LOCK, Claim
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.state import open_run

HOLD = """
import sys, time
from pathlib import Path
from sdk_builder.training.claim import Claim
claim = Claim(Path(sys.argv[1]))
claim.take()
print("taken", flush=True)
time.sleep(600)
"""


def test_second_run_in_a_folder_is_refused_until_the_first_one_ends(tmp_path: Path):
    first, second = Claim(tmp_path / "out.run"), Claim(tmp_path / "out.run")
    first.take()
    with pytest.raises(OutputError, match="Another run is training in .*out.run") as caught:
        second.take()
    assert caught.value.exit_code == 9
    second.release()  # which had nothing
    first.release()
    second.take()
    second.release()


def test_killed_run_holds_its_folder_no_longer(tmp_path: Path):
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "taken\n"
        with pytest.raises(OutputError):
            Claim(tmp_path).take()
    finally:
        held.kill()
        held.wait()
    claim = Claim(tmp_path)
    claim.take()
    claim.release()


def test_starting_over_removes_all_but_the_lock(tmp_path: Path):
    settings = load_settings(
        "pretrain",
        None,
        ("model=m", f"output={tmp_path / 'out'}", "data.0.source=a", "steps=3"),
    )
    claim = Claim(settings.folder)
    claim.take()
    (settings.folder / "checkpoint-1").mkdir()
    (settings.folder / "logs.jsonl").write_text("{}\n", "utf-8")
    assert open_run(settings, Steps.silent(), resume=False) is None
    assert {one.name for one in settings.folder.iterdir()} == {LOCK, "run.json"}
    with pytest.raises(OutputError):
        Claim(settings.folder).take()
    claim.release()

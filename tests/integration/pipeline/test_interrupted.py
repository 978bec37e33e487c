"""Exports that end before their time: a full disk, a killed process, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import sdk_builder
from sdk_builder.cli.root import cli
from sdk_builder.errors import DiskFullError
from sdk_builder.verify import verify_bundle
from tests.integration.pipeline.tiny import CONTEXT

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60
SETTLE_S = 0.02  # from the folder's making to the writer's taking charge of it
# A shell that starts a test run in the background has it ignore Ctrl-C; the command must not.
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from sdk_builder.cli import main; main()"
)


# --- the disk is full ---------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB: less than any program."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_its_own_error_and_leaves_nothing(folder: Path, tiny_disk: Path):
    with pytest.raises(DiskFullError) as caught:
        sdk_builder.export(
            str(folder), tiny_disk / "out" / "bundle", quant="none", context_length=CONTEXT
        )
    assert caught.value.exit_code == 9
    assert list(tiny_disk.iterdir()) == []


def test_full_disk_ends_the_command_with_9(folder: Path, tiny_disk: Path):
    arguments = ["export", str(folder), "--context", str(CONTEXT), "-o", str(tiny_disk / "bundle")]
    result = CliRunner().invoke(cli, arguments, prog_name="shakti-sdk")
    assert result.exit_code == 9, result.stderr
    assert "The disk is full" in result.stderr
    assert list(tiny_disk.iterdir()) == []


# --- the process is killed, or the user stops it ------------------------------------------


def start_export(folder: Path, target: Path) -> subprocess.Popen[bytes]:
    arguments = ["export", str(folder), "--context", str(CONTEXT), "-o", str(target)]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(process: subprocess.Popen[bytes], target: Path, pattern: str) -> None:
    """Until the export of `process` has made a file or folder as `pattern` says."""
    end = time.monotonic() + PATIENCE_S
    while not list(target.parent.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(SETTLE_S)


# Before torch is imported, and when the program is written but not yet checked.
MOMENTS = [".bundle.shakti-new-*", ".bundle.shakti-new-*/model.pte"]


@pytest.mark.parametrize("moment", MOMENTS, ids=["at the start", "after lowering"])
def test_killed_export_leaves_no_target_and_the_next_one_no_rubbish(
    moment: str, folder: Path, tmp_path: Path
):
    target = tmp_path / "out" / "bundle"
    target.parent.mkdir()
    process = start_export(folder, target)
    wait_for(process, target, moment)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(list(target.parent.iterdir())) == 1  # what it could not clear away
    bundle = sdk_builder.export(str(folder), target, quant="q8", context_length=CONTEXT)
    assert verify_bundle(bundle).ok
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("moment", MOMENTS, ids=["at the start", "after lowering"])
def test_ctrl_c_ends_with_130_and_leaves_nothing(moment: str, folder: Path, tmp_path: Path):
    target = tmp_path / "bundle"
    process = start_export(folder, target)
    wait_for(process, target, moment)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, errors.decode()
    assert b"Traceback" not in errors
    assert errors.decode().splitlines()[-2].endswith("error: Stopped.")
    assert list(tmp_path.iterdir()) == []

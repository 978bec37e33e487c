"""A bundle is whole or not there, even if its writer is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdk_builder.bundle import Bundle, BundleWriter, check_files
from sdk_builder.errors import TargetExistsError
from tests.unit.bundle.samples import write_bundle

ROOT = Path(__file__).parents[3]


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "out" / "tiny"


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A Python process that can import shakti-sdk and these samples."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


WRITE_AND_WAIT = """
import sys, time
from sdk_builder.bundle import BundleWriter
with BundleWriter(sys.argv[1]) as writer:
    writer.write_bytes("model.pte", b"half a program")
    print("written", flush=True)
    time.sleep(600)
"""


def test_killed_writer_leaves_no_target_and_the_next_one_clears_up(target):
    process = start(WRITE_AND_WAIT, target)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    with BundleWriter(target):
        assert len(os.listdir(target.parent)) == 2  # the living writer's folder is left alone
    process.kill()
    process.communicate()
    assert not target.exists()
    assert len(os.listdir(target.parent)) == 1
    write_bundle(target)
    assert os.listdir(target.parent) == ["tiny"]


def test_interrupted_writer_leaves_nothing(target, tmp_path):
    process = start(WRITE_AND_WAIT, target)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    assert os.listdir(tmp_path) == []


REPLACE_FOR_EVER = """
import sys
from pathlib import Path
from tests.unit.bundle.samples import write_bundle
print("started", flush=True)
for i in range(10**9):
    write_bundle(Path(sys.argv[1]), program=bytes([i % 256]) * 1000, force=True)
"""


def test_writer_killed_at_any_moment_of_replacing_leaves_a_whole_bundle(target):
    moments = random.Random(0)
    write_bundle(target)
    for _ in range(4):
        process = start(REPLACE_FOR_EVER, target)
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        time.sleep(moments.uniform(0.01, 0.2))
        process.kill()
        process.communicate()
        with BundleWriter(target, force=True):  # clears up
            pass
        assert os.listdir(target.parent) == ["tiny"]
        assert all(result.status == "pass" for result in check_files(Bundle.open(target)))


def test_bundle_set_aside_by_a_killed_writer_is_put_back(target):
    write_bundle(target)
    target.rename(target.parent / ".tiny.shakti-old-0123abcd")
    with pytest.raises(TargetExistsError):
        BundleWriter(target).__enter__()
    assert os.listdir(target.parent) == ["tiny"]
    Bundle.open(target)


def test_names_that_only_look_like_leftovers_stay(target):
    others = [".tiny.shakti-new-0123", ".tiny2.shakti-new-0123abcd", "tiny.shakti-new-0123abcd"]
    for name in others:
        (target.parent / name).mkdir(parents=True)
    write_bundle(target)
    assert sorted(os.listdir(target.parent)) == sorted([*others, "tiny"])

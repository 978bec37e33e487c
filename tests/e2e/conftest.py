"""The real command in a process of its own, watched from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from sdk_builder.errors import ToolchainError
from sdk_builder.models.sources import SOURCES, cached_path, fetch

ROOT = Path(__file__).parents[2]
_POLL_S = 0.02
_OFFLINE = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Failed to establish a new connection",
    "Connection refused",
    "timed out",
)


@dataclass(frozen=True)
class Done:
    """A command that ended. peak_bytes: most memory that was resident, None where unknown."""

    returncode: int
    stdout: str
    stderr: str
    peak_bytes: int | None


@dataclass(frozen=True)
class Chatted:
    """What `run` said on a terminal: its answers, and everything on stderr."""

    answers: list[str]
    stderr: str


def chat_on_terminal(bundle: Path, lines: Sequence[str], *options: str) -> Chatted:
    """`shakti-sdk run BUNDLE` greedily, with these lines and /exit typed into its terminal."""
    keyboard, terminal = os.openpty()
    typed = "".join(f"{line}\n" for line in (*lines, "/exit")).encode()
    # A terminal holds a few thousand characters only: whoever types waits until they are read.
    typist = threading.Thread(target=lambda: os.write(keyboard, typed))
    typist.start()
    done = subprocess.run(
        [sys.executable, "-m", "sdk_builder", "run", str(bundle), "--temperature", "0", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=terminal,
        capture_output=True,
        text=True,
    )
    typist.join()
    os.close(keyboard)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    answers = [part.strip() for part in done.stdout.split("> ") if part.strip()]
    return Chatted(answers, done.stderr)


def shakti(*arguments: str | Path, folder: Path) -> Done:
    """Run `shakti-sdk ARGUMENTS`; its output goes through files in `folder`.

    The peak is read from /proc while the process runs: what the system reports after its end
    starts at the peak of the process that forked it.
    """
    with (folder / "stdout").open("w+b") as out, (folder / "stderr").open("w+b") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "sdk_builder", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        peak = None
        try:
            while process.poll() is None:
                peak = _peak_bytes(process.pid) or peak
                time.sleep(_POLL_S)
        finally:
            process.kill()
            process.wait()
        return Done(process.returncode, _text(out), _text(err), peak)


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()


def _peak_bytes(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2's GGUF file, fetched once into the cache of sources."""
    source = SOURCES["smollm2-135m"]
    try:
        return fetch(source)
    except ToolchainError as error:
        said = f"{error.message} {error.hint}"
        if not cached_path(source).is_file() and any(reason in said for reason in _OFFLINE):
            pytest.skip(f"no network to fetch smollm2-135m: {error.message}")
        raise

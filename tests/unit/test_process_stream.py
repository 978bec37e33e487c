"""Programs that are listened to while they run."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from sdk_builder.errors import DeviceError, RunStalledError, ToolchainError
from sdk_builder.process import TAIL_LINES, stream


def listen(code: str, heard: list[str], **options):
    options = {"silence_s": 30, "what": "testing", "on_line": heard.append, **options}
    return stream([sys.executable, "-c", code], **options)


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(pid: int, patience_s: float = 10) -> bool:
    """Whether the process is gone soon: a killed one dies when it is next given a processor."""
    until = time.monotonic() + patience_s
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def test_lines_come_one_by_one_and_stderr_in_the_end():
    heard: list[str] = []
    code = "import sys; print('a'); print('b\\u00e9'); print('why', file=sys.stderr)"
    done = listen(code, heard, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert heard == ["a", "bé"]
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "why\n")


def test_a_line_is_heard_before_the_program_ends(tmp_path):
    """It waits for a file that only the listener makes."""
    go = tmp_path / "go"
    code = (
        "import pathlib, time\nprint('ready', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\nprint('went')"
    )
    heard: list[str] = []

    def on_line(line: str) -> None:
        heard.append(line)
        go.touch()

    listen(code, heard, on_line=on_line)
    assert heard == ["ready", "went"]


def test_last_line_without_a_newline_is_heard():
    heard: list[str] = []
    listen("import sys; sys.stdout.write('almost')", heard)
    assert heard == ["almost"]


def test_failure_is_the_callers_error_with_the_tail_of_stderr():
    code = "import sys; [print(i, file=sys.stderr) for i in range(5000)]; sys.exit(3)"
    with pytest.raises(DeviceError, match=r"failed while testing \(exit code 3\)") as caught:
        listen(code, [], error=DeviceError)
    assert caught.value.hint.splitlines() == [str(i) for i in range(5000 - TAIL_LINES, 5000)]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_death_by_signal_is_named():
    with pytest.raises(ToolchainError, match="killed by SIGKILL"):
        listen("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", [])


def test_missing_program_says_so():
    with pytest.raises(ToolchainError, match="was not found; it is needed for testing"):
        stream(["no-such-program-here"], on_line=print, silence_s=5, what="testing")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_silence_kills_the_program_and_its_children():
    heard: list[str] = []
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True); print('stuck', file=sys.stderr, flush=True)\n"
        "time.sleep(600)"
    )
    with pytest.raises(RunStalledError, match="said nothing for 2 s") as caught:
        listen(code, heard, silence_s=2, silence_error=RunStalledError)
    assert caught.value.hint == "stuck"
    assert ended(int(heard[0]))


def test_program_may_take_longer_than_the_silence_it_may_keep():
    heard: list[str] = []
    code = "import time\nfor i in range(6): print(i, flush=True); time.sleep(0.5)"
    begun = time.monotonic()
    listen(code, heard, silence_s=2.5)
    assert time.monotonic() - begun > 2.5
    assert heard == list("012345")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_listener_that_raises_ends_the_program():
    heard: list[str] = []

    def on_line(line: str) -> None:
        heard.append(line)
        raise KeyboardInterrupt

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        listen(code, heard, on_line=on_line)
    assert ended(int(heard[0]))


def test_much_output_on_both_streams_does_not_block():
    heard: list[str] = []
    code = "import sys\nfor i in range(20000): print(i); print('x' * 50, file=sys.stderr)"
    done = listen(code, heard)
    assert len(heard) == 20000
    assert done.stderr.count("\n") == 1000

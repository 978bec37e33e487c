"""Running other programs: real ones, that fail in real ways."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdk_builder.errors import DeviceError, ToolchainError
from sdk_builder.process import TAIL_LINES, run, shell_line

ROOT = Path(__file__).parents[2]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_code_and_time_come_back():
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    done = run(python(code), timeout_s=30, what="testing")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")
    assert done.argv == tuple(python(code))
    assert 0 < done.duration_s < 30


def test_failure_is_the_callers_error_with_the_tail_of_stderr():
    code = "import sys; [print(i, file=sys.stderr) for i in range(100)]; sys.exit(3)"
    with pytest.raises(DeviceError) as caught:
        run(python(code), timeout_s=30, what="reading the battery", error=DeviceError)
    assert "failed while reading the battery (exit code 3)" in caught.value.message
    assert caught.value.hint.splitlines() == [str(i) for i in range(100 - TAIL_LINES, 100)]
    cause = caught.value.__cause__
    assert isinstance(cause, subprocess.CalledProcessError)
    assert len(cause.stderr.splitlines()) == 100


def test_failure_that_says_nothing_on_stderr_shows_stdout():
    with pytest.raises(ToolchainError) as caught:
        run(python("print('why'); raise SystemExit(1)"), timeout_s=30, what="testing")
    assert caught.value.hint == "why"


def test_failure_is_returned_when_not_checked():
    done = run(python("raise SystemExit(7)"), timeout_s=30, what="testing", check=False)
    assert done.returncode == 7


def test_death_by_signal_is_named():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with pytest.raises(ToolchainError, match="killed by SIGSEGV"):
        run(python(code), timeout_s=30, what="testing")


def test_missing_program_says_what_it_is_for_and_how_to_get_it():
    with pytest.raises(ToolchainError) as caught:
        run(["no-such-program"], timeout_s=1, what="signing the APK", missing_hint="Install it.")
    assert (
        caught.value.message == "no-such-program was not found; it is needed for signing the APK."
    )
    assert caught.value.hint == "Install it."


def test_file_that_is_no_program_cannot_be_started(tmp_path):
    program = tmp_path / "text"
    program.write_text("not a program")
    program.chmod(0o755)
    with pytest.raises(ToolchainError, match="cannot be started for testing: Exec format error"):
        run([program], timeout_s=1, what="testing")


def test_missing_folder_is_not_taken_for_a_missing_program(tmp_path):
    with pytest.raises(ToolchainError, match="The folder .*gone is missing"):
        run(python(""), timeout_s=1, what="testing", cwd=tmp_path / "gone")


def test_folder_and_environment_are_passed_on(tmp_path):
    code = "import os; print(os.getcwd(), os.environ.get('WORD'), 'HOME' in os.environ)"
    done = run(python(code), timeout_s=30, what="testing", cwd=tmp_path, env={"WORD": "hello"})
    assert done.stdout.split() == [str(tmp_path.resolve()), "hello", "False"]


def test_standard_input_is_empty():
    code = "import sys; print(repr(sys.stdin.read()))"
    assert run(python(code), timeout_s=30, what="testing").stdout == "''\n"


def test_undecodable_output_is_replaced():
    code = r"import sys; sys.stdout.buffer.write(b'a\xffb\r\n')"
    assert run(python(code), timeout_s=30, what="testing").stdout == "a\ufffdb\n"


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


PARENT_OF_A_SLEEPER = """
import pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
pathlib.Path({pid_file!r}).write_text(str(child.pid) + "\\n")
print("so far", flush=True)
time.sleep(600)
"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_program_that_takes_too_long_is_killed_with_its_children(tmp_path):
    pid_file = tmp_path / "pid"
    code = PARENT_OF_A_SLEEPER.format(pid_file=str(pid_file))
    with pytest.raises(DeviceError, match=r"did not finish within 2 s while testing") as caught:
        run(python(code), timeout_s=2, what="testing", error=DeviceError)
    assert caught.value.hint == "so far"
    sleeper = int(pid_file.read_text())
    assert wait_until(lambda: not is_alive(sleeper))


@needs_proc
def test_interrupt_kills_the_program(tmp_path):
    pid_file = tmp_path / "pid"
    inner = PARENT_OF_A_SLEEPER.format(pid_file=str(pid_file))
    outer = f"""
from sdk_builder.process import run
import sys
run([sys.executable, "-c", {inner!r}], timeout_s=600, what="testing")
"""
    process = subprocess.Popen(
        python(outer), env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    assert wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    sleeper = int(pid_file.read_text())
    assert wait_until(lambda: not is_alive(sleeper))


def test_shell_line_can_be_pasted():
    assert shell_line(["adb", "shell", "echo 'a b'"]) == """adb shell 'echo '"'"'a b'"'"''"""

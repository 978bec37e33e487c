"""Run another program: a list of arguments, a time limit, and errors that keep what it said."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sdk_builder.errors import ShaktiError, ToolchainError

TAIL_LINES = 20  # of a failed program's output, shown in the hint
_KEPT_LINES = 1000  # of a streamed program's stderr
_REAP_S = 5.0  # how long a killed program gets to close its pipes


@dataclass(frozen=True)
class Completed:
    """A program that ended. Undecodable bytes of its output are replaced."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    duration_s: float


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    error: Callable[[str, str], ShaktiError] = ToolchainError,
    missing_hint: str = "",
    check: bool = True,
) -> Completed:
    """Run `argv` to its end and return what it wrote; its standard input is empty.

    `what` says what it is for and completes "... failed while ..." ("signing the APK").
    `env` replaces the environment. The program and all that it started are killed when it
    outlives `timeout_s` seconds or when we are interrupted.

    Raises ToolchainError where the program is missing or cannot be started, with
    `missing_hint`; `error(message, hint)` where it ran too long or, unless `check` is
    false, ended with a code other than 0. The hint is then the tail of its output, and
    `__cause__` a subprocess.SubprocessError with all of it.
    """
    arguments = tuple(os.fspath(argument) for argument in argv)
    started = time.monotonic()
    process = _start(arguments, what, cwd, env, missing_hint)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        out, err = _kill(process)
        raise error(
            f"{_program(arguments)} did not finish within {timeout_s:g} s while {what}.",
            _tail(_text(err), _text(out)),
        ) from subprocess.TimeoutExpired(list(arguments), timeout_s, out, err)
    except BaseException:
        _kill(process)
        raise
    completed = Completed(
        arguments, process.returncode, _text(out), _text(err), time.monotonic() - started
    )
    if check and completed.returncode != 0:
        raise error(_failure(completed, what), _tail(completed.stderr, completed.stdout)) from (
            subprocess.CalledProcessError(
                completed.returncode, list(arguments), completed.stdout, completed.stderr
            )
        )
    return completed


def stream(
    argv: Sequence[str | os.PathLike[str]],
    *,
    on_line: Callable[[str], None],
    silence_s: float,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    error: Callable[[str, str], ShaktiError] = ToolchainError,
    silence_error: Callable[[str, str], ShaktiError] = ToolchainError,
    missing_hint: str = "",
) -> Completed:
    """Run `argv` to its end and give `on_line` each line of its stdout as it comes.

    As `run`, except that the program may take as long as it likes while it says something: it
    and all that it started are killed after `silence_s` seconds without a line, and when
    `on_line` raises. The result's stdout is empty; of stderr the last lines are kept.

    Raises as `run` does, and `silence_error(message, hint)` for the silence.
    """
    arguments = tuple(os.fspath(argument) for argument in argv)
    started = time.monotonic()
    process = _start(arguments, what, cwd, env, missing_hint)
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    said: deque[bytes | None] = deque(maxlen=_KEPT_LINES)
    readers = [
        threading.Thread(target=_read_lines, args=(process.stdout, lines.put, True), daemon=True),
        threading.Thread(target=_read_lines, args=(process.stderr, said.append), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        while (line := lines.get(timeout=silence_s)) is not None:
            on_line(_text(line).rstrip("\n"))
        process.wait(timeout=silence_s)
    except (queue.Empty, subprocess.TimeoutExpired) as cause:
        _end(process, readers)
        raise silence_error(
            f"{_program(arguments)} said nothing for {silence_s:g} s while {what}.",
            _tail(_text(_joined(said)), ""),
        ) from cause
    except BaseException:
        _end(process, readers)
        raise
    _join(readers)
    completed = Completed(
        arguments, process.returncode, "", _text(_joined(said)), time.monotonic() - started
    )
    if completed.returncode != 0:
        raise error(_failure(completed, what), _tail(completed.stderr, ""))
    return completed


def shell_line(argv: Sequence[str]) -> str:
    """The arguments as one line that can be pasted into a shell."""
    return shlex.join(argv)


def _start(
    argv: tuple[str, ...],
    what: str,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    missing_hint: str,
) -> subprocess.Popen[bytes]:
    """Start the program in a process group of its own, so that _kill reaches its children."""
    if cwd is not None and not cwd.is_dir():
        # Popen would raise the same FileNotFoundError as for a missing program.
        raise ToolchainError(f"The folder {cwd} is missing; it is needed for {what}.")
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    except FileNotFoundError as cause:
        raise ToolchainError(
            f"{argv[0]} was not found; it is needed for {what}.",
            missing_hint or "Install it, or put its folder on PATH.",
        ) from cause
    except OSError as cause:
        raise ToolchainError(
            f"{argv[0]} cannot be started for {what}: {cause.strerror}.", missing_hint
        ) from cause


def _read_lines(
    pipe: IO[bytes] | None, take: Callable[[bytes | None], None], tell_end: bool = False
) -> None:
    """Give every line of the pipe to `take`, and then None if it is to know of the end."""
    for line in pipe or ():
        take(line)
    if tell_end:
        take(None)


def _joined(lines: Iterable[bytes | None]) -> bytes:
    return b"".join(line for line in tuple(lines) if line is not None)


def _end(process: subprocess.Popen[bytes], readers: Sequence[threading.Thread]) -> None:
    """Kill what is left of the program and its process group, and let the readers finish."""
    _kill_group(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_REAP_S)
    _join(readers)


def _join(readers: Sequence[threading.Thread]) -> None:
    for reader in readers:  # a child that left the group may hold a pipe: not for ever
        reader.join(timeout=_REAP_S)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()  # no process groups of this kind there
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Kill the program and its process group; return what was read from it."""
    _kill_group(process)
    try:
        return process.communicate(timeout=_REAP_S)
    except subprocess.TimeoutExpired as expired:
        # A child that left the group still holds the pipes; do not wait for it.
        return expired.stdout or b"", expired.stderr or b""


def _program(argv: tuple[str, ...]) -> str:
    return Path(argv[0]).name


def _failure(completed: Completed, what: str) -> str:
    """One line: which program, what for, and how it ended."""
    code = completed.returncode
    end = f"exit code {code}" if code >= 0 else f"killed by {_signal_name(-code)}"
    return f"{_program(completed.argv)} failed while {what} ({end})."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _tail(stderr: str, stdout: str) -> str:
    """The last lines of what the program said, from stdout if stderr is empty."""
    said = stderr.strip() or stdout.strip()
    return "\n".join(said.splitlines()[-TAIL_LINES:])

"""Namespaces of Linux for the lab: a network with nothing but itself, and processes that end."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.phones.debian import LabUnavailableError

HERE = Path(__file__).parent
CLONE_NEWNET = 0x40000000
_MY_NETWORK = "/proc/thread-self/ns/net"


class Network:
    """A network namespace with only the loopback device: ports in it are nobody else's.

    Raises LabUnavailableError where the kernel does not allow one.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        before = os.open(_MY_NETWORK, os.O_RDONLY)
        try:
            if self._libc.unshare(CLONE_NEWNET):
                reason = os.strerror(ctypes.get_errno())
                raise LabUnavailableError(f"no network namespace can be made: {reason}")
            try:
                self._inside = os.open(_MY_NETWORK, os.O_RDONLY)
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            finally:
                self._enter(before)
        finally:
            os.close(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in this network: the calling thread, and all that it starts meanwhile."""
        before = os.open(_MY_NETWORK, os.O_RDONLY)
        self._enter(self._inside)
        try:
            yield
        finally:
            self._enter(before)
            os.close(before)

    def close(self) -> None:
        """Let go of it; it ends with its last process."""
        os.close(self._inside)

    def _enter(self, namespace: int) -> None:
        if self._libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Init:
    """Process 1 of new mount and pid namespaces; all in them ends with it, and it with us.

    boot: a command that prepares the mount namespace and then becomes the command it is given.
    Raises LabUnavailableError where namespaces are not allowed.
    """

    def __init__(self, boot: Sequence[str] = ()) -> None:
        self._unshare = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *boot,
                *(sys.executable, "-IS", str(HERE / "init.py")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,  # Ctrl-C is for the tests; they end it in order
        )
        if self._read_line() != "ready":
            assert self._unshare.stderr is not None
            reason = self._unshare.stderr.read().strip()
            self.close()
            raise LabUnavailableError(f"no namespace for a phone can be made: {reason}")
        tasks = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        self.pid = int(tasks.read_text().split()[0])

    def start(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start a program in there; its pid, as processes in there see it."""
        pid: int = self._ask(do="start", argv=list(argv), env=dict(env), log=str(log))["pid"]
        return pid

    def kill(self, pid: int, sent: int) -> bool:
        """Send a signal to a process in there; whether it still was there."""
        there: bool = self._ask(do="kill", pid=pid, signal=int(sent))["there"]
        return there

    def close(self) -> None:
        """End everything in there."""
        assert self._unshare.stdin is not None
        self._unshare.stdin.close()
        try:
            self._unshare.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._unshare.kill()
            self._unshare.wait()
        for pipe in (self._unshare.stdout, self._unshare.stderr):
            if pipe:
                pipe.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._unshare.stdin is not None
        print(json.dumps(request), file=self._unshare.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._read_line())
        return answer

    def _read_line(self) -> str:
        assert self._unshare.stdout is not None
        return self._unshare.stdout.readline().strip()

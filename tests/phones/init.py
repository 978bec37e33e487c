"""Process 1 of a namespace: starts and kills programs on request, and ends with its parent.

Requests are lines of JSON on stdin, one answer line each. When stdin ends this process ends, and
the kernel ends everything else in the namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any


def _reap(*_: Any) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do one request: ``start`` gives the pid, ``kill`` whether there was such a process."""
    if request["do"] == "start":
        with open(request["log"], "ab") as log:
            started = subprocess.Popen(
                request["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=request["env"],
                cwd="/",
                start_new_session=True,
            )
        return {"pid": started.pid}
    try:
        os.kill(request["pid"], request["signal"])
    except ProcessLookupError:
        return {"there": False}
    return {"there": True}


def main() -> None:
    signal.signal(signal.SIGCHLD, _reap)
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

"""Our side as a process: `python worker.py BUNDLE THREADS STARTED`, then one request a line.

    {"do": "prefill", "tokens": 128}     -> {"tokens_per_s": ...}   from an empty cache
    {"do": "decode", "tokens": 64}       -> {"tokens_per_s": ...}   from an empty cache
    {"do": "fill"}                       -> {}                      every position of the context
    {"do": "memory"}                     -> {"peak_bytes": ..., "stack_bytes": ...}
    {"do": "first_token", "prompt": ""}  -> {"token": ...}          through the tokenizer, greedy

STARTED is when the parent started it, in seconds as of time.time(). The first line out is
{"import_s": ..., "ready_s": ...}: seconds from then to the end of Python's imports, and to a loaded
program. It ends when its input does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdk_builder.runtime.sampling import GenerationOptions
from sdk_builder.runtime.session import Session


def resident_bytes(field: str) -> int:
    """VmRSS (now) or VmHWM (the peak) of this process, from the kernel."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the kernel does not tell {field}")


class Worker:
    """The requests, over one loaded bundle."""

    def __init__(self, session: Session, stack_bytes: int) -> None:
        self._session = session
        self._engine = session.engine
        self._stack_bytes = stack_bytes

    def _feed(self, count: int) -> None:
        chunk = self._engine.max_chunk
        for start in range(0, count, chunk):
            size = min(chunk, count - start)
            # What the tokens are changes nothing in what is computed; the same ones each time.
            self._engine.forward([(7 * (start + i)) % 250 + 3 for i in range(size)], start)

    def prefill(self, tokens: int) -> dict[str, Any]:
        self._feed(tokens)  # llama-bench warms up by the same prompt, too
        started = time.perf_counter()
        self._feed(tokens)
        return {"tokens_per_s": tokens / (time.perf_counter() - started)}

    def decode(self, tokens: int) -> dict[str, Any]:
        self._engine.forward([7], 0)  # as llama-bench does
        started = time.perf_counter()
        for position in range(tokens):
            self._engine.forward([7], position)
        return {"tokens_per_s": tokens / (time.perf_counter() - started)}

    def fill(self) -> dict[str, Any]:
        self._feed(self._engine.context_length)
        return {}

    def memory(self) -> dict[str, Any]:
        return {"peak_bytes": resident_bytes("VmHWM"), "stack_bytes": self._stack_bytes}

    def first_token(self, prompt: str) -> dict[str, Any]:
        options = GenerationOptions(max_tokens=1, temperature=0.0)
        return {"token": next(self._session.tokens(self._session.encode(prompt), options), None)}


def main() -> None:
    born = float(sys.argv[3])
    import_s, stack_bytes = time.time() - born, _stack_bytes()
    with Session(sys.argv[1], threads=int(sys.argv[2])) as session:
        worker = Worker(session, stack_bytes)
        _answer({"import_s": import_s, "ready_s": time.time() - born})
        for line in sys.stdin:
            request = json.loads(line)
            handler: Callable[..., dict[str, Any]] = getattr(worker, request.pop("do"))
            _answer(handler(**request))


def _stack_bytes() -> int:
    """Resident memory of Python, torch and the runtime's libraries, before any program."""
    from sdk_builder.runtime.engine import load_runtime

    load_runtime()
    return resident_bytes("VmRSS")


def _answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()

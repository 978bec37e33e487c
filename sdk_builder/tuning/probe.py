"""What a program adds to the memory of a process, told by a process that does nothing else.

`python -m sdk_builder.tuning.probe PROGRAM CONTEXT CHUNK` prints the bytes: the largest resident
size while it is loaded, reads a chunk and answers, less that before. This process' own would tell
of the exporter's leftovers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sdk_builder.errors import SessionError
from sdk_builder.process import run

_DECODED = 8
_TIMEOUT_S = 300.0


def peak_memory_bytes(program: Path, *, context_length: int, max_chunk: int) -> int | None:
    """Ask such a process; None where the system does not tell. Raises SessionError."""
    arguments = [str(program.absolute()), str(context_length), str(max_chunk)]
    done = run(
        [sys.executable, "-m", "sdk_builder.tuning.probe", *arguments],
        timeout_s=_TIMEOUT_S,
        what="measuring the program's memory",
        error=SessionError,
        cwd=Path(__file__).parents[2],
    )
    told = done.stdout.split()
    return int(told[-1]) if told and told[-1].isdecimal() and int(told[-1]) > 0 else None


def main() -> None:
    """The process itself."""
    import psutil

    from sdk_builder.runtime.engine import ExecutorchEngine, load_runtime

    program, context_length, max_chunk = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    load_runtime()
    before = psutil.Process().memory_info().rss
    engine = ExecutorchEngine(program, context_length=context_length, max_chunk=max_chunk)
    fits = min(max_chunk, max(1, context_length - _DECODED))
    engine.forward([0] * fits, 0)
    for at in range(fits, min(fits + _DECODED, context_length)):
        engine.forward([0], at)
    sys.stdout.write(f"{max(0, _peak_bytes() - before)}\n")


def _peak_bytes() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    status = Path("/proc/self/status")
    if status.exists():  # Linux: what getrusage says includes the process that started this one
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: bytes


if __name__ == "__main__":
    main()

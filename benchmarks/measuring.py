"""What the benchmark scripts share: run a program and measure it, time programs side by side."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch

from sdk_builder.errors import ShaktiError
from sdk_builder.runtime.engine import load_runtime


@dataclass(frozen=True)
class ProcessCost:
    """One finished process: wall clock seconds and its largest resident memory, MiB."""

    wall_s: float
    peak_mib: float


@dataclass(frozen=True)
class Ratio:
    """ours / theirs over paired runs: median and quartiles; above 1 is more of the measure."""

    median: float
    low_quartile: float
    high_quartile: float
    ours: float
    theirs: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def run_process(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> ProcessCost:
    """Run `argv` to its end; exit with its output if it fails. `env` replaces the environment.

    Peak memory is read from the process while it runs: what the kernel reports afterwards also
    covers the moment between fork and exec, when a child is as large as its parent.
    """
    started, peak_mib = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as output:
        process = psutil.Popen(argv, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak_mib = max(peak_mib, _resident_mib(process))
            time.sleep(0.02)
        wall_s = time.perf_counter() - started
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{' '.join(argv)} failed:\n{output.read()[-4000:]}")
    return ProcessCost(wall_s, peak_mib)


def _resident_mib(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


class Forward:
    """A program's ``forward(tokens [1,S], start [1])``, loaded and run once."""

    def __init__(self, program: Path) -> None:
        self._module = load_runtime()._load_for_executorch(str(program))
        self(torch.zeros(1, 1, dtype=torch.long), 0)

    def __call__(self, tokens: torch.Tensor, start: int) -> None:
        self._module.run_method("forward", (tokens, torch.tensor([start])))

    def prefill_tokens_per_s(self, count: int) -> float:
        """Speed of one call with `count` tokens from an empty cache."""
        tokens = torch.arange(count)[None]
        started = time.perf_counter()
        self(tokens, 0)
        return count / (time.perf_counter() - started)

    def decode_tokens_per_s(self, count: int, *, depth: int = 0) -> float:
        """Speed of `count` single tokens behind `depth` others."""
        token = torch.tensor([[7]])
        started = time.perf_counter()
        for position in range(depth, depth + count):
            self(token, position)
        return count / (time.perf_counter() - started)


def compare(ours: Callable[[], float], theirs: Callable[[], float], *, repetitions: int) -> Ratio:
    """Measure both in turn, `repetitions` times after one warm-up, and pair the results."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(repetitions)]
    ratios = [a / b for a, b in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Ratio(
        median=statistics.median(ratios),
        low_quartile=low,
        high_quartile=high,
        ours=statistics.median(a for a, _ in pairs),
        theirs=statistics.median(b for _, b in pairs),
    )


def show(title: str, ratios: Mapping[str, Ratio]) -> None:
    """Print a table: measure, ours, theirs, ratio with quartiles."""
    print(f"\n{title}")
    for name, ratio in ratios.items():
        spread = f"[{ratio.low_quartile:.2f}, {ratio.high_quartile:.2f}]"
        print(f"  {name:24} {ratio.ours:12.1f} {ratio.theirs:12.1f}   {ratio.median:.2f} {spread}")


def run_script(main: Callable[[], None]) -> None:
    """Run a script; what we foresee to fail ends it with a line, a hint and its exit code."""
    try:
        main()
    except ShaktiError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)

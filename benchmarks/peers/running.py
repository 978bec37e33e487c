"""Both sides as processes: our worker, llama.cpp's programs, and how fast memory can be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from sdk_builder.benchmark.targets.llama_cpp import BenchRow, parse_rows
from sdk_builder.errors import SessionError, ToolchainError
from sdk_builder.process import run

from .llama_cpp import LlamaCpp

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 900.0


def environment() -> dict[str, str]:
    """For programs of ours that run models: no OpenMP threads below the runtime's own pool."""
    return {**export_environment(), "OMP_NUM_THREADS": "1"}


def export_environment() -> dict[str, str]:
    """For exports of either tool: as many threads as they like; this checkout before others."""
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths)}


class Ours:
    """A worker process with a loaded bundle; see `worker.py`. Use it as a context manager."""

    def __init__(self, bundle: Path, threads: int) -> None:
        """Start it and wait until the program is loaded. Raises SessionError."""
        script = Path(__file__).with_name("worker.py")
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(bundle), str(threads), repr(time.time())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(),
        )
        self.times: dict[str, float] = self._read()

    def __enter__(self) -> Ours:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._errors.close()

    def ask(self, do: str, **arguments: object) -> Any:
        """Send a request, wait for its answer. Raises SessionError when the process ends."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def speed(self, kind: str, tokens: int) -> float:
        """Tokens/s of ``prefill`` or ``decode`` from an empty cache."""
        return float(self.ask(kind, tokens=tokens)["tokens_per_s"])

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise SessionError("our worker ended early", self._errors.read()[-2000:])
        return json.loads(line)


def first_token(bundle: Path, prompt: str, threads: int) -> tuple[float, float]:
    """Seconds to the first token in a new process of ours: (without Python's imports, with)."""
    started = time.time()
    with Ours(bundle, threads) as ours:
        ours.ask("first_token", prompt=prompt)
        whole_s = time.time() - started
        return whole_s - ours.times["import_s"], whole_s


# --- llama.cpp --------------------------------------------------------------------------


def llama_bench(
    peer: LlamaCpp,
    model: Path,
    *,
    prompts: tuple[int, ...],
    decoded: int,
    threads: int,
    depth: int = 0,
) -> list[BenchRow]:
    """One llama-bench process, each case once: prefill of each of `prompts`, then decode.

    depth: tokens that are in the cache already.
    """
    shape = ["-p", ",".join(map(str, prompts or (0,))), "-n", str(decoded), "-t", str(threads)]
    shape += ["-d", str(depth)]
    done = run(
        [peer.program("llama-bench"), "-m", model, *shape, "-r", "1", "-ngl", "0", "-o", "jsonl"],
        timeout_s=_TIMEOUT_S,
        what="running llama-bench",
    )
    return parse_rows(done.stdout)


def llama_speeds(rows: list[BenchRow]) -> dict[str, float]:
    """Tokens/s by case: ``prefill_128``, ``decode``."""
    found = {}
    for row in rows:
        name = f"prefill_{row.n_prompt}" if row.n_prompt else "decode"
        found[name] = (row.n_prompt or row.n_gen) * 1e9 / row.samples_ns[0]
    return found


def llama_first_token(peer: LlamaCpp, model: Path, prompt: str, threads: int) -> float:
    """Seconds from starting llama-completion, without its warm-up run, to its first output."""
    argv = [str(peer.program("llama-completion")), "-m", str(model), "-p", prompt, "-n", "1"]
    options = ["-no-cnv", "--no-warmup", "--no-display-prompt", "--temp", "0", "-ngl", "0"]
    started = time.monotonic()
    with subprocess.Popen(
        [*argv, *options, "-t", str(threads)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # nothing, at its end, where the token has no text
        passed_s = time.monotonic() - started
        process.stdout.read()  # it may have more to say, and must not be cut off
    if process.returncode != 0:
        raise ToolchainError(f"llama-completion failed on {model}.", f"Run it by hand: {argv[0]}")
    return passed_s


# --- memory -----------------------------------------------------------------------------

_READER = r"""
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef struct { const uint64_t *data; size_t count; uint64_t sum; } Slice;
static void *add(void *given) {
  Slice *slice = given;
  uint64_t sum = 0;
  for (size_t i = 0; i < slice->count; i++) sum += slice->data[i];
  slice->sum = sum;
  return 0;
}
int main(int count, char **given) {
  int threads = atoi(given[1]);
  size_t words = (size_t)atoi(given[2]) * 131072 / threads;
  uint64_t *data = malloc(words * 8 * threads), total = 0;
  memset(data, count, words * 8 * threads);
  double best = 0;
  for (int pass = 0; pass < 4; pass++) {
    pthread_t ids[threads];
    Slice slices[threads];
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int t = 0; t < threads; t++) {
      slices[t] = (Slice){data + words * t, words, 0};
      pthread_create(&ids[t], 0, add, &slices[t]);
    }
    for (int t = 0; t < threads; t++) { pthread_join(ids[t], 0); total += slices[t].sum; }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double rate = words * 8.0 * threads / (b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9);
    if (rate > best) best = rate;
  }
  printf("%.0f %llu\n", best, (unsigned long long)total);
}
"""
_BUFFER_MIB = 512  # far beyond any last-level cache that this is run on


@dataclass(frozen=True)
class ReadBandwidth:
    """How fast memory can be read; `how` says what reads it."""

    how: str
    program: Path | None

    def measure(self, threads: int) -> float:
        """Bytes/s of the best of four passes over 512 MiB."""
        if self.program is not None:
            argv = [str(self.program), str(threads), str(_BUFFER_MIB)]
            done = run(argv, timeout_s=120, what="measuring memory")
            return float(done.stdout.split()[0])
        return _torch_bytes_per_s(threads)


def read_bandwidth(folder: Path) -> ReadBandwidth:
    """A small C program, built in `folder`; where there is no compiler, a sum in PyTorch."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return ReadBandwidth("sum over a tensor in PyTorch (no C compiler found)", None)
    source, program = folder / "read.c", folder / "read"
    source.write_text(_READER, encoding="utf-8")
    flags = ["-O3", "-march=native", "-pthread"]
    try:
        run([compiler, *flags, source, "-o", program], timeout_s=120, what="building the reader")
    except ToolchainError:
        return ReadBandwidth("sum over a tensor in PyTorch (the C compiler failed)", None)
    return ReadBandwidth("sum over an array in C, one slice a thread", program)


def _torch_bytes_per_s(threads: int) -> float:
    import torch

    torch.set_num_threads(threads)
    data = torch.ones(_BUFFER_MIB * 131072, dtype=torch.int64)
    best = 0.0
    for _ in range(4):
        started = time.perf_counter()
        data.sum()
        best = max(best, data.numel() * 8 / (time.perf_counter() - started))
    return best

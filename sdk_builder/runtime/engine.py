"""The seam to the ExecuTorch runtime: token ids and a position in, logits out.

`ExecutorchEngine` runs a bundle's program; `ScriptedEngine` is a small working stand-in for tests
of whatever is built on the seam, this package's and its users'.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from sdk_builder.attention import RingCache
from sdk_builder.errors import SessionError, ToolchainError
from sdk_builder.runtime.blas import one_blas_thread

if TYPE_CHECKING:
    from sdk_builder.bundle.reader import Bundle

_KERNEL_LIBRARIES = (
    "kernels/quantized/*quantized_ops_aot_lib.*",
    "extension/llm/custom_ops/*custom_ops_aot_lib.*",
)


class Engine(Protocol):
    """A program with a KV cache of `context_length` positions; takes `max_chunk` ids at once."""

    context_length: int
    max_chunk: int

    def forward(self, ids: Sequence[int], start: int) -> Tensor:
        """Write `ids` to positions `start`, ... and return the last one's logits, ``[V]``."""

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        """The same with a cache of its own and the logits of all positions, ``[len(ids), V]``."""

    def close(self) -> None:
        """Release the program's memory."""


class ExecutorchEngine:
    """A `.pte` on this machine, through ExecuTorch's Python runtime.

    threads: for the whole process (the runtime has one pool); None keeps the runtime's choice.
    traced: record what runs and when, for `write_trace`. ring: of a program with an attention
    pattern; a call across one of its borders becomes two.

    Raises SessionError when the program does not load.
    """

    def __init__(
        self,
        program: Path,
        *,
        context_length: int,
        max_chunk: int,
        threads: int | None = None,
        traced: bool = False,
        ring: RingCache | None = None,
    ) -> None:
        self.context_length = context_length
        self.max_chunk = max_chunk
        self._ring = ring
        self._written = {"forward": 0, "score": 0}  # positions that each cache has held
        with _runtime_errors(f"cannot load {program}"):
            runtime = load_runtime()
            if threads is not None:
                runtime._unsafe_reset_threadpool(threads)
            self._module: Any = runtime._load_for_executorch(
                str(program), enable_etdump=traced, debug_buffer_size=0
            )
            self._vocab_size = int(self._module.run_method("get_vocab_size", ())[0])
            # The first run packs the weights; it belongs to loading, and its log is held back.
            with one_blas_thread():
                self._module.run_method("forward", (torch.tensor([[0]]), torch.tensor([0])))

    @classmethod
    def of(
        cls, bundle: Bundle, *, threads: int | None = None, traced: bool = False
    ) -> ExecutorchEngine:
        """The program of `bundle`."""
        program = bundle.manifest.program
        return cls(
            bundle.program_path,
            context_length=program.context_length,
            max_chunk=program.max_chunk,
            threads=threads,
            traced=traced,
            ring=program.ring,
        )

    def forward(self, ids: Sequence[int], start: int) -> Tensor:
        self._check(ids, start)
        return [self._run("forward", part, at)[0, 0] for part, at in self._calls(ids, start)][-1]

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        self._check(ids, start)
        return torch.cat([self._run("score", part, at)[0] for part, at in self._calls(ids, start)])

    def _calls(self, ids: Sequence[int], start: int) -> Iterator[tuple[Sequence[int], int]]:
        """The call in pieces that no border of a sliding window's ring goes through."""
        done, stop = 0, len(ids)
        while done < stop:
            at = start + done
            room = stop if self._ring is None else self._ring.block - at % self._ring.block
            yield ids[done : done + room], at
            done += room

    def _run(self, method: str, ids: Sequence[int], start: int) -> Tensor:
        if self._module is None:
            raise SessionError("the session is closed", "open a new one")
        self._remember(method, start, start + len(ids))
        inputs = (torch.tensor([list(ids)]), torch.tensor([start]))
        try:
            with one_blas_thread():
                result: Tensor = self._module.run_method(method, inputs)[0]
        except RuntimeError as error:
            raise SessionError(
                f"the program's {method} method failed: {error}",
                "check the bundle with: shakti-sdk verify BUNDLE",
            ) from error
        return result

    def _check(self, ids: Sequence[int], start: int) -> None:
        """The runtime's kernels end the process, or worse, where these do not hold."""
        _check_range(ids, start, self.max_chunk, self.context_length)
        outside = [one for one in ids if not 0 <= one < self._vocab_size]
        if outside:
            raise SessionError(
                f"token id {outside[0]} is outside the vocabulary of {self._vocab_size}",
                "the tokenizer does not belong to this program",
            )

    def _remember(self, method: str, start: int, stop: int) -> None:
        """Refuse to go on behind what a pattern's ring has forgotten."""
        written = self._written[method]
        if self._ring is not None and self._ring.reusable(start, written) != start:
            raise SessionError(
                f"position {start} is too far back: of {written} positions the cache "
                f"remembers the last {self._ring.ring}",
                "start again at position 0",
            )
        self._written[method] = max(stop, written if start else 0)

    def write_trace(self, path: Path) -> None:
        """Write an ETDump of all runs so far. Raises SessionError when nothing was traced."""
        if self._module is None or not self._module.has_etdump():
            raise SessionError("this session was not traced", "open it with traced=True")
        self._module.write_etdump_result_to_file(str(path))

    def close(self) -> None:
        self._module = None


def _check_range(ids: Sequence[int], start: int, max_chunk: int, context_length: int) -> None:
    if not 1 <= len(ids) <= max_chunk:
        raise SessionError(f"{len(ids)} ids in one call, 1 to {max_chunk} are taken")
    if not 0 <= start <= context_length - len(ids):
        last = start + len(ids) - 1
        raise SessionError(f"positions {start} to {last} are not in a context of {context_length}")


def load_runtime() -> Any:
    """ExecuTorch's Python binding with the kernels that our programs call.

    The libraries are loaded by themselves: the Python modules around them import torch's compiler
    and ExecuTorch's exporter, which takes ten times as long as running a prompt.
    """
    from executorch.extension.pybindings import _C

    package = Path(_C.__file__).parents[2]
    for pattern in _KERNEL_LIBRARIES:
        found = sorted(package.glob(pattern))
        if not found:
            raise ToolchainError(
                f"the installed executorch has no {pattern}", "reinstall it: pip install executorch"
            )
        torch.ops.load_library(str(found[0]))
    return _C


@contextmanager
def _runtime_errors(what: str) -> Iterator[None]:
    """Hold back what the runtime logs to stderr; show its errors if the block fails."""
    with tempfile.TemporaryFile() as log:
        try:
            with _stderr_to(log.fileno()):
                yield
        except RuntimeError as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()
            reasons = [line for line in lines if "Failed to open midr" not in line]
            detail = f" ({reasons[-1].strip()})" if reasons else ""
            raise SessionError(
                f"{what}: {error}{detail}", "check the bundle with: shakti-sdk verify BUNDLE"
            ) from error


@contextmanager
def _stderr_to(descriptor: int) -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


@dataclass
class ScriptedEngine:
    """An engine without a model: `next_id(ids)` says what follows the ids in the cache.

    It keeps a real cache, so that positions, chunks and reuse of prefixes are checked: writing
    beyond the end of what is there, or past the context, raises SessionError. `calls` records
    (start, number of ids) of each forward.
    """

    next_id: Callable[[list[int]], int]
    vocab_size: int
    context_length: int = 64
    max_chunk: int = 16
    calls: list[tuple[int, int]] = field(default_factory=list)
    _cache: list[int] = field(default_factory=list)

    def forward(self, ids: Sequence[int], start: int) -> Tensor:
        self._write(ids, start)
        self.calls.append((start, len(ids)))
        return self._logits(self._cache)

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        self._write(ids, start)
        stops = range(start + 1, start + len(ids) + 1)
        return torch.stack([self._logits(self._cache[:stop]) for stop in stops])

    def _write(self, ids: Sequence[int], start: int) -> None:
        _check_range(ids, start, self.max_chunk, self.context_length)
        if start > len(self._cache):
            raise SessionError(f"position {start} is beyond the {len(self._cache)} that are filled")
        self._cache[start:] = ids

    def _logits(self, ids: list[int]) -> Tensor:
        logits = torch.zeros(self.vocab_size)
        logits[self.next_id(ids)] = 10.0
        return logits

    def close(self) -> None:
        self._cache = []

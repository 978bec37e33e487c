"""The clockwork of a benchmark: one case, run and timed once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from sdk_builder.benchmark.protocol import Case, WarmUp, bench_token
from sdk_builder.benchmark.worker.engines import BenchEngine
from sdk_builder.bundle.manifest import Manifest


@dataclass(frozen=True)
class Timing:
    """How long a case took; token_ms has an entry a token for decode cases, else none."""

    duration_ms: float
    token_ms: tuple[float, ...] = ()


class Meter:
    """Runs cases on an engine.

    tick: called between the engine's calls, so that whoever watches knows that they return; it
    must be cheap. clock_ns: a monotonic clock in nanoseconds.
    """

    def __init__(
        self,
        engine: BenchEngine,
        manifest: Manifest,
        *,
        tick: Callable[[], None] = lambda: None,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._engine = engine
        self._vocab_size = manifest.model.vocab_size
        self._max_chunk = manifest.program.max_chunk
        self._context_length = manifest.program.context_length
        self._tick = tick
        self._clock_ns = clock_ns

    def load(self, threads: int | None) -> Timing:
        """Load the program; this is the load case, too."""
        begun = self._clock_ns()
        self._engine.load(threads)
        return Timing(_ms(self._clock_ns() - begun))

    def warm_up(self, plan: WarmUp) -> None:
        """Run what no clock sees after a load, as far as it fits the context."""
        filled = min(plan.prefill_tokens, self._context_length)
        self.fill(filled)
        self._decode(filled, min(plan.decode_tokens, self._context_length - filled))

    def fill(self, depth: int) -> None:
        """Put `depth` tokens into the KV cache, outside the clock."""
        for ids, start in self._chunks(0, depth):
            self._engine.prefill(ids, start)
            self._tick()

    def run(self, case: Case) -> Timing:
        """Time a case, whose depth is filled already. Not for load cases."""
        if case.kind == "decode":
            return self._decode(case.depth, case.tokens)
        return self._prompt(case.depth, case.tokens, pick=case.kind == "ttft")

    def _prompt(self, depth: int, tokens: int, *, pick: bool) -> Timing:
        chunks = self._chunks(depth, tokens)
        begun = self._clock_ns()
        for ids, start in chunks[:-1]:
            self._engine.prefill(ids, start)
            self._tick()
        ids, start = chunks[-1]
        if pick:
            self._engine.next_token(ids, start)
        else:
            self._engine.prefill(ids, start)
        return Timing(_ms(self._clock_ns() - begun))

    def _decode(self, depth: int, tokens: int) -> Timing:
        """The first token that is fed is the prompt's next, every other one the one picked."""
        token = bench_token(depth, self._vocab_size)
        marks = [self._clock_ns()]
        for position in range(depth, depth + tokens):
            token = self._engine.next_token([token], position)
            self._tick()
            marks.append(self._clock_ns())
        token_ms = tuple(_ms(b - a) for a, b in pairwise(marks))
        return Timing(_ms(marks[-1] - marks[0]), token_ms)

    def _chunks(self, start: int, count: int) -> list[tuple[list[int], int]]:
        """Prompt ids for `count` positions from `start` on, as the program takes them."""
        ids = [bench_token(start + i, self._vocab_size) for i in range(count)]
        return [
            (ids[at : at + self._max_chunk], start + at) for at in range(0, count, self._max_chunk)
        ]


def _ms(nanoseconds: int) -> float:
    return nanoseconds / 1e6

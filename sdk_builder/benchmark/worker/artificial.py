"""An engine that computes nothing and takes a known time: it tests whatever measures, and itself
needs neither torch nor a program.

Its specification is a JSON object with the fields of `ArtificialSpec`, for example

    {"load_ms": 40, "prefill_ms_per_token": 0.2, "decode_ms_per_token": 2,
     "stalls": {"decode": [[5, 30]]}, "fault": "crash", "fault_after_cases": 2,
     "fault_rounds": [1], "fault_attempts": [1]}
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from sdk_builder.benchmark.target import Progress
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.bundle.record import Count, NotNegative, Positive, Record
from sdk_builder.errors import SessionError

CRASH_CODE = 70  # the exit code of a worker whose artificial engine crashed
_SPIN_NS = 1_000_000  # sleeping is this inexact; the rest is waited for in a loop

Stall = tuple[Count, NotNegative]


class ArtificialSpec(Record):
    """How long everything takes, and what goes wrong.

    Times hold for one thread; `max_threads` says up to how many threads divide them.
    stalls: kind -> pairs of a position in the KV cache (of a decode case at depth 0: the token's
    index) and the milliseconds that the call which writes it takes in addition.
    fault: crash ends the process, hang never returns, error raises. It happens when
    `fault_after_cases` cases of a round are done (0: before the first, but after loading), in all
    rounds and attempts, or only in those that are listed.
    golden: whether the recorded answers to the golden prompts are given.
    """

    load_ms: NotNegative = 20.0
    load_fails: bool = False
    prefill_ms_per_token: NotNegative = 0.1
    decode_ms_per_token: NotNegative = 1.0
    max_threads: Positive = 1
    stalls: dict[Literal["prefill", "decode"], tuple[Stall, ...]] = Field(default_factory=dict)
    golden: Literal["repeat", "differ"] = "repeat"
    fault: Literal["crash", "hang", "error"] | None = None
    fault_after_cases: Count = 0
    fault_rounds: tuple[Count, ...] | None = None
    fault_attempts: tuple[Count, ...] | None = None


class ArtificialBench:
    """A BenchEngine by specification; `on_progress` wants to hear how far the round is."""

    def __init__(
        self,
        spec: ArtificialSpec,
        manifest: Manifest,
        *,
        round_number: int,
        attempt: int,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._spec = spec
        self._vocab_size = manifest.model.vocab_size
        self._program = manifest.program
        self._fault = spec.fault
        if spec.fault_rounds is not None and round_number not in spec.fault_rounds:
            self._fault = None
        if spec.fault_attempts is not None and attempt not in spec.fault_attempts:
            self._fault = None
        self._answers = _golden_answers(manifest)
        self._longest = max(map(len, self._answers), default=0)
        self._cache: list[int] = []
        self._loaded = False
        self._speed = 1

    def on_progress(self, progress: Progress) -> None:
        """Let the fault happen when it is due. Raises SessionError, or ends the process."""
        if self._fault is None or progress.done < self._spec.fault_after_cases:
            return
        if self._fault == "crash":
            os._exit(CRASH_CODE)
        if self._fault == "error":
            raise SessionError("the artificial engine was told to fail")
        while True:
            time.sleep(3600)

    def load(self, threads: int | None) -> None:
        begun = self._clock_ns()
        if self._spec.load_fails:
            raise SessionError("the artificial engine was told not to load")
        self._speed = min(threads or 1, self._spec.max_threads)
        self._cache, self._loaded = [], True
        self._wait_until(begun, self._spec.load_ms)

    def prefill(self, ids: Sequence[int], start: int) -> None:
        begun = self._clock_ns()
        self._write(ids, start)
        self._wait_until(begun, self._cost_ms(len(ids), start))

    def next_token(self, ids: Sequence[int], start: int) -> int:
        begun = self._clock_ns()
        self._write(ids, start)
        token = self._answer()
        self._wait_until(begun, self._cost_ms(len(ids), start))
        return token

    def close(self) -> None:
        self._loaded = False

    def _wait_until(self, begun_ns: int, after_ms: float) -> None:
        """Return `after_ms` after `begun_ns`, never earlier, and as little later as can be."""
        end = begun_ns + round(after_ms * 1e6)
        while (left := end - self._clock_ns()) > 0:
            if left > _SPIN_NS:
                self._sleep((left - _SPIN_NS) / 1e9)

    def _write(self, ids: Sequence[int], start: int) -> None:
        if not self._loaded:
            raise SessionError("the artificial engine is not loaded")
        if not 1 <= len(ids) <= self._program.max_chunk:
            raise SessionError(f"{len(ids)} ids in a call, {self._program.max_chunk} are taken")
        if not 0 <= start <= min(len(self._cache), self._program.context_length - len(ids)):
            raise SessionError(
                f"{len(ids)} ids at position {start}, {len(self._cache)} of "
                f"{self._program.context_length} are filled"
            )
        if not all(0 <= one < self._vocab_size for one in ids):
            raise SessionError(f"an id is outside the vocabulary of {self._vocab_size}")
        self._cache[start:] = ids

    def _answer(self) -> int:
        if len(self._cache) <= self._longest:
            recorded = self._answers.get(tuple(self._cache))
            if recorded is not None:
                return (recorded + (self._spec.golden == "differ")) % self._vocab_size
        return (self._cache[-1] * 31 + len(self._cache)) % self._vocab_size

    def _cost_ms(self, count: int, start: int) -> float:
        kind: Literal["prefill", "decode"] = "decode" if count == 1 else "prefill"
        spec = self._spec
        each = spec.decode_ms_per_token if count == 1 else spec.prefill_ms_per_token
        stalled = sum(
            extra for at, extra in spec.stalls.get(kind, ()) if start <= at < start + count
        )
        return count * each / self._speed + stalled


def _golden_answers(manifest: Manifest) -> dict[tuple[int, ...], int]:
    """What is in the cache -> what the bundle's golden prompts say comes next."""
    return {
        (*prompt.prompt_ids, *prompt.expected_ids[:count]): token
        for prompt in manifest.golden
        for count, token in enumerate(prompt.expected_ids)
    }

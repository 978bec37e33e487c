"""An answer in numbers."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass


@dataclass
class GenerationStats:
    """The last answer in numbers.

    Times are wall clock; rates are tokens/s, None where nothing of the kind ran. prompt_tokens
    counts what was computed, reused_tokens what the KV cache already had. context_used: positions
    taken after the answer. finish_reason: "eos", "stop", "length", "context" or "" (unfinished).
    dropped_exchanges: of a chat, how many of the oldest left the context before this answer.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    ttft_ms: float | None = None
    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None
    peak_memory_mib: float | None = None
    context_used: int = 0
    finish_reason: str = ""
    dropped_exchanges: int = 0


class Clock:
    """Fills in the statistics as the answer grows."""

    def __init__(self, stats: GenerationStats) -> None:
        self.stats = stats
        self._started = time.perf_counter()
        self._first = 0.0

    def prefilled(self, computed: int, reused: int) -> None:
        now = time.perf_counter()
        self.stats.prompt_tokens, self.stats.reused_tokens = computed, reused
        self.stats.prefill_tokens_per_s = computed / (now - self._started)

    def sampled(self, context_used: int) -> None:
        self.stats.context_used = context_used
        self.stats.peak_memory_mib = peak_memory_mib()
        if not self._first:
            self._first = time.perf_counter()
            self.stats.ttft_ms = (self._first - self._started) * 1e3

    def generated(self, count: int) -> None:
        self.stats.generated_tokens = count
        if count > 1:
            elapsed = time.perf_counter() - self._first
            self.stats.decode_tokens_per_s = (count - 1) / elapsed


def peak_memory_mib() -> float:
    """Peak resident memory of this process, MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / (1 << 20)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)

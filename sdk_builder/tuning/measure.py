"""Quality and speed of programs, the same way for each. torch."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdk_builder.evaluation.perplexity import windows
from sdk_builder.runtime.engine import Engine

# Positions whose whole distributions are kept for the KL divergence: with a vocabulary of 49,152
# they take 50 MB.
KL_POSITIONS = 256

Logits = Callable[[Sequence[int]], Tensor]
"""Token ids -> logits of every position ``[len(ids), V]``."""
Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Scored:
    """losses: negative log-likelihood (nats) of each counted token, ``[N]``; kept: logits
    ``[K, V]`` of evenly spaced ones.
    """

    losses: Tensor
    kept: Tensor

    @property
    def tokens(self) -> int:
        """Counted ones, N."""
        return len(self.losses)

    @property
    def perplexity(self) -> float:
        """exp of the mean loss."""
        return math.exp(float(self.losses.double().mean()))


def score(
    logits: Logits, ids: Sequence[int], window: int, stride: int, progress: Progress
) -> Scored:
    """Run `ids` in windows as `evaluation.perplexity` does, which counts each token once."""
    every = max(1, math.ceil((len(ids) - 1) / KL_POSITIONS))
    losses, kept = [], []
    for part in windows(len(ids), window, stride):
        found = logits(ids[part.start : part.stop - 1])[part.counted - part.start - 1 :]
        targets = torch.tensor(ids[part.counted : part.stop])
        losses.append(torch.nn.functional.cross_entropy(found, targets, reduction="none"))
        kept.append(found[(-part.counted) % every :: every].clone())
        progress(part.stop, len(ids))
    return Scored(torch.cat(losses), torch.cat(kept))


def ratio_stderr(reference: Scored, scored: Scored) -> float:
    """Standard error of the ratio of perplexities, from the differences token by token."""
    differences = (scored.losses - reference.losses).double()
    if len(differences) < 2:
        return 0.0
    ratio = math.exp(float(differences.mean()))
    return ratio * float(differences.std()) / math.sqrt(len(differences))


@dataclass(frozen=True)
class SpeedPlan:
    """rounds: of both programs in turn; tokens of a prompt and of an answer in each."""

    rounds: int = 7
    prefill_tokens: int = 128
    decode_tokens: int = 32

    def within(self, context: int) -> SpeedPlan:
        """As much of it as fits `context` positions."""
        prefill = min(self.prefill_tokens, context // 2)
        decode = min(self.decode_tokens, context - prefill)
        return SpeedPlan(self.rounds, prefill, decode)


QUICK_SPEED = SpeedPlan(rounds=3, decode_tokens=16)


@dataclass(frozen=True)
class Speed:
    """Tokens a second, and the median over rounds of the ratio to the other program's."""

    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    prefill_ratio: float
    decode_ratio: float


def compare_speed(engine: Engine, other: Engine, vocab_size: int, plan: SpeedPlan) -> Speed:
    """Time both in turn, round by round, so that what else the machine does hits both."""
    plan = plan.within(min(engine.context_length, other.context_length))
    for one in (engine, other):  # warm-up, which no ratio sees
        _time(one, vocab_size, plan)
    pairs = [
        (_time(engine, vocab_size, plan), _time(other, vocab_size, plan))
        for _ in range(plan.rounds)
    ]
    return Speed(
        prefill_tokens_per_s=plan.prefill_tokens / statistics.median(a[0] for a, _ in pairs),
        decode_tokens_per_s=plan.decode_tokens / statistics.median(a[1] for a, _ in pairs),
        prefill_ratio=statistics.median(b[0] / a[0] for a, b in pairs),
        decode_ratio=statistics.median(b[1] / a[1] for a, b in pairs),
    )


def _time(engine: Engine, vocab_size: int, plan: SpeedPlan) -> tuple[float, float]:
    """Seconds of the prompt, and of the answer, whose tokens are fixed: only time is asked for."""
    ids = [(7 * at + 1) % vocab_size for at in range(plan.prefill_tokens + plan.decode_tokens)]
    started = time.perf_counter()
    for at in range(0, plan.prefill_tokens, engine.max_chunk):
        engine.forward(ids[at : min(at + engine.max_chunk, plan.prefill_tokens)], at)
    between = time.perf_counter()
    for at in range(plan.prefill_tokens, len(ids)):
        engine.forward(ids[at : at + 1], at)
    ended = time.perf_counter()
    return between - started, ended - between

"""From logits to the next token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sdk_builder.errors import UsageError

_MOST_SEEDS = 2**63


@dataclass(frozen=True)
class GenerationOptions:
    """How to answer. None takes the bundle's default.

    temperature: 0 is greedy; top_p: sample from the most likely tokens that make up this share;
    seed: of the sampling, None for a new one; max_tokens: longest answer; stop: texts that end it.

    Raises UsageError for a value out of range.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.temperature is not None and not self.temperature >= 0.0:
            raise UsageError(f"temperature must be 0 or more, not {self.temperature}")
        if self.top_p is not None and not 0.0 < self.top_p <= 1.0:
            raise UsageError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.seed is not None and not 0 <= self.seed < _MOST_SEEDS:
            raise UsageError(f"seed must be from 0 to 2**63 - 1, not {self.seed}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UsageError(f"max_tokens must be 1 or more, not {self.max_tokens}")


class Sampler:
    """Draws tokens from ``[V]`` logits; the same seed and logits give the same tokens."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def __call__(self, logits: Tensor) -> int:
        if self._temperature == 0.0:
            return int(logits.argmax())
        # From the maximum down, so that no temperature, however low, divides to infinity.
        below = logits.double() - logits.max()
        shares = torch.softmax(below / self._temperature, dim=-1)
        if self._top_p < 1.0:
            shares = nucleus(shares, self._top_p)
        return int(torch.multinomial(shares, 1, generator=self._generator))


def nucleus(shares: Tensor, top_p: float) -> Tensor:
    """`shares` ``[V]`` with all but the fewest most likely that sum to `top_p` set to zero."""
    ordered, indices = shares.sort(descending=True)
    before = ordered.cumsum(0) - ordered
    kept = torch.where(before < top_p, ordered, 0.0)
    return torch.zeros_like(shares).scatter(0, indices, kept)

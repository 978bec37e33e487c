"""Programs without a model, for tests of what evaluates them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class ChunkedEngine:
    """Logits by a hash of all ids up to here and, as with int8 activations, of how they were cut.

    Positions must be filled without gaps. `calls` records (start, number of ids).
    """

    vocab_size: int = 13
    context_length: int = 64
    max_chunk: int = 8
    cuts_matter: bool = True
    calls: list[tuple[int, int]] = field(default_factory=list)
    _state: list[bytes] = field(default_factory=list)

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        assert 1 <= len(ids) <= self.max_chunk
        assert start <= len(self._state)
        assert start + len(ids) <= self.context_length
        self.calls.append((start, len(ids)))
        del self._state[start:]
        for offset, one in enumerate(ids):
            before = self._state[-1] if self._state else b""
            cut = b"|" if self.cuts_matter and offset == 0 else b""
            self._state.append(hashlib.sha256(before + cut + bytes([one])).digest())
        return torch.stack([self._logits(state) for state in self._state[start:]])

    def _logits(self, state: bytes) -> Tensor:
        generator = torch.Generator().manual_seed(int.from_bytes(state[:7], "little"))
        return torch.randn(self.vocab_size, generator=generator)

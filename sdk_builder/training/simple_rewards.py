"""Reward functions to begin with, and to read as examples; `rewards.py` has the contract."""

from __future__ import annotations

from collections.abc import Sequence


def same_answer(completions: Sequence[str], answer: Sequence[str]) -> list[float]:
    """1 for an answer that is the record's field `answer`, but for case, space and a full stop."""
    return [float(_plain(a) == _plain(b)) for a, b in zip(completions, answer, strict=True)]


def brief(completions: Sequence[str]) -> list[float]:
    """From 0 for an empty answer to -1: the shorter, the better; 100 characters are -0.5."""
    return [-len(text) / (len(text) + 100) for text in completions]


def _plain(text: str) -> str:
    return text.casefold().strip().rstrip(".").rstrip()

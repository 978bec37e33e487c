"""Tokens to text as they come: whole characters only, ended by stop texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


def stream_text(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The text of `ids` piece by piece; a character split over tokens comes when it is whole."""
    stream = DecodeStream(skip_special_tokens=True)
    for token in ids:
        piece = stream.step(tokenizer, token)
        if piece:
            yield piece


class StopTexts:
    """Passes text on up to a stop text, and holds back what could be the start of one.

    Of several, the one that is complete first counts (of those that end together, the longest), so
    that the result does not depend on how the text is split into pieces.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.found = False

    def push(self, piece: str) -> str:
        """Text that may be shown now; after a stop text, nothing more."""
        if self.found:
            return ""
        text = self._held + piece
        spans = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if spans:
            self.found, self._held = True, ""
            return text[: min(spans)[1]]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, once no more text comes."""
        text, self._held = self._held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)

"""Rows that were there before: the same text but for case, spaces and Unicode's spellings, or
almost the same text (MinHash over runs of five words, by the package datasketch).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdk_builder.errors import UsageError
from sdk_builder.rows.needs import package
from sdk_builder.rows.row import Reason, Unusable
from sdk_builder.training.data.records import Record

_DIGEST = 16  # bytes: among 10^9 texts, two share one with a chance of 10^-21
_WORDS = 5
_PERMUTATIONS = 128
# What LSH should avoid: false candidates, which are looked at again, or misses. So 98 % of those
# at the likeness asked for are found.
_ERRORS = (0.02, 0.98)
_LEAST, _MOST = 0.3, 0.95  # likeness that 128 permutations can tell


@dataclass(frozen=True)
class Duplicates:
    """How to find them within one source.

    capacity: texts remembered, the newest; a copy farther back is not found. A text takes up to
    200 bytes, and 6 kB more with `near`. near: the share of common five-word runs (Jaccard
    similarity, estimated to about 0.04) from which texts count as the same; None: equal ones only.
    """

    capacity: int = 1_000_000
    near: float | None = None

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise UsageError(f"A memory of {self.capacity} texts is none.", "Use 1 or more.")
        if self.near is not None and not _LEAST <= self.near <= _MOST:
            raise UsageError(
                f"A likeness of {self.near} cannot be told.", f"Use {_LEAST} to {_MOST}."
            )

    def seen(self) -> Seen:
        """An empty memory for one pass."""
        return Seen(self)


class Seen:
    """What one pass has seen."""

    def __init__(self, what: Duplicates) -> None:
        self._capacity = what.capacity
        self._digests: set[bytes] = set()
        self._order: deque[bytes] = deque()
        self._near = _Near(what.near, what.capacity) if what.near is not None else None

    def check(self, record: Record) -> None:
        """Remember a record. Raises Unusable for one that is already known."""
        text = normalised(record)
        digest = hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()
        if digest in self._digests:
            raise Unusable(Reason.DUPLICATE, "the same text came before")
        if self._near is not None:
            self._near.check(text)
        self._digests.add(digest)
        self._order.append(digest)
        if len(self._order) > self._capacity:
            self._digests.remove(self._order.popleft())


def normalised(record: Record) -> str:
    """All that a record says; case, spaces and composed or decomposed letters do not matter."""
    return "\x1e".join(f"{what}\x1f{_plain(text)}" for what, text in record.parts)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


class _Near:
    """MinHash signatures in LSH bands; candidates count if their estimated likeness does."""

    def __init__(self, likeness: float, capacity: int) -> None:
        self._datasketch: Any = package("datasketch", "Finding near duplicates")
        self._likeness, self._capacity = likeness, capacity
        self._index = self._datasketch.MinHashLSH(likeness, _PERMUTATIONS, weights=_ERRORS)
        self._known: dict[int, Any] = {}
        self._next = 0

    def check(self, text: str) -> None:
        signature = self._datasketch.MinHash(_PERMUTATIONS)
        signature.update_batch([run.encode() for run in _runs(text)])
        for one in self._index.query(signature):
            if (alike := signature.jaccard(self._known[one])) >= self._likeness:
                raise Unusable(Reason.NEAR_DUPLICATE, f"{alike:.2f} alike to one before")
        self._index.insert(self._next, signature)
        self._known[self._next] = signature
        self._next += 1
        if len(self._known) > self._capacity:
            oldest = self._next - len(self._known)
            del self._known[oldest]
            self._index.remove(oldest)


def _runs(text: str) -> Iterator[str]:
    words = text.split()
    for start in range(max(1, len(words) - _WORDS + 1)):
        yield " ".join(words[start : start + _WORDS])

"""Which earlier positions a token looks at, and what a KV cache must keep for that. No torch.

Full attention looks at all of them. A sliding window looks at the last `window` positions and at
the first few, the attention sinks (StreamingLLM, arXiv 2309.17453): without them a model that was
trained with full attention falls apart.

A sink is seen at a distance that stays about the window's size, however far back it is: trained
models know no other. Its distance grows within a block of `block` positions, and jumps back at the
block's start; so all tokens of one call, which never crosses a block's border, see the same keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdk_builder.errors import UsageError

SINKS = 4
# Beyond, float32 angles of the fastest rotary pair are off by more than a hundredth of a turn.
LAST_POSITION = 1 << 17
_WINDOW = re.compile(r"window:([0-9]{1,9})")


@dataclass(frozen=True)
class SlidingWindow:
    """The last `window` positions, the token's own included, and the first `sinks`."""

    window: int
    sinks: int = SINKS

    def visible(self, query: int, key: int) -> bool:
        """Whether the token at position `query` looks at the one at `key`."""
        return key <= query and (query - key < self.window or key < self.sinks)


@dataclass(frozen=True)
class RingCache:
    """Where a sliding window's keys lie: sinks first, a spare slot, then a ring.

    block: most tokens of one call, which stays between two multiples of it.
    """

    pattern: SlidingWindow
    block: int

    @property
    def ring(self) -> int:
        """Slots of the ring: a call's first token still finds its whole window."""
        return self.pattern.window - 1 + self.block

    @property
    def first(self) -> int:
        """The ring's first slot."""
        return self.pattern.sinks + 1

    @property
    def slots(self) -> int:
        return self.first + self.ring

    def slot(self, position: int) -> int:
        """Where the key of `position` is written."""
        sinks = self.pattern.sinks
        return position if position < sinks else self.first + (position - sinks) % self.ring

    def shift(self, query: int) -> int:
        """How far the sinks have moved for a token at `query`."""
        reach = self.pattern.window + self.pattern.sinks - 1
        return max(0, query // self.block * self.block - reach)

    def reusable(self, prefix: int, written: int) -> int:
        """How many of `prefix` kept positions a cache that held `written` can go on behind.

        The ring has forgotten what is more than its length behind the last that was written.
        """
        lost = written > self.pattern.sinks + self.ring
        return prefix if not lost or prefix >= written - self.block else 0


def parse_attention(text: str) -> SlidingWindow | None:
    """``full`` (None) or ``window:N``. Raises UsageError."""
    if text == "full":
        return None
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise UsageError(f"No attention is called {text!r}.", "Use full or window:N.")
    window = int(found[1])
    if not 1 <= window <= LAST_POSITION - SINKS:
        raise UsageError(
            f"A window of {window} positions makes no sense.",
            f"Use 1 to {LAST_POSITION - SINKS} positions.",
        )
    return SlidingWindow(window)

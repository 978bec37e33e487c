"""Which earlier positions a token looks at, and what a KV cache must keep for that. No torch.

Full attention looks at all of them. A sliding window looks at the last `window` positions and at
the first few, the attention sinks (StreamingLLM, arXiv 2309.17453): without them a model that was
trained with full attention falls apart. Block-sparse attention (as in Sparse Transformers, arXiv
1904.10509, by whole blocks) looks at the last blocks, at every few of those before, and at the
sinks.

A sink is seen at a distance that stays about the pattern's span, however far back it is: trained
models know no other. Its distance grows within a call's block of positions, and jumps back at the
block's start; so all tokens of one call, which never crosses a block's border, see the same keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from sdk_builder.errors import UsageError

# The first few are what keeps a model whole; so many also hold a chat's system message.
SINKS = 64
FIRST_SINKS = 4  # of bundles that do not say how many
USUAL_CONTEXT = 4096  # positions
USUAL_CHUNK = 128  # most prompt tokens a call; chosen by measurement (docs/performance.md)
# Beyond, float32 angles of the fastest rotary pair are off by more than a hundredth of a turn.
LAST_POSITION = 1 << 17
MOST_SINKS = 4096
MOST_WINDOW = LAST_POSITION - MOST_SINKS
_LAYERS = re.compile(r"(.+)\+global:([0-9]{1,4})")
_SINKS = re.compile(r"(.+)\+sinks:([0-9]{1,6})")
_WINDOW = re.compile(r"window:([0-9]{1,9})")
_SPARSE = re.compile(r"block-sparse(?::([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6})(?:,([0-9]{1,6}))?)?")
_BLOCK, _LOCAL, _STRIDE = 64, 8, 8


class Pattern(Protocol):
    """Attention to some positions only: `sinks` first ones, and those that `visible` says.

    With a `global_every` of n, each n-th layer looks at everything; 0: none does.
    """

    @property
    def sinks(self) -> int: ...

    @property
    def global_every(self) -> int: ...

    @property
    def span(self) -> int:
        """A token looks at nothing but sinks `span` positions before it and farther back."""

    @property
    def step(self) -> int:
        """Tokens of one block of `step` positions look back to the same one."""

    @property
    def back(self) -> int:
        """How far before its block's start a token looks at everything."""

    @property
    def stride(self) -> int:
        """Every how manieth block is looked at from farther away; 0: none."""

    def visible(self, query: Any, key: Any) -> Any:
        """Whether the token at position `query` looks at the one at `key`: a bool for ints, and
        elementwise for tensors."""


@dataclass(frozen=True)
class SlidingWindow:
    """The last `window` positions, the token's own included, and the first `sinks`."""

    window: int
    sinks: int = SINKS
    global_every: int = 0
    step = 1
    stride = 0

    @property
    def span(self) -> int:
        return self.window

    @property
    def back(self) -> int:
        return self.window - 1

    def visible(self, query: Any, key: Any) -> Any:
        return (key <= query) & ((query - key < self.window) | (key < self.sinks))

    def __str__(self) -> str:
        return f"window:{self.window}{_suffix(self)}"


@dataclass(frozen=True)
class BlockSparse:
    """Blocks of `block` positions: the token's own and those before it, `local` in all; of the last
    `reach`, each `stride`-th; and the first `sinks` positions."""

    block: int
    local: int
    stride: int
    reach: int
    sinks: int = SINKS
    global_every: int = 0

    @property
    def step(self) -> int:
        return self.block

    @property
    def span(self) -> int:
        return self.reach * self.block

    @property
    def back(self) -> int:
        return (self.local - 1) * self.block

    def strided(self, position: Any) -> Any:
        """Whether the position's block is one of each `stride`."""
        return position // self.block % self.stride == self.stride - 1

    def visible(self, query: Any, key: Any) -> Any:
        behind = query // self.block - key // self.block
        seen = (behind < self.local) | (self.strided(key) & (behind < self.reach))
        return (key <= query) & (seen | (key < self.sinks))

    def __str__(self) -> str:
        blocks = f"{self.block},{self.local},{self.stride},{self.reach}"
        return f"block-sparse:{blocks}{_suffix(self)}"


def is_global(pattern: Pattern | None, layer: int) -> bool:
    """Whether `layer`, counted from 0, looks at everything."""
    return pattern is None or (pattern.global_every > 0 and (layer + 1) % pattern.global_every == 0)


def _suffix(pattern: Pattern) -> str:
    sinks = "" if pattern.sinks == SINKS else f"+sinks:{pattern.sinks}"
    return sinks + (f"+global:{pattern.global_every}" if pattern.global_every else "")


@dataclass(frozen=True)
class RingCache:
    """Where a pattern's keys lie: sinks first, a spare slot, a ring, and another of strided blocks.

    Slots of both rings are numbered as a text comes to them, so that behind its first n positions
    only the first n + 1 slots are in use.

    block: most tokens of one call, which stays between two multiples of it. Raises UsageError for
    one that does not go with the pattern's.
    """

    pattern: Pattern
    block: int

    def __post_init__(self) -> None:
        step = self.pattern.step
        if self.block % step and step % self.block:
            raise UsageError(
                f"Blocks of {step} positions and chunks of {self.block} tokens do not fit.",
                "Let one be a multiple of the other (--chunk).",
            )

    @property
    def _steps_a_call(self) -> int:
        return max(1, self.block // self.pattern.step)

    @property
    def period(self) -> int:
        """Positions after which slots repeat."""
        return self._strided_span or self.ring

    @property
    def _strided_span(self) -> int:
        """Positions whose strided blocks are kept: a call's first token still finds all of its."""
        if not self.pattern.stride:
            return 0
        group = self.pattern.stride * self.pattern.step
        reach = self.pattern.span + (self._steps_a_call - 1) * self.pattern.step
        return -(-reach // group) * group

    @property
    def ring(self) -> int:
        """Slots of the ring: a call's first token still finds all of its nearest positions."""
        step = self.pattern.step
        needed = self.pattern.back + max(self.block, step)
        if not self.pattern.stride:
            return needed
        # So that it ends where the strided blocks' ring does.
        whole = self._strided_span // step
        return step * next(n for n in range(needed // step, whole + 1) if whole % n == 0)

    @property
    def strided(self) -> int:
        """Slots of the strided blocks' ring."""
        return self._strided_span // self.pattern.stride if self.pattern.stride else 0

    @property
    def first(self) -> int:
        """The ring's first slot."""
        return self.pattern.sinks + 1

    @property
    def slots(self) -> int:
        return self.first + self.ring + self.strided

    @property
    def farther(self) -> int:
        """How much farther back than others strided blocks are looked at."""
        return self.pattern.span - self.pattern.step - self.pattern.back

    def slot(self, position: int) -> int:
        """Where the key of `position` is written."""
        if position < self.pattern.sinks:
            return position
        return self._numbers[self._place(position)]

    def table(self) -> list[int]:
        """Slots of positions behind the sinks, by their remainder modulo `period`."""
        return [self._numbers[self._place(position)] for position in range(self.period)]

    @property
    def strided_slots(self) -> list[int]:
        """Slots of the strided blocks' ring."""
        return [slot for (is_strided, _), slot in self._numbers.items() if is_strided]

    @cached_property
    def _numbers(self) -> dict[tuple[bool, int], int]:
        """The slot of each place, in the order in which a text comes to them."""
        start = self.pattern.sinks
        places = dict.fromkeys(map(self._place, range(start, start + self.period)))
        return {place: self.first + number for number, place in enumerate(places)}

    def _place(self, position: int) -> tuple[bool, int]:
        """(whether it is in the strided blocks' ring, where in its ring)."""
        step, stride = self.pattern.step, self.pattern.stride
        if not stride or position // step % stride != stride - 1:
            return False, position % self.ring
        group = position % self._strided_span // (stride * step)
        return True, group * step + position % step

    def oldest(self, query: int) -> int:
        """The first position of those that the token at `query` looks at without a gap."""
        return query - query % self.pattern.step - self.pattern.back

    def shift(self, query: int) -> int:
        """How far the sinks have moved for a token at `query`."""
        reach = self.pattern.span + self.pattern.sinks - 1
        return max(0, query // self.block * self.block - reach)

    def reusable(self, prefix: int, written: int) -> int:
        """How many of `prefix` kept positions a cache that held `written` can go on behind.

        All, or none where what the next token looks at has been written over.
        """
        near = self.oldest(prefix) >= written - self.ring
        far = not self.strided or self.oldest(prefix) - self.farther >= written - self._strided_span
        kept = written <= self.ring or (near and (far or written <= self._strided_span))
        return prefix if kept else 0


def parse_attention(text: str, context_length: int = LAST_POSITION) -> Pattern | None:
    """``full`` (None), ``window:N`` or ``block-sparse[:BLOCK,LOCAL,STRIDE[,REACH]]``, all in
    positions but for LOCAL, STRIDE and REACH, which are blocks; without REACH, `context_length`.
    Behind the last two may stand ``+sinks:N`` and then ``+global:LAYERS``.

    Raises UsageError.
    """
    if text == "full":
        return None
    layers = _LAYERS.fullmatch(text)
    kind, every = (layers[1], int(layers[2])) if layers else (text, 0)
    first = _SINKS.fullmatch(kind)
    kind, sinks = (first[1], int(first[2])) if first else (kind, SINKS)
    if layers and every < 2:
        raise UsageError(
            f"With each {_nth(every)} layer global, no layer has a pattern.", "Use 2 or more."
        )
    if found := _WINDOW.fullmatch(kind):
        return check_pattern(SlidingWindow(int(found[1]), sinks, every))
    if found := _SPARSE.fullmatch(kind):
        block, local, stride = (
            int(given) if given else usual
            for given, usual in zip(found.groups(), (_BLOCK, _LOCAL, _STRIDE), strict=False)
        )
        reach = int(found[4]) if found[4] else context_length // max(block, 1)
        return check_pattern(BlockSparse(block, local, stride, reach, sinks, every))
    raise UsageError(
        f"No attention is called {text!r}.",
        "Use full, window:N or block-sparse:BLOCK,LOCAL,STRIDE; behind the last two +sinks:N and "
        "+global:LAYERS.",
    )


def check_pattern(pattern: Pattern) -> Pattern:
    """The pattern, if its numbers make sense. Raises UsageError."""
    if not 0 <= pattern.sinks <= MOST_SINKS:
        raise UsageError(f"There cannot be {pattern.sinks} sinks.", f"Use 0 to {MOST_SINKS}.")
    if isinstance(pattern, SlidingWindow) and not 1 <= pattern.window <= MOST_WINDOW:
        raise UsageError(
            f"A window of {pattern.window} positions makes no sense.",
            f"Use 1 to {MOST_WINDOW} positions.",
        )
    if isinstance(pattern, BlockSparse):
        block, local, reach = pattern.block, pattern.local, pattern.reach
        most = LAST_POSITION // max(block, 1)
        if min(block, local, pattern.stride) < 1 or not local <= reach <= most >= pattern.stride:
            raise UsageError(
                f"Block-sparse attention with blocks of {block}, {local} local, each "
                f"{_nth(pattern.stride)} of {reach} makes no sense.",
                "Use at least 1 of each, no more local blocks than the text has, or a larger "
                "--context.",
            )
    return pattern


def fitting_chunk(pattern: Pattern | None, most: int) -> int:
    """The largest chunk of `most` tokens at the most that goes with the pattern's blocks."""
    step = 1 if pattern is None else pattern.step
    if most >= step:
        return most - most % step
    return max(chunk for chunk in range(1, most + 1) if step % chunk == 0)


def kv_bytes(kv_heads: int, head_dim: int, kv_format: str) -> int:
    """Bytes of one token's keys and values; kv_heads: of all layers together.

    An int8 cache has an fp32 scale and an int8 zero point for each head.
    """
    each = head_dim + 4 + 1 if kv_format == "int8" else 4 * head_dim
    return 2 * kv_heads * each


def kv_cache_bytes(
    kv_heads: Sequence[int], head_dim: int, kv_format: str, ring: RingCache | None, context: int
) -> int:
    """Bytes of a full KV cache: of `ring`, and of `context` positions in layers that are global.

    kv_heads: of each layer.
    """
    pattern = None if ring is None else ring.pattern
    return sum(
        kv_bytes(heads, head_dim, kv_format)
        * (context if ring is None or is_global(pattern, layer) else ring.slots)
        for layer, heads in enumerate(kv_heads)
    )


def describe(pattern: Pattern | None) -> str:
    """What a token looks at, in words that go behind "attention"."""
    words = "to all positions"
    if isinstance(pattern, SlidingWindow):
        words = f"to the last {pattern.window} positions and the first {pattern.sinks}"
    elif isinstance(pattern, BlockSparse):
        words = (
            f"to the last {pattern.local} blocks of {pattern.block}, "
            f"each {_nth(pattern.stride)} of the last {pattern.reach}, "
            f"and the first {pattern.sinks} positions"
        )
    if pattern is not None and pattern.global_every:
        words += f"; to all in each {_nth(pattern.global_every)} layer"
    return words


def _nth(number: int) -> str:
    usual = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else usual}"

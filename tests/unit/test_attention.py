"""Sliding windows: what is seen, and that a ring of slots still holds it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.attention import (
    LAST_POSITION,
    BlockSparse,
    RingCache,
    SlidingWindow,
    describe,
    fitting_chunk,
    is_global,
    parse_attention,
)
from sdk_builder.errors import UsageError

WINDOWS = st.builds(SlidingWindow, st.integers(1, 30), st.integers(0, 5))


@st.composite
def sparse_patterns(draw: st.DrawFn) -> BlockSparse:
    reach = draw(st.integers(1, 12))
    local = draw(st.integers(1, reach))
    sizes = st.sampled_from((1, 2, 4, 8))
    return BlockSparse(draw(sizes), local, draw(st.integers(1, 5)), reach, draw(st.integers(0, 5)))


RINGS = st.one_of(
    st.builds(RingCache, WINDOWS, st.integers(1, 12)),
    st.builds(RingCache, sparse_patterns(), st.sampled_from((1, 2, 4, 8, 16))),
)
SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def calls(ring: RingCache, start: int, stop: int, sizes: list[int]) -> Iterator[range]:
    """Calls from `start` to `stop`, of these sizes in turn where no border is in the way."""
    turn = 0
    while start < stop:
        border = (start // ring.block + 1) * ring.block
        end = min(stop, border, start + sizes[turn % len(sizes)])
        yield range(start, end)
        start, turn = end, turn + 1


class Slots:
    """What a cache holds, call by call."""

    def __init__(self, ring: RingCache) -> None:
        self.ring = ring
        self.held: dict[int, int] = {}

    def call(self, positions: range) -> None:
        """Write, then check that every token finds just what it looks at."""
        for position in positions:
            self.held[self.ring.slot(position)] = position
        for query in positions:
            found = {one for one in self.held.values() if self.ring.pattern.visible(query, one)}
            wanted = {one for one in range(query + 1) if self.ring.pattern.visible(query, one)}
            assert found == wanted


def test_full_attention_is_no_window_and_a_window_has_64_sinks() -> None:
    assert parse_attention("full") is None
    assert parse_attention("window:960") == SlidingWindow(960, sinks=64)
    assert parse_attention("window:960+sinks:4") == SlidingWindow(960, sinks=4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "windows:3",
        "window:",
        "window:0",
        "window:-1",
        "window:5,sinks=4",
        "window:9e9",
        "window:٣",
        "block-sparse:",
        "block-sparse:64,8",
        "block-sparse:64,8,8,64,4",
        "block-sparse:0,8,8",
        "block-sparse:64,0,8",
        "block-sparse:64,8,0",
        "block-sparse:64,9,8,8",
        "block-sparse:64,8,8,9999",
        "block-sparse:64,8,9999,64",
        "full+global:2",
        "window:5+global:",
        "window:5+sinks:4097",
        "window:5+global:2+sinks:4",
        "window:5+global:1",
        "window:5+global:0",
        "window:5+global:2+global:3",
    ],
)
def test_other_texts_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_attention(text)
    assert "\n" not in caught.value.message


def test_block_sparse_looks_back_over_the_context() -> None:
    usual = BlockSparse(block=64, local=8, stride=8, reach=64)
    assert parse_attention("block-sparse", 4096) == usual
    assert parse_attention("block-sparse:64,8,8", 4100) == usual
    assert parse_attention(str(usual), 1024) == usual
    assert parse_attention("window:7") == SlidingWindow(7) == parse_attention(str(SlidingWindow(7)))


@pytest.mark.parametrize(
    "text", ["window:7+global:3", "window:7+sinks:0+global:4", "block-sparse:8,2,2,9+global:2"]
)
def test_every_few_layers_may_look_at_everything(text: str) -> None:
    pattern = parse_attention(text)
    assert str(pattern) == text
    every = int(text[-1])
    found = [layer for layer in range(7) if is_global(pattern, layer)]
    assert found == list(range(every - 1, 7, every))
    assert not any(is_global(parse_attention("window:7"), layer) for layer in range(7))
    assert all(is_global(None, layer) for layer in range(7))


@given(st.integers(1, 300), st.sampled_from([1, 8, 48, 64]))
def test_usual_chunks_fit_the_blocks(most: int, block: int) -> None:
    chunk = fitting_chunk(BlockSparse(block, 1, 1, 1), most)
    RingCache(BlockSparse(block, 1, 1, 1), chunk)
    fitting = [one for one in range(1, most + 1) if one % block == 0 or block % one == 0]
    assert chunk == max(fitting)


def test_blocks_and_chunks_must_fit() -> None:
    RingCache(BlockSparse(64, 8, 8, 64), 16)
    with pytest.raises(UsageError, match="64 positions and chunks of 96") as caught:
        RingCache(BlockSparse(64, 8, 8, 64), 96)
    assert "--chunk" in caught.value.hint


def test_patterns_are_told_in_words() -> None:
    assert describe(None) == "to all positions"
    assert describe(SlidingWindow(20, 4, global_every=6)) == (
        "to the last 20 positions and the first 4; to all in each 6th layer"
    )
    assert describe(SlidingWindow(20, 4)) == "to the last 20 positions and the first 4"
    assert describe(BlockSparse(64, 8, 3, 64, sinks=4)) == (
        "to the last 8 blocks of 64, each 3rd of the last 64, and the first 4 positions"
    )


def test_block_sparse_keeps_a_quarter_of_4096_positions() -> None:
    ring = RingCache(BlockSparse(64, 8, 8, 64), 64)
    assert ring.slots == 64 + 1 + 8 * 64 + 8 * 64


def test_a_window_larger_than_any_text_is_refused() -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        parse_attention(f"window:{LAST_POSITION}")


@given(WINDOWS, st.integers(0, 200))
def test_a_token_looks_at_its_window_and_the_sinks(window: SlidingWindow, query: int) -> None:
    seen = [key for key in range(300) if window.visible(query, key)]
    recent = set(range(max(0, query - window.window + 1), query + 1))
    assert set(seen) == recent | set(range(min(window.sinks, query + 1)))


@given(sparse_patterns(), st.integers(0, 150))
def test_a_token_looks_at_its_blocks(pattern: BlockSparse, query: int) -> None:
    own = query // pattern.block
    blocks = {*range(own - pattern.local + 1, own + 1)}
    blocks |= {
        one for one in range(own - pattern.reach + 1, own + 1) if (one + 1) % pattern.stride == 0
    }
    for key in range(200):
        wanted = key <= query and (key // pattern.block in blocks or key < pattern.sinks)
        assert pattern.visible(query, key) == wanted


@given(RINGS, st.integers(0, 400))
def test_slots_behind_the_sinks_repeat(ring: RingCache, position: int) -> None:
    if position >= ring.pattern.sinks:
        assert ring.slot(position) == ring.table()[position % ring.period]


@given(RINGS, st.integers(0, 300))
def test_what_a_token_looks_at_is_told_by_where_its_keys_lie(ring: RingCache, query: int) -> None:
    """The rule that programs go by: no older than `oldest`, or `farther` for strided blocks."""
    for key in range(ring.pattern.sinks, query + 1):
        farther = ring.farther if ring.slot(key) in ring.strided_slots else 0
        assert ring.pattern.visible(query, key) == (key >= ring.oldest(query) - farther)


@given(RINGS, st.integers(1, 300))
def test_a_text_comes_to_slots_in_their_order(ring: RingCache, length: int) -> None:
    """So that attention to the first `length + 1` slots is attention to all that is written."""
    assert max(map(ring.slot, range(length))) <= length
    used = set(ring.table())
    assert used == set(range(ring.first, ring.first + len(used)))


@given(RINGS, SIZES)
def test_every_token_finds_its_keys_however_the_text_is_split(
    ring: RingCache, sizes: list[int]
) -> None:
    slots = Slots(ring)
    for positions in calls(ring, 0, 3 * ring.period + 20, sizes):
        slots.call(positions)
    assert max(slots.held) < ring.slots
    assert ring.pattern.sinks not in slots.held, "the spare slot is written by nobody"


@given(RINGS, SIZES, st.data())
def test_what_is_reusable_is_still_there(
    ring: RingCache, sizes: list[int], data: st.DataObject
) -> None:
    written = data.draw(st.integers(1, 2 * ring.period + 20))
    slots = Slots(ring)
    for positions in calls(ring, 0, written, sizes):
        slots.call(positions)
    prefix = data.draw(st.integers(0, written))
    start = ring.reusable(prefix, written)
    assert start in (0, prefix)
    for positions in calls(ring, start, start + ring.block, sizes):
        slots.call(positions)


@given(RINGS, st.integers(0, 500))
def test_sinks_stay_about_a_window_away(ring: RingCache, query: int) -> None:
    if ring.pattern.sinks == 0:
        return
    last = ring.pattern.sinks - 1
    distance = query - (last + ring.shift(query))
    assert distance <= max(ring.pattern.span - 1, 0) + ring.block
    assert ring.shift(query) == ring.shift(query // ring.block * ring.block)
    assert ring.shift(query) == 0 or distance >= ring.pattern.span

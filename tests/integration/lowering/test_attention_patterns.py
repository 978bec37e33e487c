"""Programs of attention patterns against plain PyTorch: every key, a mask, sinks that move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdk_builder.attention import BlockSparse, Pattern, RingCache, SlidingWindow
from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Decoder, rotate
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.rope import inverse_frequencies, rotary_angles
from sdk_builder.models.streamed import streamed_logits
from sdk_builder.runtime.engine import ExecutorchEngine

VOCAB, CHUNK, CONTEXT = 64, 8, 4096
PATTERNS: dict[str, Pattern] = {
    "window": SlidingWindow(20, sinks=3),
    "sparse, blocks of half a chunk": BlockSparse(4, local=3, stride=2, reach=8, sinks=3),
    "sparse, blocks of two chunks": BlockSparse(16, local=1, stride=3, reach=2, sinks=12),
    "window, a global layer": SlidingWindow(20, sinks=3, global_every=2),
}
# How far back behind 140 positions one may go: a chunk, or whole blocks, as worked out by hand.
FARTHEST_BACK = {
    "window": CHUNK,
    "sparse, blocks of half a chunk": 12,
    "sparse, blocks of two chunks": 12,
    "window, a global layer": CHUNK,
}


class Weights:
    """A small model with KV heads that differ between layers."""

    config = ShaktiConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        kv_heads_per_layer=[4, 2, 1],
        head_dim=8,
        max_position_embeddings=CONTEXT,
    )

    def parameter(self, name: str) -> Tensor:
        generator = torch.Generator().manual_seed(sum(name.encode()))
        values = torch.randn(parameter_shapes(self.config)[name], generator=generator)
        return values if values.dim() == 1 else values * 0.4


def reference(ids: Sequence[int], ring: RingCache) -> Tensor:
    """Logits of all positions ``[len, V]``: each query on its own, over all keys before it."""
    config, weights = Weights.config, Weights()
    decoder = Decoder(config).eval()
    state = {
        name.removeprefix("model."): weights.parameter(name) for name in parameter_shapes(config)
    }
    decoder.load_state_dict(state)
    frequencies = inverse_frequencies(config)
    positions = torch.arange(len(ids))

    def turned(x: Tensor, by: Tensor) -> Tensor:
        cos, sin = rotary_angles(frequencies, by)
        return rotate(x, cos[None, :, None], sin[None, :, None])

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        repeat = q.shape[2] // k.shape[2]
        out = torch.empty_like(q)
        for query in range(len(ids)):
            keys = list(range(query + 1))
            moved = keys
            if not (ring.pattern.global_every and layer == 1):
                keys = [key for key in keys if ring.pattern.visible(query, key)]
                moved = [key + ring.shift(query) * (key < ring.pattern.sinks) for key in keys]
            seen = turned(k[:, keys], torch.tensor(moved)).repeat_interleave(repeat, 2)
            asked = turned(q[:, [query]], positions[[query]])
            scores = torch.einsum("bqhd,bkhd->bhqk", asked, seen) / config.head_dim**0.5
            values = v[:, keys].repeat_interleave(repeat, 2)
            out[:, [query]] = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), values)
        return out

    with torch.no_grad():
        hidden = decoder.embed_tokens(torch.tensor([ids]))
        unused = torch.zeros(1, 1, 1, 1)
        result = decoder(hidden, unused, unused, attend, rotate=lambda x, cos, sin: x)
        return result[0] @ weights.parameter(layout.EMBEDDING).T


class Program(ExecutorchEngine):
    """The program, its pattern's cache, and how it keeps keys and values."""

    name: str
    kv: str
    ring: RingCache
    expected: Tensor


VARIANTS = [(name, kv) for name in PATTERNS for kv in ("fp32", "int8")]


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda one: ", ".join(one))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    name, kv = request.param
    pattern = PATTERNS[name]
    path = tmp_path_factory.mktemp("pattern") / "model.pte"
    options = LoweringOptions(context_length=CONTEXT, max_chunk=CHUNK, kv=kv, pattern=pattern)
    lower(Weights.config, Weights(), path, options)
    engine = Program(path, context_length=CONTEXT, max_chunk=CHUNK)
    engine.name, engine.kv, engine.expected = name, kv, expected(name)
    engine.ring = RingCache(pattern, CHUNK)
    yield engine
    engine.close()


IDS = torch.randint(0, VOCAB, (140,), generator=torch.Generator().manual_seed(3)).tolist()


@cache
def expected(name: str) -> Tensor:
    return reference(IDS, RingCache(PATTERNS[name], CHUNK))


def calls(length: int, sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Calls over `length` positions of at most the given sizes in turn, none across a border."""
    start = turn = 0
    while start < length:
        border = (start // CHUNK + 1) * CHUNK
        stop = min(length, border, start + sizes[turn % len(sizes)])
        yield start, stop
        start, turn = stop, turn + 1


def scored(engine: Program, sizes: Sequence[int]) -> Tensor:
    return torch.cat(
        [engine.score(IDS[start:stop], start) for start, stop in calls(len(IDS), sizes)]
    )


def require_close(engine: Program, found: Tensor, wanted: Tensor) -> None:
    if engine.kv == "fp32":
        assert torch.allclose(found, wanted, atol=2e-3)
    else:
        assert torch.cosine_similarity(found, wanted, dim=-1).median() > 0.99


@pytest.mark.parametrize("size", [1, 3, CHUNK])
def test_long_past_the_window_the_program_is_the_reference(engine: Program, size: int) -> None:
    assert len(IDS) > 3 * engine.ring.slots
    require_close(engine, scored(engine, [size]), engine.expected)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, CHUNK), min_size=1, max_size=9))
def test_a_prompt_may_be_split_anywhere(engine: Program, sizes: list[int]) -> None:
    require_close(engine, scored(engine, sizes), engine.expected)


@pytest.mark.parametrize("name", PATTERNS)
def test_exports_compare_their_program_with_the_same_attention(name: str) -> None:
    class Source(Weights):
        tensor = Weights.parameter

        def names(self) -> list[str]:
            return list(parameter_shapes(self.config))

    found = streamed_logits(Source(), [IDS, IDS[:30]], RingCache(PATTERNS[name], CHUNK))
    assert torch.allclose(found[0], expected(name), atol=1e-3)
    assert torch.allclose(found[1], expected(name)[:30], atol=1e-3)


def test_prefill_and_decode_give_the_last_position_of_score(engine: Program) -> None:
    found = [
        engine.forward(IDS[start:stop], start) for start, stop in calls(len(IDS), [CHUNK, 1, 2])
    ]
    ends = [stop - 1 for _, stop in calls(len(IDS), [CHUNK, 1, 2])]
    require_close(engine, torch.stack(found), engine.expected[ends])


def test_a_new_text_does_not_see_the_one_before(engine: Program) -> None:
    other = [(one + 7) % VOCAB for one in IDS]
    for start, stop in calls(len(other), [CHUNK]):
        engine.score(other[start:stop], start)
    require_close(engine, scored(engine, [CHUNK]), engine.expected)


def test_going_back_within_what_the_ring_remembers(engine: Program) -> None:
    scored(engine, [CHUNK])
    farthest = FARTHEST_BACK[engine.name]
    for back in (1, 5, farthest):
        start = len(IDS) - back
        assert engine.ring.reusable(start, len(IDS)) == start
        again = [engine.score([IDS[at]], at) for at in range(start, len(IDS))]
        require_close(engine, torch.cat(again), engine.expected[start:])
    assert engine.ring.reusable(len(IDS) - farthest - 1, len(IDS)) == 0

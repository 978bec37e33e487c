"""A sliding window's program against plain PyTorch: every key, a mask, and sinks that move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdk_builder.attention import RingCache, SlidingWindow
from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Decoder, rotate
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.rope import inverse_frequencies, rotary_angles
from sdk_builder.models.streamed import streamed_logits
from sdk_builder.runtime.engine import ExecutorchEngine

VOCAB, CHUNK, CONTEXT = 64, 8, 4096
WINDOW = SlidingWindow(20, sinks=3)
RING = RingCache(WINDOW, CHUNK)


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


def reference(ids: Sequence[int]) -> Tensor:
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
            keys = [key for key in range(query + 1) if WINDOW.visible(query, key)]
            moved = [key + RING.shift(query) * (key < WINDOW.sinks) for key in keys]
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
    """The program, and how it keeps keys and values."""

    kv: str


@pytest.fixture(scope="module", params=["fp32", "int8"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    path = tmp_path_factory.mktemp("window") / "model.pte"
    options = LoweringOptions(
        context_length=CONTEXT, max_chunk=CHUNK, kv=request.param, window=WINDOW
    )
    lower(Weights.config, Weights(), path, options)
    engine = Program(path, context_length=CONTEXT, max_chunk=CHUNK)
    engine.kv = request.param
    yield engine
    engine.close()


IDS = torch.randint(0, VOCAB, (120,), generator=torch.Generator().manual_seed(3)).tolist()
EXPECTED = reference(IDS)


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


def require_close(engine: Program, found: Tensor, expected: Tensor) -> None:
    if engine.kv == "fp32":
        assert torch.allclose(found, expected, atol=2e-3)
    else:
        assert torch.cosine_similarity(found, expected, dim=-1).median() > 0.99


@pytest.mark.parametrize("size", [1, 3, CHUNK])
def test_long_past_the_window_the_program_is_the_reference(engine: Program, size: int) -> None:
    assert len(IDS) > 3 * RING.slots
    require_close(engine, scored(engine, [size]), EXPECTED)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, CHUNK), min_size=1, max_size=9))
def test_a_prompt_may_be_split_anywhere(engine: Program, sizes: list[int]) -> None:
    require_close(engine, scored(engine, sizes), EXPECTED)


def test_exports_compare_their_program_with_the_same_attention() -> None:
    class Source(Weights):
        tensor = Weights.parameter

        def names(self) -> list[str]:
            return list(parameter_shapes(self.config))

    found = streamed_logits(Source(), [IDS, IDS[:30]], RING)
    assert torch.allclose(found[0], EXPECTED, atol=1e-3)
    assert torch.allclose(found[1], EXPECTED[:30], atol=1e-3)


def test_prefill_and_decode_give_the_last_position_of_score(engine: Program) -> None:
    found = [
        engine.forward(IDS[start:stop], start) for start, stop in calls(len(IDS), [CHUNK, 1, 2])
    ]
    ends = [stop - 1 for _, stop in calls(len(IDS), [CHUNK, 1, 2])]
    require_close(engine, torch.stack(found), EXPECTED[ends])


def test_a_new_text_does_not_see_the_one_before(engine: Program) -> None:
    other = [(one + 7) % VOCAB for one in IDS]
    for start, stop in calls(len(other), [CHUNK]):
        engine.score(other[start:stop], start)
    require_close(engine, scored(engine, [CHUNK]), EXPECTED)


def test_going_back_within_what_the_ring_remembers(engine: Program) -> None:
    scored(engine, [CHUNK])
    for back in (1, 5, CHUNK):
        start = len(IDS) - back
        assert RING.reusable(start, len(IDS)) == start
        again = [engine.score([IDS[at]], at) for at in range(start, len(IDS))]
        require_close(engine, torch.cat(again), EXPECTED[start:])
    assert RING.reusable(len(IDS) - CHUNK - 1, len(IDS)) == 0

"""The int8 KV cache: the same as rounding keys, values and queries by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.lowering.pte import called_operators, read_program
from sdk_builder.models import ShaktiConfig, ShaktiForCausalLM
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.rope import rope_tables
from sdk_builder.quantization.schemes import find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.runtime.engine import ExecutorchEngine

CONTEXT, CHUNK, VOCAB = 256, 32, 96
# int8 rounding falls on the other side now and then where sums are taken in another order.
TOLERANCE = 0.05


@pytest.fixture(scope="module")
def model() -> ShaktiForCausalLM:
    torch.manual_seed(4)
    found = ShaktiForCausalLM(
        ShaktiConfig(
            vocab_size=VOCAB,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            kv_heads_per_layer=[2, 1],
        )
    )
    for parameter in found.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return found.eval()


@pytest.fixture(scope="module")
def program(model: ShaktiForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    class Weights:
        tensor = staticmethod(lambda name: model.state_dict()[name].clone())

    path = tmp_path_factory.mktemp("int8") / "model.pte"
    plan = plan_formats(find_scheme("none"), parameter_shapes(model.config))
    options = LoweringOptions(context_length=CONTEXT, max_chunk=CHUNK, kv="int8")
    lower(model.config, QuantizedSource(Weights(), plan), path, options)
    return path


@pytest.fixture
def engine(program: Path) -> ExecutorchEngine:
    return ExecutorchEngine(program, context_length=CONTEXT, max_chunk=CHUNK)


def rounded(x: Tensor) -> Tensor:
    """int8 with a scale and zero point for each vector, zero among the levels."""
    low = x.amin(-1, keepdim=True).clamp(max=0.0)
    high = x.amax(-1, keepdim=True).clamp(min=0.0)
    scale = ((high - low) / 255).clamp_min(1e-9)
    zero = (-128 - low / scale).round().clamp(-128, 127)
    return ((x / scale).round() + zero).clamp(-128, 127).sub(zero) * scale


def reference(model: ShaktiForCausalLM, ids: list[int]) -> Tensor:
    """Logits ``[S, V]`` in PyTorch."""

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (rounded(one).transpose(1, 2) for one in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return mixed.transpose(1, 2)

    with torch.no_grad():
        hidden = model.model.embed_tokens(torch.tensor([ids]))
        cos, sin = rope_tables(model.config, len(ids))
        return model.lm_head(model.model(hidden, cos, sin, attend))[0]


def ids_of(count: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCAB, (count,), generator=generator).tolist()


def score(engine: ExecutorchEngine, ids: list[int], cuts: list[int]) -> Tensor:
    bounds = [0, *cuts, len(ids)]
    parts = [engine.score(ids[a:b], a) for a, b in pairwise(bounds) if b > a]
    return torch.cat(parts)


def test_one_piece_is_what_rounding_by_hand_gives(
    engine: ExecutorchEngine, model: ShaktiForCausalLM
):
    ids = ids_of(CHUNK)
    expected, found = reference(model, ids), score(engine, ids, [])
    assert float((found - expected).abs().max()) < TOLERANCE * float(expected.abs().max())
    assert float(torch.cosine_similarity(found, expected, dim=-1).min()) > 0.999


def test_rounding_is_seen(engine: ExecutorchEngine, model: ShaktiForCausalLM):
    """The reference without rounding is farther away: the cache really is int8."""
    ids = ids_of(CHUNK, seed=3)
    found, expected = score(engine, ids, []), reference(model, ids)
    with torch.no_grad():
        exact = model(torch.tensor([ids])).logits[0]
    assert (found - expected).square().mean() < 0.2 * (found - exact).square().mean()


@given(cuts=st.sets(st.integers(1, 99), max_size=8), seed=st.integers(0, 99))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_prefill_may_be_cut_anywhere(
    engine: ExecutorchEngine, model: ShaktiForCausalLM, cuts: set[int], seed: int
):
    ids = ids_of(100, seed)
    bounds = sorted(cuts | set(range(CHUNK, 100, CHUNK)))
    found, expected = score(engine, ids, bounds), reference(model, ids)
    assert float(torch.cosine_similarity(found, expected, dim=-1).min()) > 0.999


def test_token_by_token_to_the_last_position(engine: ExecutorchEngine, model: ShaktiForCausalLM):
    ids = ids_of(CONTEXT, seed=8)
    expected = reference(model, ids)
    for at in range(0, CONTEXT - 8, CHUNK):
        engine.forward(ids[at : min(at + CHUNK, CONTEXT - 8)], at)
    found = torch.stack([engine.forward([ids[at]], at) for at in range(CONTEXT - 8, CONTEXT)])
    assert float(torch.cosine_similarity(found, expected[-8:], dim=-1).min()) > 0.999


def test_caches_take_little_more_than_a_quarter(program: Path, model: ShaktiForCausalLM):
    (forward,) = (p for p in read_program(program).execution_plan if p.name == "forward")
    config = model.config
    heads = config.kv_heads(0) + config.kv_heads(1)
    each = config.head_dim + 4 + 1  # values, an fp32 scale, an int8 zero point
    state_bytes = forward.non_const_buffer_sizes[2]
    assert CONTEXT * 2 * heads * each <= state_bytes < CONTEXT * 2 * heads * each + 12 * 64
    assert "llama::custom_quantized_sdpa.out" in called_operators(program)

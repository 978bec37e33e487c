"""To the last of 4,096 positions, in every format of weights and KV cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.lowering.unpack import StoredProgram
from sdk_builder.models import ShaktiConfig, ShaktiForCausalLM
from sdk_builder.models.checkpoint import load_model
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.quantization.schemes import SCHEMES, find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.runtime.engine import ExecutorchEngine
from sdk_builder.verify.agreement import torch_reference

CONTEXT, CHUNK, VOCAB, LAST = 4096, 128, 96, 40


@pytest.fixture(scope="module")
def model() -> ShaktiForCausalLM:
    torch.manual_seed(6)
    found = ShaktiForCausalLM(
        ShaktiConfig(
            vocab_size=VOCAB,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
        )
    )
    for parameter in found.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return found.eval()


def prefill(engine: ExecutorchEngine, ids: list[int], pieces: int) -> None:
    for at in range(0, len(ids), pieces):
        engine.forward(ids[at : at + pieces], at)


def one_by_one(engine: ExecutorchEngine, ids: list[int], start: int) -> Tensor:
    return torch.stack([engine.forward([one], at) for at, one in enumerate(ids[start:], start)])


@pytest.mark.parametrize("kv", ["fp32", "int8"])
@pytest.mark.parametrize("quant", list(SCHEMES))
def test_last_positions_are_the_models(
    model: ShaktiForCausalLM, tmp_path: Path, quant: str, kv: str
):
    class Weights:
        tensor = staticmethod(lambda name: model.state_dict()[name].clone())

    plan = plan_formats(find_scheme(quant), parameter_shapes(model.config))
    path = tmp_path / "model.pte"
    options = LoweringOptions(context_length=CONTEXT, max_chunk=CHUNK, kv=kv)
    lower(model.config, QuantizedSource(Weights(), plan), path, options)
    engine = ExecutorchEngine(path, context_length=CONTEXT, max_chunk=CHUNK)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, VOCAB, (CONTEXT,), generator=generator).tolist()
    start = CONTEXT - LAST

    prefill(engine, ids[:start], CHUNK)
    found = one_by_one(engine, ids, start)
    prefill(engine, ids[:start], 51)  # other chunk boundaries
    again = one_by_one(engine, ids, start)
    expected = torch_reference(load_model(StoredProgram(path, model.config)))(ids)[start:]

    least = 0.9999 if (quant, kv) == ("none", "fp32") else 0.98
    for logits in (found, again):
        assert float(torch.cosine_similarity(logits, expected, dim=-1).median()) > least
    if (quant, kv) == ("none", "fp32"):
        assert torch.allclose(found, expected, atol=2e-3)
        assert torch.allclose(again, found, atol=2e-3)

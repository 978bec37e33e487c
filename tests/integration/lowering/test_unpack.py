"""Weights read back from a program are those that went in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.errors import BundleError
from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.lowering.unpack import StoredProgram
from sdk_builder.models import ShaktiConfig, ShaktiForCausalLM
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.quantization.options import QuantOptions
from sdk_builder.quantization.schemes import adjust, find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource

SHAPES: dict[str, dict[str, object]] = {
    "tied": {},
    "untied, biased": {"tie_word_embeddings": False, "attention_bias": True},
    "VGQA": {"num_key_value_heads": 4, "kv_heads_per_layer": [4, 2]},
}


class Weights:
    def __init__(self, model: ShaktiForCausalLM) -> None:
        self._state = dict(model.state_dict())

    def tensor(self, name: str) -> Tensor:
        return self._state[name].clone()


def model_of(**changes: object) -> ShaktiForCausalLM:
    torch.manual_seed(2)
    fields: dict[str, object] = {
        "vocab_size": 96,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    model = ShaktiForCausalLM(ShaktiConfig(**(fields | changes)))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize(
    ("quant", "options"),
    [
        ("none", QuantOptions()),
        ("q8", QuantOptions()),
        ("q5", QuantOptions()),
        ("q4", QuantOptions()),
        ("q4", QuantOptions(group_size=64)),
    ],
)
def test_every_parameter_comes_back(tmp_path: Path, shape: str, quant: str, options: QuantOptions):
    model = model_of(**SHAPES[shape])
    plan = plan_formats(adjust(find_scheme(quant), options), parameter_shapes(model.config))
    source, path = QuantizedSource(Weights(model), plan), tmp_path / "model.pte"
    lowered = lower(model.config, source, path, LoweringOptions(context_length=32, max_chunk=8))
    stored = StoredProgram(path, model.config)
    assert set(stored.names()) == set(parameter_shapes(model.config))
    for name in stored.names():
        expected, found = source.parameter(name), stored.tensor(name)
        assert type(found) is type(expected)
        if not isinstance(expected, IntxUnpackedToInt8Tensor):
            assert torch.equal(found, expected)
            continue
        assert isinstance(found, IntxUnpackedToInt8Tensor)
        assert torch.equal(found.qdata, expected.qdata)
        assert torch.equal(found.scale, expected.scale)
        assert torch.allclose(found.dequantize(), expected.dequantize(), rtol=1e-6, atol=1e-6)
        assert found.block_size == tuple(expected.block_size)
    assert 0 < dict(lowered.parts)["weight index"] < 4096


def test_a_program_without_an_index_says_so(tmp_path: Path):
    model = model_of()
    plan = plan_formats(find_scheme("none"), parameter_shapes(model.config))
    path = tmp_path / "model.pte"
    lower(
        model.config,
        QuantizedSource(Weights(model), plan),
        path,
        LoweringOptions(context_length=32, max_chunk=8),
    )
    path.write_bytes(path.read_bytes().replace(b"shakti.weights", b"shakti.nothing"))
    stored = StoredProgram(path, model.config)
    assert not stored.has_index
    with pytest.raises(BundleError, match="older version"):
        stored.names()

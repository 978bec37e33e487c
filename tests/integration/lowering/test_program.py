"""A lowered program computes its model: tiny Shaktis against PyTorch, on the real runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.errors import SessionError
from sdk_builder.lowering.lower import LoweredProgram, LoweringOptions, lower
from sdk_builder.lowering.operators import android_operators
from sdk_builder.lowering.pte import read_program
from sdk_builder.lowering.weights import pack_nibbles, to_bytes
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import EMBEDDING, parameter_shapes
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.quantization.schemes import bits_per_weight, find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.quantization.tensors import quantize
from sdk_builder.runtime.engine import ExecutorchEngine

CONTEXT, CHUNK, VOCABULARY = 40, 16, 300
FLOAT_TOLERANCE = 2e-4
BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": CONTEXT,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "gqa": {},
    "vgqa": {"num_key_value_heads": 4, "kv_heads_per_layer": [4, 1, 2]},
    "wide heads": {"head_dim": 32},
    "bias": {"attention_bias": True},
    "untied": {"tie_word_embeddings": False},
    "llama3 rope": {
        "rope_scaling": {
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
}


@dataclass(frozen=True)
class Weights:
    """A model's own tensors, by name, as a checkpoint gives them."""

    tensors: dict[str, Tensor]

    def tensor(self, name: str) -> Tensor:
        return self.tensors[name].clone()


def make_model(variant: str) -> ShaktiForCausalLM:
    torch.manual_seed(7)
    config = ShaktiConfig(**{**BASE, **VARIANTS[variant]})
    model = ShaktiForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Norms away from one, logits of some size: nothing that a mistake could hide behind.
            parameter.copy_(torch.randn_like(parameter) * 0.15 + (parameter.dim() == 1) * 1.0)
    return model


def weights_of(model: ShaktiForCausalLM) -> Weights:
    state = model.state_dict()
    return Weights({name: state[name].float() for name in parameter_shapes(model.config)})


def lowered(model: ShaktiForCausalLM, quant: str, path: Path) -> LoweredProgram:
    plan = plan_formats(find_scheme(quant), parameter_shapes(model.config))
    source = QuantizedSource(weights_of(model), plan)
    options = LoweringOptions(context_length=CONTEXT, max_chunk=CHUNK, bos_id=1, eos_ids=(2, 5))
    return lower(model.config, source, path, options)


def stored_model(model: ShaktiForCausalLM, quant: str) -> ShaktiForCausalLM:
    """The same model with the weights that the program stores, activations in float."""
    plan = plan_formats(find_scheme(quant), parameter_shapes(model.config))
    copy = ShaktiForCausalLM(model.config).eval()
    stored = {}
    for name, weight in weights_of(model).tensors.items():
        value = quantize(weight, plan[name])
        quantized = isinstance(value, IntxUnpackedToInt8Tensor)
        stored[name] = value.dequantize() if quantized else value
    copy.load_state_dict(stored, strict=False)
    copy.tie_weights()
    return copy


def stored_values(table: Tensor, bits: int) -> Tensor:
    """The values of a matrix as they lie in the file, without its scales."""
    if not isinstance(table, IntxUnpackedToInt8Tensor):
        return table
    return table.qdata if bits == 8 else pack_nibbles(table.qdata)


def logits_of(model: ShaktiForCausalLM, ids: list[int]) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=torch.tensor([ids])).logits[0]
    return found


@pytest.fixture(scope="module")
def ids() -> list[int]:
    generator = torch.Generator().manual_seed(3)
    found: list[int] = torch.randint(0, VOCABULARY, (CONTEXT,), generator=generator).tolist()
    return found


Open = Callable[[Path], ExecutorchEngine]


@pytest.fixture(scope="module")
def open_engine() -> Open:
    return lambda path: ExecutorchEngine(path, context_length=CONTEXT, max_chunk=CHUNK)


def feed(engine: ExecutorchEngine, ids: list[int], sizes: list[int]) -> list[Tensor]:
    """Logits after each piece; pieces of the given sizes, then one token at a time."""
    found, at = [], 0
    while at < len(ids):
        size = sizes.pop(0) if sizes else 1
        found.append(engine.forward(ids[at : at + size], at))
        at += size
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_fp32_program_equals_the_model_at_every_position(variant, tmp_path, ids, open_engine):
    model = make_model(variant)
    lowered(model, "none", tmp_path / "model.pte")
    engine = open_engine(tmp_path / "model.pte")
    expected = logits_of(model, ids)

    scored = torch.cat([engine.score(ids[at : at + CHUNK], at) for at in range(0, 40, CHUNK)])
    torch.testing.assert_close(scored, expected, atol=FLOAT_TOLERANCE, rtol=0)
    token_by_token = torch.stack(feed(engine, ids, []))
    torch.testing.assert_close(token_by_token, expected, atol=FLOAT_TOLERANCE, rtol=0)


def test_prefill_may_be_split_anywhere(tmp_path, ids, open_engine):
    model = make_model("vgqa")
    lowered(model, "none", tmp_path / "model.pte")
    engine = open_engine(tmp_path / "model.pte")
    expected = logits_of(model, ids[:CHUNK])[-1]
    for first in range(1, CHUNK):
        last = feed(engine, ids[:CHUNK], [first, CHUNK - first])[-1]
        torch.testing.assert_close(last, expected, atol=FLOAT_TOLERANCE, rtol=0)


def test_writing_an_earlier_position_again_forgets_what_came_after(tmp_path, ids, open_engine):
    model = make_model("gqa")
    lowered(model, "none", tmp_path / "model.pte")
    engine = open_engine(tmp_path / "model.pte")
    feed(engine, ids[:20], [16])
    other = [*ids[:8], *ids[30:34]]
    found = engine.forward(other[8:], 8)
    torch.testing.assert_close(found, logits_of(model, other)[-1], atol=FLOAT_TOLERANCE, rtol=0)


@pytest.mark.parametrize("variant", ["vgqa", "bias", "untied"])
@pytest.mark.parametrize("quant", ["q8", "q5", "q4"])
def test_quantized_program_computes_its_stored_weights(quant, variant, tmp_path, ids, open_engine):
    model = make_model(variant)
    lowered(model, quant, tmp_path / "model.pte")
    engine = open_engine(tmp_path / "model.pte")
    found = torch.cat([engine.score(ids[at : at + CHUNK], at) for at in range(0, 40, CHUNK)])

    def distance(other: ShaktiForCausalLM) -> float:
        expected = logits_of(other, ids)
        return float((found - expected).norm() / expected.norm())

    # int8 activations have 255 levels a token; through three layers that stays below 5 %.
    assert distance(stored_model(model, quant)) < 0.05
    wrong = stored_model(model, quant)
    mixed_up = wrong.get_parameter("model.layers.1.self_attn.qkv_proj.weight")
    with torch.no_grad():  # what a mix-up of neighbouring rows would look like
        mixed_up.copy_(mixed_up.roll(1, dims=0))
    assert distance(wrong) > 0.1


@pytest.mark.parametrize("quant", ["none", "q8", "q5", "q4"])
def test_tied_table_is_in_the_file_once_and_the_file_is_as_small_as_planned(quant, tmp_path):
    model = make_model("gqa")
    program = lowered(model, quant, tmp_path / "model.pte")
    plan = plan_formats(find_scheme(quant), parameter_shapes(model.config))
    table = quantize(weights_of(model).tensors[EMBEDDING], plan[EMBEDDING])
    data = (tmp_path / "model.pte").read_bytes()
    stored = bytes(to_bytes(stored_values(table, plan[EMBEDDING].bits)))
    assert data.count(stored) == 1
    assert sum(size for _, size in program.parts) == len(data) == program.size_bytes
    weights = sum(size for name, size in program.parts if name in plan)
    count = sum(tensor.numel() for tensor in weights_of(model).tensors.values())
    planned = bits_per_weight(plan, parameter_shapes(model.config)) * count / 8
    assert weights == pytest.approx(planned, rel=0.01)


def test_equal_input_gives_equal_bytes(tmp_path):
    model = make_model("bias")
    for name in ("first.pte", "second.pte"):
        lowered(model, "q4", tmp_path / name)
    assert (tmp_path / "first.pte").read_bytes() == (tmp_path / "second.pte").read_bytes()


@pytest.mark.parametrize("quant", ["none", "q8", "q5", "q4"])
def test_everything_heavy_is_delegated_and_the_phone_has_the_rest(quant, tmp_path):
    program = lowered(make_model("untied"), quant, tmp_path / "model.pte")
    assert set(program.operators) <= android_operators()
    heavy = ("linear", "mm", "addmm", "bmm", "matmul")
    assert not [name for name in program.operators if name.split("::")[1].split(".")[0] in heavy]
    record = read_program(tmp_path / "model.pte")
    delegates = {one.id for plan in record.execution_plan for one in plan.delegates}
    assert delegates == {"XnnpackBackend"}
    assert program.delegates == 3 + 1 + 1  # one between two attentions, and the head


def returned(value: object) -> object:
    """The Python value of a record that a metadata method returns."""
    return getattr(value, "int_val", getattr(value, "bool_val", None))


def test_metadata_is_what_was_asked_for(tmp_path):
    lowered(make_model("gqa"), "none", tmp_path / "model.pte")
    record = read_program(tmp_path / "model.pte")
    values = {
        plan.name: [returned(plan.values[index].val) for index in plan.outputs]
        for plan in record.execution_plan
        if not plan.inputs
    }
    assert values["get_max_seq_len"] == [CHUNK]
    assert values["get_max_context_len"] == [CONTEXT]
    assert values["get_vocab_size"] == [VOCABULARY]
    assert values["get_bos_id"] == [1]
    assert values["get_eos_ids"] == [2, 5]
    assert values["enable_dynamic_shape"] == [True]


def test_truncated_program_is_an_error_not_a_crash(tmp_path, open_engine):
    lowered(make_model("gqa"), "q8", tmp_path / "model.pte")
    data = (tmp_path / "model.pte").read_bytes()
    (tmp_path / "cut.pte").write_bytes(data[: len(data) // 2])
    with pytest.raises(SessionError, match=r"cut\.pte"):
        open_engine(tmp_path / "cut.pte")

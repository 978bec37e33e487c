"""Checkpoints written as GGUF: our own reader finds the same model in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from benchmarks.peers.gguf_model import (
    architecture_of,
    interleave,
    pre_tokenizer_name,
    write_gguf,
)
from sdk_builder.errors import InputError
from sdk_builder.models import ShaktiConfig, layout
from sdk_builder.models.gguf_file import read_gguf
from sdk_builder.models.gguf_reader import GgufCheckpoint
from sdk_builder.models.gguf_tokenizer import _PRE_TOKENIZERS
from sdk_builder.models.preset_checkpoint import byte_tokenizer
from sdk_builder.models.source_info import SourceInfo
from sdk_builder.models.tokenizer_assets import TokenizerAssets

SOURCE = SourceInfo(
    kind="preset", name="tiny", architecture="shakti", family="Shakti", licence=None, files=(),
    untrained=True, seed=0, weight_format="random",
)  # fmt: skip
SHAPE: dict[str, Any] = {
    "vocab_size": 272, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rope_theta": 10000.0,
    "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "untied": {"tie_word_embeddings": False},
    "wide heads": {"head_dim": 16},
    "biases": {"attention_bias": True},
    "Llama 3's rotary scaling": {"rope_scaling": LLAMA3, "rope_theta": 500000.0},
    "KV heads by layer": {"kv_heads_per_layer": [4, 2, 1], "num_key_value_heads": 4},
}


class Drawn:
    """A checkpoint of random tensors."""

    source = SOURCE

    def __init__(self, **fields: Any) -> None:
        self.config = ShaktiConfig(**{**SHAPE, **fields})
        drawing = torch.Generator().manual_seed(1)
        shapes = layout.parameter_shapes(self.config)
        self._tensors = {n: torch.randn(s, generator=drawing) for n, s in shapes.items()}

    def names(self) -> list[str]:
        return list(self._tensors)

    def tensor(self, name: str) -> torch.Tensor:
        return self._tensors[name].clone()

    def tokenizer(self) -> TokenizerAssets:
        return byte_tokenizer(self.config.vocab_size)


@pytest.fixture(params=MODELS, ids=str)
def model(request) -> Drawn:
    return Drawn(**MODELS[request.param])


@pytest.fixture
def written(model: Drawn, tmp_path: Path) -> GgufCheckpoint:
    # Our reader knows no `deci`; its metadata and tensors are those of `llama`.
    found = architecture_of(model.config)
    path = tmp_path / "model.gguf"
    return GgufCheckpoint(
        write_gguf(model, path, architecture="llama" if found == "deci" else found)
    )


def test_configuration_comes_back(model: Drawn, written: GgufCheckpoint):
    for field in (*SHAPE, "tie_word_embeddings", "attention_bias", "kv_heads_per_layer"):
        assert getattr(written.config, field) == pytest.approx(getattr(model.config, field)), field
    assert written.config.rms_norm_eps == pytest.approx(model.config.rms_norm_eps)
    found, expected = written.config.rope_scaling, model.config.rope_scaling
    assert (found is None) == (expected is None)
    for key, value in (expected or {}).items():
        assert (found or {})[key] == (value if isinstance(value, str) else pytest.approx(value))


def test_every_tensor_comes_back(model: Drawn, written: GgufCheckpoint):
    assert written.names() == model.names()
    for name in model.names():
        torch.testing.assert_close(written.tensor(name), model.tensor(name), rtol=0, atol=0)


def test_half_precision_keeps_norms_exact(tmp_path):
    model = Drawn()
    found = GgufCheckpoint(write_gguf(model, tmp_path / "model.gguf", "f16"))
    for name in model.names():
        value = model.tensor(name)
        expected = value if value.dim() == 1 else value.half().float()
        torch.testing.assert_close(found.tensor(name), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, "llama"), (MODELS["KV heads by layer"], "deci"), (MODELS["biases"], "qwen2")],
    ids=["uniform", "by layer", "biases"],
)
def test_architecture_that_computes_the_same(fields, expected, tmp_path):
    model = Drawn(**fields)
    path = write_gguf(model, tmp_path / "model.gguf")
    assert read_gguf(path).metadata["general.architecture"] == expected


def test_model_that_llama_cpp_cannot_compute_is_refused(tmp_path):
    model = Drawn(**MODELS["KV heads by layer"], attention_bias=True)
    with pytest.raises(InputError, match="biases"):
        write_gguf(model, tmp_path / "model.gguf")
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    model = Drawn()
    tensor = model.tensor

    def breaking(name: str) -> torch.Tensor:
        if name == layout.FINAL_NORM:
            raise InputError("gone")
        return tensor(name)

    monkeypatch.setattr(model, "tensor", breaking)
    with pytest.raises(InputError, match="gone"):
        write_gguf(model, tmp_path / "model.gguf")
    assert not list(tmp_path.iterdir())


# --- rows -------------------------------------------------------------------------------


@given(heads=st.integers(1, 6), half=st.integers(1, 8), width=st.integers(0, 3))
def test_interleaving_pairs_the_two_halves_of_each_head(heads, half, width):
    shape = (heads * 2 * half, *([width] if width else []))
    rows = torch.arange(heads * 2 * half * max(width, 1)).reshape(shape)
    turned = interleave(rows, 2 * half)
    for head in range(heads):
        for index in range(half):
            first = head * 2 * half
            assert torch.equal(turned[first + 2 * index], rows[first + index])
            assert torch.equal(turned[first + 2 * index + 1], rows[first + half + index])


# --- tokenizer --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt-2", "smollm", "llama-bpe", "qwen2"])
def test_cutting_that_the_reader_makes_gets_its_name_back(name):
    import json

    tokenizer = Tokenizer.from_str(byte_tokenizer(272).json_text)
    make: Callable[[], Any] = _PRE_TOKENIZERS[name]
    tokenizer.pre_tokenizer = make()
    assert pre_tokenizer_name(json.loads(tokenizer.to_str())["pre_tokenizer"]) == name


@pytest.mark.parametrize(
    "told",
    [
        None,
        {"type": "Whitespace"},
        {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True},
        {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": False},
    ],
    ids=["none", "whitespace", "prefix space", "other pattern"],
)
def test_unknown_cutting_is_refused(told):
    with pytest.raises(InputError, match="no name"):
        pre_tokenizer_name(told)


def test_tokens_and_their_kinds_are_written(tmp_path):
    model = Drawn()
    meta = read_gguf(write_gguf(model, tmp_path / "model.gguf")).metadata
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    assert len(tokens) == len(set(tokens)) == len(kinds) == SHAPE["vocab_size"]
    vocabulary = Tokenizer.from_str(model.tokenizer().json_text).get_vocab()
    assert all(tokens[token_id] == text for text, token_id in vocabulary.items())
    assert kinds[0] == 3  # control
    assert kinds[vocabulary["a"]] == 1  # normal
    assert kinds[-1] == 5  # unused

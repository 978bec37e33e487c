"""A GGUF file gives the logits of transformers' model holding the dequantized weights."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf.constants import GGMLQuantizationType as Kind
from transformers import PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from sdk_builder.errors import CheckpointError
from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.models.gguf_file import read_gguf
from tests.integration.models.builders import logits, tiny_llama, tiny_qwen2, write_gguf

MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: tiny_llama(),
    "llama tied": lambda: tiny_llama(tie_word_embeddings=True),
    "llama ungrouped": lambda: tiny_llama(num_key_value_heads=4),
    "qwen2": lambda: tiny_qwen2(rms_norm_eps=1e-5),
    "qwen2 tied": lambda: tiny_qwen2(tie_word_embeddings=True),
}
KINDS = [Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS.keys())
def test_file_gives_the_logits_of_transformers(
    build: Callable[[], PreTrainedModel], kind: Kind, tmp_path: Path
) -> None:
    theirs = build()
    write_gguf(tmp_path / "model.gguf", theirs, kind)
    checkpoint = open_checkpoint(str(tmp_path / "model.gguf"))
    assert checkpoint.source.weight_format == kind.name
    assert checkpoint.source.architecture == theirs.config.model_type
    mine = load_model(checkpoint)
    torch.testing.assert_close(logits(mine), logits(theirs), rtol=1e-4, atol=1e-5)


def test_wide_heads_are_read_from_their_own_keys(tmp_path: Path) -> None:
    theirs = tiny_llama(head_dim=32)
    keys = ("attention.key_length", "attention.value_length", "rope.dimension_count")
    write_gguf(tmp_path / "m.gguf", theirs, changes={f"llama.{key}": 32 for key in keys})
    mine = load_model(open_checkpoint(str(tmp_path / "m.gguf")))
    torch.testing.assert_close(logits(mine), logits(theirs), rtol=1e-4, atol=1e-5)


def llama3(tmp_path: Path, constants: dict[str, float], by: float = 1.0) -> tuple[Path, Any]:
    """A llama with rope_freqs.weight, as llama.cpp's converter computes it."""
    rope = {"rope_type": "llama3", "rope_theta": 10000.0, **constants}
    theirs = tiny_llama(rope_parameters=rope, max_position_embeddings=65536, head_dim=32)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](theirs.config)
    plain = 1.0 / (10000.0 ** (torch.arange(0, 32, 2).float() / 32))
    factors = (plain / scaled * by).numpy().astype(np.float32)
    path = tmp_path / "m.gguf"
    changes = {"llama.attention.key_length": 32}
    write_gguf(path, theirs, changes=changes, extra={"rope_freqs.weight": factors})
    return path, theirs


LLAMA3_2 = {
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def test_llama_3_frequency_factors_become_rope_scaling(tmp_path: Path) -> None:
    path, theirs = llama3(tmp_path, LLAMA3_2)
    checkpoint = open_checkpoint(str(path))
    assert checkpoint.config.rope_scaling == {"rope_type": "llama3", **LLAMA3_2}
    mine = load_model(checkpoint)
    torch.testing.assert_close(logits(mine), logits(theirs), rtol=1e-4, atol=1e-5)


def test_other_frequency_factors_are_refused(tmp_path: Path) -> None:
    path, _ = llama3(tmp_path, LLAMA3_2, by=1.5)
    with pytest.raises(CheckpointError, match=r"rope_freqs\.weight is not Llama 3"):
        open_checkpoint(str(path))


def test_key_heads_that_vary_by_layer_are_read_from_an_array(tmp_path: Path) -> None:
    theirs = tiny_llama()
    changes = {"llama.attention.head_count_kv": [2, 2, 2], "llama.feed_forward_length": [96] * 3}
    write_gguf(tmp_path / "m.gguf", theirs, changes=changes)
    checkpoint = open_checkpoint(str(tmp_path / "m.gguf"))
    assert checkpoint.config.kv_heads_per_layer == [2, 2, 2]
    mine = load_model(checkpoint)
    torch.testing.assert_close(logits(mine), logits(theirs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"split.count": 3}, r"is one part of 3"),
        ({"llama.expert_count": 8}, r"llama\.expert_count = 8 is not supported"),
        ({"llama.attention.sliding_window": 64}, r"sliding_window = 64 is not supported"),
        ({"llama.rope.scaling.type": "linear"}, r"rope\.scaling\.type = 'linear'"),
        ({"llama.block_count": 2}, r"tensor blk\.2\..* is not part of"),
        ({"llama.block_count": 4}, r"tensor blk\.3\..* is missing"),
        ({"llama.block_count": 4_000_000_000}, r"num_hidden_layers must be"),
        ({"llama.block_count": None}, r"llama\.block_count is missing"),
        ({"llama.block_count": "3"}, r"num_hidden_layers must be"),
        ({"llama.attention.head_count": 3}, r"num_attention_heads 3"),
        ({"llama.attention.head_count": 8}, r"attn_k\.weight has the shape"),
        ({"llama.feed_forward_length": 100}, r"ffn_(gate|up)\.weight has the shape"),
        ({"llama.feed_forward_length": [96, 96, 64]}, r"feed_forward_length .* differs"),
        ({"llama.vocab_size": 1000}, r"vocab_size 1000 contradicts the 320 rows"),
        ({"llama.rope.dimension_count": 8, "llama.attention.key_length": 16}, "differ"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, "rms_norm_eps must be"),
        ({"llama.rope.freq_base": -1.0}, "rope_theta must be"),
        ({"tokenizer.ggml.eos_token_id": 320}, "eos_token_id must be"),
    ],
    ids=str,
)
def test_metadata_that_does_not_fit_is_refused(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "m.gguf", tiny_llama(), changes=changes)
    with pytest.raises(CheckpointError, match=says) as caught:
        open_checkpoint(str(tmp_path / "m.gguf"))
    assert "m.gguf" in caught.value.message
    assert "\n" not in caught.value.message


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path, tiny_llama())
    path.write_bytes(path.read_bytes().replace(b"llama", b"gemma"))
    with pytest.raises(CheckpointError, match="architecture 'gemma' is not supported"):
        open_checkpoint(str(path))


def test_nan_in_a_block_scale_names_the_tensor(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path, tiny_llama(), Kind.Q4_0)
    place = read_gguf(path).tensors["blk.1.ffn_up.weight"].offset
    data = bytearray(path.read_bytes())
    data[place : place + 2] = struct.pack("<e", float("nan"))
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"tensor blk\.1\.ffn_up\.weight holds NaN"):
        load_model(open_checkpoint(str(path)))


@pytest.mark.parametrize("content", [b"", b"GG", b"GGUF", b"PK\x03\x04rest of a zip", b"\0" * 64])
def test_file_that_is_no_gguf_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"m\.gguf"):
        open_checkpoint(str(path))


def test_big_endian_and_old_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    for version in (struct.pack("<I", 1), struct.pack(">I", 3)):
        path.write_bytes(b"GGUF" + version + b"\0" * 64)
        with pytest.raises(CheckpointError, match=r"version \d+ is not supported"):
            open_checkpoint(str(path))


HUGE = struct.pack("<Q", 1 << 60)
HEADER = b"GGUF" + struct.pack("<I", 3)
KEY = struct.pack("<Q", 1) + b"k"


@pytest.mark.parametrize(
    "content",
    [
        HEADER + HUGE + struct.pack("<Q", 0),
        HEADER + struct.pack("<Q", 0) + HUGE,
        HEADER + struct.pack("<QQ", 0, 1) + HUGE + b"\0" * 64,
        HEADER + struct.pack("<QQ", 0, 1) + KEY + struct.pack("<I", 8) + HUGE,
        HEADER + struct.pack("<QQ", 0, 1) + KEY + struct.pack("<II", 9, 8) + HUGE + b"\0" * 64,
        HEADER + struct.pack("<QQ", 0, 1) + KEY + struct.pack("<II", 9, 4) + HUGE + b"\0" * 64,
        HEADER + struct.pack("<QQ", 0, 1) + KEY + struct.pack("<IIQ", 9, 9, 1) * 9 + b"\0" * 64,
        HEADER + struct.pack("<QQ", 1, 0) + KEY + struct.pack("<I", 1 << 31) + b"\0" * 64,
        HEADER + struct.pack("<QQ", 1, 0) + KEY + struct.pack("<I", 1) + HUGE + b"\0" * 64,
        HEADER + struct.pack("<QQ", 1, 0) + KEY + struct.pack("<I", 2) + HUGE * 2 + b"\0" * 64,
    ],
)
def test_counts_larger_than_the_file_are_refused_at_once(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        open_checkpoint(str(path))


def test_file_that_changes_after_opening_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path, tiny_llama())
    checkpoint = open_checkpoint(str(path))
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(CheckpointError, match="changed while it was being read"):
        checkpoint.tensor("model.embed_tokens.weight")
    path.unlink()
    with pytest.raises(CheckpointError, match="Cannot read"):
        checkpoint.tensor("model.embed_tokens.weight")

"""A Hugging Face folder gives the same logits here as in transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from sdk_builder.errors import CheckpointError
from sdk_builder.models import load_model, open_checkpoint
from tests.integration.models.builders import (
    LLAMA3,
    logits,
    some_ids,
    tiny_llama,
    tiny_mistral,
    tiny_qwen2,
    tiny_shakti,
)

MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama, every head its own key": lambda: tiny_llama(num_key_value_heads=4),
    "llama, grouped, untied": lambda: tiny_llama(),
    "llama, one key head": lambda: tiny_llama(num_key_value_heads=1),
    "llama, tied": lambda: tiny_llama(tie_word_embeddings=True),
    "llama, wide heads": lambda: tiny_llama(head_dim=32),
    "llama 3 scaling": lambda: tiny_llama(
        rope_parameters={"rope_theta": 10000.0, **LLAMA3}, max_position_embeddings=512
    ),
    "mistral without a window": lambda: tiny_mistral(),
    "qwen2, biases, untied": lambda: tiny_qwen2(),
    "qwen2, biases, tied": lambda: tiny_qwen2(tie_word_embeddings=True),
    "shakti, variable groups": lambda: tiny_shakti(),
    "shakti, biases, untied": lambda: tiny_shakti(attention_bias=True, tie_word_embeddings=False),
}


def assert_same(mine: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS.keys())
def test_folder_gives_the_logits_of_transformers(
    build: Callable[[], PreTrainedModel], tmp_path: Path
) -> None:
    theirs = build()
    theirs.save_pretrained(tmp_path)
    ids = some_ids(batch=2, length=150)  # past the original context of the scaled model
    mine = load_model(open_checkpoint(str(tmp_path)))
    assert_same(logits(mine, ids), logits(theirs, ids))


def test_sharded_folder_equals_the_single_file(tmp_path: Path) -> None:
    theirs = tiny_qwen2()
    theirs.save_pretrained(tmp_path, max_shard_size="60KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    checkpoint = open_checkpoint(str(tmp_path))
    assert_same(logits(load_model(checkpoint)), logits(theirs))
    names = [file.name for file in checkpoint.source.files]
    assert names[0] == "config.json"
    assert len(names) == 1 + len(list(tmp_path.glob("model-*.safetensors")))


@pytest.mark.parametrize(
    ("dtype", "label"), [(torch.bfloat16, "bf16"), (torch.float16, "fp16"), (torch.float64, "fp64")]
)
def test_other_float_types_are_read_as_float32(
    dtype: torch.dtype, label: str, tmp_path: Path
) -> None:
    tiny_llama().to(dtype).save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    checkpoint = open_checkpoint(str(tmp_path))
    assert checkpoint.source.weight_format == label
    assert checkpoint.tensor("model.norm.weight").dtype is torch.float32
    assert_same(logits(load_model(checkpoint)), logits(theirs))


def test_a_safetensors_file_is_opened_with_the_config_beside_it(tmp_path: Path) -> None:
    theirs = tiny_llama()
    theirs.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(str(tmp_path / "model.safetensors"))
    assert_same(logits(load_model(checkpoint)), logits(theirs))


def test_tensors_are_fused_contiguous_float32_and_fresh(tmp_path: Path) -> None:
    theirs = tiny_llama()
    theirs.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(str(tmp_path))
    weights = theirs.state_dict()
    qkv = checkpoint.tensor("model.layers.1.self_attn.qkv_proj.weight")
    parts = [weights[f"model.layers.1.self_attn.{p}_proj.weight"] for p in "qkv"]
    assert torch.equal(qkv, torch.cat(parts))
    gate_up = checkpoint.tensor("model.layers.0.mlp.gate_up_proj.weight")
    halves = [weights[f"model.layers.0.mlp.{p}_proj.weight"] for p in ("gate", "up")]
    assert torch.equal(gate_up, torch.cat(halves))
    assert qkv.is_contiguous()
    assert qkv.dtype is torch.float32
    qkv.zero_()
    assert torch.equal(
        checkpoint.tensor("model.layers.1.self_attn.qkv_proj.weight"), torch.cat(parts)
    )


def test_names_come_in_decoder_order_and_fit_the_model(tmp_path: Path) -> None:
    model = tiny_shakti(tie_word_embeddings=False)
    model.save_pretrained(tmp_path)
    names = open_checkpoint(str(tmp_path)).names()
    assert names == list(dict(model.named_parameters()))
    assert names[0] == "model.embed_tokens.weight"
    assert names[-2:] == ["model.norm.weight", "lm_head.weight"]


def test_tied_checkpoint_with_an_equal_spare_head_loads(tmp_path: Path) -> None:
    theirs = tiny_llama(tie_word_embeddings=True)
    theirs.save_pretrained(tmp_path)
    rewrite(tmp_path, add={"lm_head.weight": theirs.model.embed_tokens.weight.detach().clone()})
    assert_same(logits(load_model(open_checkpoint(str(tmp_path)))), logits(theirs))


def test_tied_checkpoint_with_another_head_is_refused(tmp_path: Path) -> None:
    theirs = tiny_llama(tie_word_embeddings=True)
    theirs.save_pretrained(tmp_path)
    rewrite(tmp_path, add={"lm_head.weight": torch.ones_like(theirs.model.embed_tokens.weight)})
    with pytest.raises(CheckpointError, match="tie_word_embeddings is true"):
        load_model(open_checkpoint(str(tmp_path)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_names_its_tensor_and_file(value: float, tmp_path: Path) -> None:
    theirs = tiny_llama()
    theirs.save_pretrained(tmp_path)
    name = "model.layers.1.self_attn.k_proj.weight"
    bad = theirs.state_dict()[name].clone()
    bad[3, 5] = value
    rewrite(tmp_path, add={name: bad})
    with pytest.raises(CheckpointError, match=rf"model\.safetensors: tensor {name} holds NaN"):
        load_model(open_checkpoint(str(tmp_path)))


def rewrite(
    folder: Path,
    *,
    add: dict[str, torch.Tensor] | None = None,
    drop: str | None = None,
    config: dict[str, Any] | None = None,
) -> None:
    """Change tensors or config.json of a saved folder."""
    file = folder / "model.safetensors"
    tensors = {**load_file(file), **(add or {})}
    tensors.pop(drop or "", None)
    save_file(tensors, file)
    if config:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **config}))


def broken_missing(folder: Path) -> None:
    rewrite(folder, drop="model.layers.2.mlp.up_proj.weight")


def broken_extra(folder: Path) -> None:
    rewrite(folder, add={"model.layers.0.self_attn.q_norm.weight": torch.ones(16)})


def broken_shape(folder: Path) -> None:
    rewrite(folder, add={"model.norm.weight": torch.ones(65)})


def broken_type(folder: Path) -> None:
    rewrite(folder, add={"model.norm.weight": torch.ones(64, dtype=torch.int32)})


def broken_output_bias(folder: Path) -> None:
    rewrite(folder, config={"attention_bias": True})


def broken_layers(folder: Path) -> None:
    rewrite(folder, config={"num_hidden_layers": 2})


def broken_truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def broken_empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def broken_json(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)


def broken_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")


def broken_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def broken_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def broken_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def broken_index_escape(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def broken_index_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def broken_index_tensor(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    index = {"weight_map": {"model.ghost.weight": "one.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def broken_index_type(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": [1]}')


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (broken_missing, r"model\.layers\.2\.mlp\.up_proj\.weight is missing"),
        (broken_extra, r"q_norm\.weight' is not part of"),
        (broken_shape, r"model\.norm\.weight has the shape \(65,\)"),
        (broken_type, r"model\.norm\.weight is stored as I32"),
        (broken_output_bias, r"config\.json: attention_bias = True is not supported"),
        (broken_layers, r"layers\.2\..* is not part of"),
        (broken_truncated, r"model\.safetensors is damaged"),
        (broken_empty, r"model\.safetensors is damaged"),
        (broken_json, r"config\.json is not valid JSON"),
        (broken_text, r"config\.json is not valid JSON"),
        (broken_list, r"config\.json does not hold a JSON object"),
        (broken_no_config, r"Cannot read .*config\.json"),
        (broken_no_weights, r"neither model\.safetensors nor"),
        (broken_pickle, r"(?s)neither model\.safetensors nor.*Pickled"),
        (broken_index_escape, r"names a shard '\.\./elsewhere"),
        (broken_index_shard, r"Cannot read|damaged|No such file"),
        (broken_index_tensor, r"model\.ghost\.weight' is missing"),
        (broken_index_type, r"has no weight_map"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_damaged_folder_is_refused_with_one_clear_line(
    damage: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    tiny_llama().save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=says) as caught:
        open_checkpoint(str(tmp_path))
    assert "\n" not in caught.value.message


def test_file_that_changes_after_opening_is_noticed(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path)
    checkpoint = open_checkpoint(str(tmp_path))
    broken_truncated(tmp_path)
    with pytest.raises(CheckpointError, match=r"cannot be read|damaged"):
        checkpoint.tensor("model.norm.weight")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [a]\n---\n# Model", "apache-2.0"),
        ("---\ntags: [a]\n---\nlicense: mit", None),
        ("# Model\nlicense: mit", None),
        ("", None),
    ],
)
def test_licence_is_taken_from_the_model_card(
    card: str, licence: str | None, tmp_path: Path
) -> None:
    tiny_llama().save_pretrained(tmp_path)
    (tmp_path / "README.md").write_text(card)
    assert open_checkpoint(str(tmp_path)).source.licence == licence


def test_unknown_tensor_name_is_refused(tmp_path: Path) -> None:
    tiny_llama(tie_word_embeddings=True).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"no tensor for lm_head\.weight"):
        open_checkpoint(str(tmp_path)).tensor("lm_head.weight")


def test_folder_saved_by_shakti_opens_through_automodel(tmp_path: Path) -> None:
    model = tiny_shakti()
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert_same(logits(again), logits(model))

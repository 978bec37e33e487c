"""A tiny Llama with a ChatML tokenizer, saved as Hugging Face folders are, and its damaged copies.

Exporting it takes a second or two; no name or size in it means anything.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from sdk_builder.models.preset_checkpoint import byte_tokenizer
from tests.integration.models.builders import VOCABULARY, tiny_llama

CONTEXT = 64
LAYERS = 2
WEIGHTS = "model.safetensors"
A_NORM = "model.layers.1.input_layernorm.weight"
A_MATRIX = "model.layers.0.self_attn.q_proj.weight"

Damage = Callable[[Path], None]


def tiny_model() -> LlamaForCausalLM:
    """The model that `save_folder` saves."""
    return tiny_llama(num_hidden_layers=LAYERS, bos_token_id=0, eos_token_id=2)


def save_folder(folder: Path) -> Path:
    """Save the tiny model and a tokenizer.json of bytes with a ChatML template."""
    tiny_model().save_pretrained(folder)
    return save_tokenizer(folder, VOCABULARY)


def save_tokenizer(folder: Path, vocabulary: int) -> Path:
    """A tokenizer.json of bytes with a ChatML template."""
    assets = byte_tokenizer(vocabulary)
    (folder / "tokenizer.json").write_text(assets.json_text, encoding="utf-8")
    settings = {
        "bos_token": assets.bos_token,
        "eos_token": assets.eos_tokens[0],
        "chat_template": assets.chat_template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def damaged_copy(folder: Path, target: Path, damage: Damage) -> Path:
    """A copy of `folder` at `target` after `damage`."""
    shutil.copytree(folder, target)
    damage(target)
    return target


def flip_byte(path: Path, at: int | None = None) -> None:
    """Change the byte at `at` (default: in the middle)."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 0x01
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    """Cut off the second half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def put_nan(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors[A_NORM][3] = torch.nan
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def put_wrong_shape(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors[A_MATRIX] = tensors[A_MATRIX][:-1].contiguous()
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def cut_weights(folder: Path) -> None:
    truncate(folder / WEIGHTS)


def enlarge_tokenizer(folder: Path) -> None:
    """One token whose id is the first that the embedding has no row for."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"]["one too many"] = VOCABULARY
    path.write_text(json.dumps(tokenizer), encoding="utf-8")

"""Tiny real checkpoints: transformers' own models with random weights, and GGUF files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf.constants import GGMLQuantizationType as Kind
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.modeling import ShaktiForCausalLM

VOCABULARY = 320
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}


def randomize(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """Weights large enough that a mistake in any tensor shows in the logits."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.empty_like(value).normal_(0.0, 0.15, generator=generator)
            value.copy_(1.0 + noise if "norm" in name else noise)
    return model.eval()


def tiny_llama(**changes: Any) -> LlamaForCausalLM:
    return randomize(LlamaForCausalLM(LlamaConfig(**{**_SHAPE, **changes})))


def tiny_qwen2(**changes: Any) -> Qwen2ForCausalLM:
    return randomize(Qwen2ForCausalLM(Qwen2Config(**{**_SHAPE, **changes})))


def tiny_mistral(**changes: Any) -> MistralForCausalLM:
    fields = {**_SHAPE, "sliding_window": None, **changes}
    return randomize(MistralForCausalLM(MistralConfig(**fields)))


def tiny_shakti(**changes: Any) -> ShaktiForCausalLM:
    fields = {**_SHAPE, "num_key_value_heads": 4, "kv_heads_per_layer": [4, 2, 1], **changes}
    return randomize(ShaktiForCausalLM(ShaktiConfig(**fields)))


def some_ids(batch: int = 2, length: int = 17) -> Tensor:
    return torch.randint(3, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def logits(model: PreTrainedModel, ids: Tensor | None = None) -> Tensor:
    return model(some_ids() if ids is None else ids).logits.float()


# --- GGUF -----------------------------------------------------------------------------------

_LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}


def gguf_name(name: str) -> str:
    """llama.cpp's name of a tensor of transformers' Llama or Qwen2."""
    stem, _, leaf = name.rpartition(".")
    if stem in _OUTER_NAMES:
        return f"{_OUTER_NAMES[stem]}.{leaf}"
    layer, _, rest = stem.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{_LAYER_NAMES[rest]}.{leaf}"


def interleave(rows: np.ndarray, heads: int) -> np.ndarray:
    """The reordering of q and k rows by llama.cpp's converter for architecture llama."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def write_gguf(
    path: Path,
    model: PreTrainedModel,
    kind: Kind = Kind.F32,
    *,
    tokenizer: bool = True,
    changes: dict[str, Any] | None = None,
    extra: dict[str, np.ndarray] | None = None,
) -> None:
    """Write `model` as llama.cpp's converter would, and put the dequantized weights back into
    `model`, so that its logits are what a reader of the file must give.

    changes: metadata to add or, with None, to leave out (uint32, float or str by type).
    extra: further tensors, by their name in the file.
    """
    config = model.config
    arch = config.model_type
    writer = gguf.GGUFWriter(path, arch)
    fields = {
        f"{arch}.block_count": config.num_hidden_layers,
        f"{arch}.context_length": config.max_position_embeddings,
        f"{arch}.embedding_length": config.hidden_size,
        f"{arch}.feed_forward_length": config.intermediate_size,
        f"{arch}.attention.head_count": config.num_attention_heads,
        f"{arch}.attention.head_count_kv": config.num_key_value_heads,
        f"{arch}.attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        f"{arch}.rope.freq_base": float(config.rope_parameters["rope_theta"]),
        f"{arch}.vocab_size": config.vocab_size,
        **(byte_tokenizer_fields() if tokenizer else {}),
        **(changes or {}),
    }
    for key, value in fields.items():
        _add_field(writer, key, value)
    for name, value in model.named_parameters():
        _add_tensor(writer, name, value, model, kind)
    for name, data in (extra or {}).items():
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_field(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif value is not None:
        writer.add_array(key, value)


def _add_tensor(
    writer: gguf.GGUFWriter, name: str, value: Tensor, model: PreTrainedModel, kind: Kind
) -> None:
    config = model.config
    data = value.detach().numpy()
    permuted = config.model_type == "llama" and ("q_proj" in name or "k_proj" in name)
    heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
    if permuted:
        data = interleave(data, heads)
    stored_kind = kind if data.ndim == 2 else Kind.F32
    packed = gguf.quants.quantize(np.ascontiguousarray(data), stored_kind)
    writer.add_tensor(gguf_name(name), packed, raw_dtype=stored_kind)
    restored = gguf.quants.dequantize(packed, stored_kind).reshape(data.shape)
    if permuted:
        pairs = restored.reshape(heads, data.shape[0] // heads // 2, 2, *data.shape[1:])
        restored = pairs.swapaxes(1, 2).reshape(data.shape)
    with torch.no_grad():
        value.copy_(torch.from_numpy(np.array(restored, dtype=np.float32)))


def byte_tokenizer_fields(pre: str = "gpt-2") -> dict[str, Any]:
    """Metadata of a tokenizer of three special tokens, the 256 bytes and a few merges."""
    tokens = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        *sorted(pre_tokenizers.ByteLevel.alphabet()),
    ]
    merges = ["Ġ t", "h e", "Ġt he", "i n", "1 2", "12 3", "Ġ Ġ", "Ċ Ċ"]
    tokens += [merge.replace(" ", "") for merge in merges]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3, *[1] * (len(tokens) - 3)],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    }

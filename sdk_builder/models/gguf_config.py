"""Metadata of a GGUF file (architectures llama and qwen2) -> ShaktiConfig.

Notation as in `config.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sdk_builder.errors import CheckpointError
from sdk_builder.models.config import ShaktiConfig, short
from sdk_builder.models.gguf_file import GgufFile
from sdk_builder.models.rope import inverse_frequencies, llama3_factors

ARCHITECTURES = ("llama", "qwen2")
ROPE_FACTORS = "rope_freqs.weight"

_SHAPE = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "max_position_embeddings": "context_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
}
# Keys below "{architecture}." that we read, or that say nothing about the mathematics.
_READ = {
    *_SHAPE.values(),
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "vocab_size",
}
# Keys that we accept with these values only.
_FIXED: dict[str, tuple[Any, ...]] = {
    "attention.causal": (True,),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "rope.scaling.factor": (0.0, 1.0),
    "rope.scaling.finetuned": (False, True),
    "rope.scaling.type": ("none",),
    "tensor_data_layout": ("Meta AI original pth",),
    "use_parallel_residual": (False,),
}
# llama.cpp stores Llama 3's scaling as a tensor of factors; these are the constants that
# every published Llama 3.x uses, the remaining one (`factor`) is the tensor's maximum.
_LLAMA3_CONSTANTS = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_FACTOR_TOLERANCE = 1e-3  # relative; llama.cpp computes them in float32 too


def parse_gguf_config(file: GgufFile, rope_factors: np.ndarray | None) -> ShaktiConfig:
    """The configuration in `file`'s metadata.

    rope_factors: contents of `rope_freqs.weight` [hd/2], if the file has it.
    Raises CheckpointError naming the key and the file.
    """
    meta, path = file.metadata, file.path
    architecture = meta.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"{path}: architecture {short(architecture)} is not supported.",
            f"Supported in GGUF: {', '.join(ARCHITECTURES)}.",
        )
    if meta.get("split.count", 1) not in (0, 1):
        raise CheckpointError(
            f"{path} is one part of {short(meta['split.count'])}.",
            "Join the parts first: llama-gguf-split --merge FIRST_PART OUTPUT.",
        )
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in meta.items()
        if key.startswith(f"{architecture}.")
    }
    _check_keys(own, architecture, file)
    fields: dict[str, Any] = {}
    for field, key in _SHAPE.items():
        if key not in own:
            raise CheckpointError(f"{path}: {architecture}.{key} is missing.")
        fields[field] = own[key]
    fields["intermediate_size"] = _uniform(own, "feed_forward_length", file)
    fields["vocab_size"] = _vocabulary(own, file)
    fields["rope_theta"] = own.get("rope.freq_base", 10000.0)
    fields["attention_bias"] = "blk.0.attn_q.bias" in file.tensors
    fields["tie_word_embeddings"] = "output.weight" not in file.tensors
    kv = own.get("attention.head_count_kv", fields["num_attention_heads"])
    fields["kv_heads_per_layer" if isinstance(kv, list) else "num_key_value_heads"] = kv
    fields["head_dim"] = _head_dim(own, fields, file)
    fields.update(_token_ids(file))
    config = _build(fields, file)
    if rope_factors is None:
        return config
    fields["rope_scaling"] = _llama3_scaling(config, rope_factors, file)
    return _build(fields, file)


def _build(fields: dict[str, Any], file: GgufFile) -> ShaktiConfig:
    try:
        return ShaktiConfig(**fields)
    except CheckpointError as error:
        raise CheckpointError(
            f"{file.path}: {error.message}", "Download the file again."
        ) from error


def _check_keys(own: dict[str, Any], architecture: str, file: GgufFile) -> None:
    for key, value in own.items():
        if key in _READ:
            continue
        allowed = _FIXED.get(key)
        if allowed is None or value not in allowed:
            raise CheckpointError(
                f"{file.path}: {architecture}.{key} = {short(value)} is not supported.",
                "It changes what the model computes; export a plain Llama-shaped model.",
            )


def _uniform(own: dict[str, Any], key: str, file: GgufFile) -> Any:
    value = own.get(key)
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        return value[0]
    if value is None or isinstance(value, list):
        raise CheckpointError(
            f"{file.path}: {key} is missing or differs between layers.",
            "Only one feed-forward size for all layers is supported.",
        )
    return value


def _vocabulary(own: dict[str, Any], file: GgufFile) -> Any:
    if "token_embd.weight" not in file.tensors:
        raise CheckpointError(
            f"{file.path}: tensor token_embd.weight is missing.", "Download the file again."
        )
    rows = file.tensors["token_embd.weight"].shape[0]
    stated = own.get("vocab_size", rows)
    if stated != rows:
        raise CheckpointError(
            f"{file.path}: vocab_size {short(stated)} contradicts the {rows} rows of "
            "token_embd.weight.",
            "Download the file again.",
        )
    return rows


def _head_dim(own: dict[str, Any], fields: dict[str, Any], file: GgufFile) -> int | None:
    sizes = {
        key: own[key]
        for key in ("attention.key_length", "attention.value_length", "rope.dimension_count")
        if key in own
    }
    if len(set(map(str, sizes.values()))) > 1:
        raise CheckpointError(
            f"{file.path}: {short(sizes)} differ.",
            "Heads whose keys, values and rotary parts differ in size are not supported.",
        )
    return next(iter(sizes.values()), None)


def _token_ids(file: GgufFile) -> dict[str, Any]:
    meta = file.metadata
    ids: dict[str, Any] = {
        "bos_token_id": meta.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": meta.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": meta.get("tokenizer.ggml.padding_token_id"),
    }
    return ids


def _llama3_scaling(
    config: ShaktiConfig, factors: np.ndarray, file: GgufFile
) -> dict[str, Any] | None:
    """Find the constants that give `factors` [hd/2]; None when all are 1."""
    given = torch.from_numpy(np.array(factors, dtype=np.float32))
    if given.shape != (config.head_dim // 2,) or not bool(torch.isfinite(given).all()):
        raise CheckpointError(f"{file.path}: {ROPE_FACTORS} is damaged.", "Download it again.")
    if bool((given == 1).all()):
        return None
    factor = float(given.max())
    scaling = {"rope_type": "llama3", "factor": factor, **_LLAMA3_CONSTANTS}
    if factor > 1:
        trial = ShaktiConfig(
            head_dim=config.head_dim, rope_theta=config.rope_theta, rope_scaling=scaling
        )
        expected = llama3_factors(trial, inverse_frequencies(config))
        if torch.allclose(expected, given, rtol=_FACTOR_TOLERANCE):
            return scaling
    raise CheckpointError(
        f"{file.path}: {ROPE_FACTORS} is not Llama 3's frequency scaling.",
        "Other rotary scalings are not supported.",
    )

"""config.json of a Llama-shaped checkpoint -> ShaktiConfig, or one clear line why not.

A field we do not know may change what the model computes, so it is refused by name: better
than a bundle that answers wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdk_builder.errors import CheckpointError
from sdk_builder.models.config import LLAMA3_KEYS, ShaktiConfig, short

_SHAPE = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
_CARRIED = (
    *_SHAPE,
    "num_key_value_heads",
    "head_dim",
    "rms_norm_eps",
    "tie_word_embeddings",
    "max_position_embeddings",
    "attention_dropout",
    "initializer_range",
    "use_cache",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
_SHAKTI_ONLY = ("kv_heads_per_layer", "attention_pattern", "hidden_dropout")

# What transformers' own classes assume when config.json leaves the field out.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"rms_norm_eps": 1e-6, "max_position_embeddings": 2048},
    "mistral": {
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
    },
    "qwen2": {"rms_norm_eps": 1e-6, "max_position_embeddings": 32768, "num_key_value_heads": 32},
}
_DEFAULT_THETA = 10000.0

Allowed = Callable[[Any], bool]


def _anything(_value: Any) -> bool:
    return True


def _one_of(*values: Any) -> Allowed:
    # `is` for booleans and None: 0 == False would let numbers through as flags.
    return lambda value: any(value is v or (value == v and type(value) is type(v)) for v in values)


def _full_attention(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(kind == "full_attention" for kind in value)
    )


# Fields that say nothing about the mathematics.
_BENIGN = (
    "_name_or_path",
    "architectures",  # checked apart
    "dtype",
    "id2label",
    "is_llama_config",
    "label2id",
    "model_type",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
)
# Fields that enter it only with other values than these.
_FIXED: dict[str, tuple[Allowed, str]] = {
    **dict.fromkeys(_BENIGN, (_anything, "")),
    "_attn_implementation_autoset": (_one_of(True, False), ""),
    "attention_bias": (_one_of(False, None), "biases on every attention projection"),
    "chunk_size_feed_forward": (_one_of(0), "chunked feed-forward"),
    "hidden_act": (_one_of("silu"), "an activation other than silu"),
    "is_encoder_decoder": (_one_of(False), "an encoder"),
    "layer_types": (_full_attention, "layers without full attention"),
    "max_window_layers": (_anything, ""),
    "mlp_bias": (_one_of(False, None), "biases in the feed-forward layers"),
    "output_attentions": (_one_of(False), "outputs beside the logits"),
    "output_hidden_states": (_one_of(False), "outputs beside the logits"),
    "pretraining_tp": (_one_of(1, None), "tensor-parallel slices"),
    "problem_type": (_one_of(None), "a head other than the language model's"),
    "quantization_config": (_one_of(None), "weights that are already quantized"),
    "return_dict": (_one_of(True), ""),
    "rope_interleaved": (_one_of(False), "interleaved rotary pairs"),
    "use_mrope": (_one_of(False), "multi-axis rotary embeddings"),
    "use_sliding_window": (_one_of(False, None), "sliding-window attention"),
}
_ROPE = ("rope_theta", "rope_scaling", "rope_parameters")


def parse_hf_config(raw: Mapping[str, Any], path: Path) -> ShaktiConfig:
    """Translate the fields of config.json (`path` is for messages).

    Raises CheckpointError naming the field and the file.
    """
    family = raw.get("model_type")
    if family not in (*_DEFAULTS, "shakti"):
        supported = ", ".join(sorted([*_DEFAULTS, "shakti"]))
        raise CheckpointError(
            f"{path}: model_type {short(family)} is not supported.", f"Supported: {supported}."
        )
    _check_architectures(raw, path)
    if family == "shakti":
        return _parse_shakti(raw, path)
    for name in _SHAPE:
        if raw.get(name) is None:
            raise CheckpointError(f"{path}: {name} is missing.", "Is this the whole config.json?")
    _check_fixed(raw, path, {*_CARRIED, *_ROPE, "sliding_window"})
    merged = {**_DEFAULTS[family], **raw}
    _check_window(merged, family, path)

    fields = {name: merged[name] for name in _CARRIED if name in merged}
    fields["tie_word_embeddings"] = merged.get("tie_word_embeddings", False)
    fields["attention_bias"] = family == "qwen2"
    fields["rope_theta"], fields["rope_scaling"] = _parse_rope(raw, path)
    return _build(fields, path)


def _parse_shakti(raw: Mapping[str, Any], path: Path) -> ShaktiConfig:
    own = {*_CARRIED, *_SHAKTI_ONLY, "rope_theta", "rope_scaling", "attention_bias"}
    _check_fixed(raw, path, own)
    return _build({name: raw[name] for name in sorted(own) if name in raw}, path)


def _build(fields: dict[str, Any], path: Path) -> ShaktiConfig:
    if fields.get("pad_token_id") == -1:  # an old way to write "none"
        fields["pad_token_id"] = None
    try:
        return ShaktiConfig(**fields)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def _check_architectures(raw: Mapping[str, Any], path: Path) -> None:
    value = raw.get("architectures")
    named = value if isinstance(value, list) else [] if value is None else [value]
    for name in named:
        if not isinstance(name, str) or not name.endswith("ForCausalLM"):
            raise CheckpointError(
                f"{path}: architectures names {short(name)}, which is not a causal language model.",
                "Export a ...ForCausalLM checkpoint.",
            )


def _check_fixed(raw: Mapping[str, Any], path: Path, known: set[str]) -> None:
    for name, value in raw.items():
        if name in known:
            continue
        if name not in _FIXED:
            raise CheckpointError(
                f"{path}: unknown field {short(name)}.",
                "It may change what the model computes. If it does not, remove it from the file.",
            )
        allowed, meaning = _FIXED[name]
        if not allowed(value):
            because = f" ({meaning})" if meaning else ""
            raise CheckpointError(
                f"{path}: {name} = {short(value)} is not supported{because}.",
                "Export a checkpoint without it.",
            )


def _check_window(merged: Mapping[str, Any], family: str, path: Path) -> None:
    # Qwen2 states a window and a switch; only Mistral (and Llama, never) uses it by presence.
    window = merged.get("sliding_window")
    if window is not None and family != "qwen2":
        raise CheckpointError(
            f"{path}: sliding_window = {short(window)} is not supported.",
            'Export a checkpoint with full attention ("sliding_window": null).',
        )


def _parse_rope(raw: Mapping[str, Any], path: Path) -> tuple[Any, dict[str, Any] | None]:
    """(theta, Llama 3 scaling or None) from either spelling of transformers."""
    theta, scaling = raw.get("rope_theta"), raw.get("rope_scaling")
    parameters = raw.get("rope_parameters")
    for name, value in (("rope_scaling", scaling), ("rope_parameters", parameters)):
        if value is not None and not isinstance(value, dict):
            raise CheckpointError(f"{path}: {name} must be an object, not {short(value)}.")
    if parameters is not None:
        newer = dict(parameters)
        inner = newer.pop("rope_theta", None)
        if theta is not None and inner is not None and theta != inner:
            raise CheckpointError(
                f"{path}: rope_theta = {short(theta)} contradicts rope_parameters.rope_theta = "
                f"{short(inner)}.",
                "Keep the right one.",
            )
        theta = inner if inner is not None else theta
        if scaling is not None and _scaling(scaling, path) != _scaling(newer, path):
            raise CheckpointError(
                f"{path}: rope_scaling contradicts rope_parameters.", "Keep the right one."
            )
        scaling = newer
    return (_DEFAULT_THETA if theta is None else theta), _scaling(scaling, path)


def _scaling(given: dict[str, Any] | None, path: Path) -> dict[str, Any] | None:
    if given is None:
        return None
    left = dict(given)
    kinds = [left.pop(name) for name in ("rope_type", "type") if name in left]
    kind = kinds[0] if kinds else "default"
    if kind not in ("default", "llama3") or any(other != kind for other in kinds):
        raise CheckpointError(
            f"{path}: rope_type {short(kinds[-1])} is not supported.",
            "Supported: default, llama3.",
        )
    if left.get("partial_rotary_factor") in (1, 1.0):
        del left["partial_rotary_factor"]
    unknown = sorted(set(left) - set(LLAMA3_KEYS if kind == "llama3" else ()))
    if unknown:
        raise CheckpointError(
            f"{path}: rotary field {short(unknown[0])} is not supported with rope_type {kind}.",
            "Supported: default, llama3.",
        )
    return None if kind == "default" else {"rope_type": "llama3", **left}

"""config.json of real checkpoints is understood; what we cannot honour is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import CheckpointError
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.hf_config import parse_hf_config

FILE = Path("folder/config.json")

# As published: SmolLM2-135M-Instruct, Qwen2.5-0.5B-Instruct, Llama-3.2-1B, Mistral-7B-v0.3.
SMOLLM2 = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 576,
    "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536,
    "is_llama_config": True,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "pad_token_id": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}},
    "transformers_version": "4.42.3",
    "use_cache": True,
    "vocab_size": 49152,
}
QWEN = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "hidden_act": "silu",
    "hidden_size": 896,
    "initializer_range": 0.02,
    "intermediate_size": 4864,
    "max_position_embeddings": 32768,
    "max_window_layers": 21,
    "model_type": "qwen2",
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.43.1",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
SCALING = {
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}
LLAMA32 = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009],
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 8192,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": SCALING,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.45.0.dev0",
    "use_cache": True,
    "vocab_size": 128256,
}
MISTRAL = {
    "architectures": ["MistralForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.42.0.dev0",
    "use_cache": True,
    "vocab_size": 32768,
}


def test_smollm2_is_understood() -> None:
    config = parse_hf_config(SMOLLM2, FILE)
    assert (config.num_hidden_layers, config.hidden_size, config.head_dim) == (30, 576, 64)
    assert (config.num_attention_heads, config.num_key_value_heads) == (9, 3)
    assert config.rope_theta == 100000
    assert config.rope_scaling is None
    assert config.tie_word_embeddings
    assert not config.attention_bias


def test_qwen_has_biases_and_no_window() -> None:
    config = parse_hf_config(QWEN, FILE)
    assert config.attention_bias
    assert config.rms_norm_eps == 1e-6
    assert config.eos_token_ids == (151645,)


def test_llama_3_keeps_its_scaling_and_end_ids() -> None:
    config = parse_hf_config(LLAMA32, FILE)
    assert config.rope_scaling == SCALING
    assert config.eos_token_ids == (128001, 128008, 128009)


def test_mistral_without_a_window_is_understood() -> None:
    config = parse_hf_config(MISTRAL, FILE)
    assert not config.tie_word_embeddings
    assert config.head_dim == 128


@pytest.mark.parametrize(
    "parameters",
    [
        {"rope_type": "default", "rope_theta": 100000.0},
        {"rope_type": "default", "rope_theta": 100000.0, "partial_rotary_factor": 1.0},
        {"rope_theta": 100000.0},
    ],
)
def test_rope_parameters_of_newer_transformers_are_understood(parameters: dict[str, Any]) -> None:
    raw = {name: value for name, value in SMOLLM2.items() if not name.startswith("rope_")}
    config = parse_hf_config({**raw, "rope_parameters": parameters}, FILE)
    assert config.rope_theta == 100000.0
    assert config.rope_scaling is None


def test_left_out_fields_take_the_defaults_of_transformers() -> None:
    shape = {k: v for k, v in SMOLLM2.items() if "size" in k or k.startswith("num_")}
    del shape["num_key_value_heads"]
    config = parse_hf_config({"model_type": "llama", **shape}, FILE)
    assert config.num_key_value_heads == 9
    assert config.rms_norm_eps == 1e-6
    assert config.rope_theta == 10000.0
    assert config.max_position_embeddings == 2048
    assert not config.tie_word_embeddings


def test_padding_id_of_minus_one_means_none() -> None:
    assert parse_hf_config({**SMOLLM2, "pad_token_id": -1}, FILE).pad_token_id is None


@pytest.mark.parametrize(
    ("base", "changes", "says"),
    [
        (SMOLLM2, {"model_type": "gpt2"}, "model_type 'gpt2' is not supported"),
        (SMOLLM2, {"model_type": None}, "model_type None is not supported"),
        (SMOLLM2, {"model_type": ["llama"]}, "model_type"),
        (SMOLLM2, {"architectures": ["LlamaForSequenceClassification"]}, "architectures names"),
        (SMOLLM2, {"architectures": 3}, "architectures names 3"),
        (SMOLLM2, {"hidden_act": "gelu"}, "hidden_act = 'gelu' is not supported"),
        (SMOLLM2, {"attention_bias": True}, "attention_bias = True is not supported"),
        (SMOLLM2, {"mlp_bias": True}, "mlp_bias = True is not supported"),
        (SMOLLM2, {"pretraining_tp": 2}, "pretraining_tp = 2 is not supported"),
        (SMOLLM2, {"rope_interleaved": True}, "rope_interleaved = True"),
        (SMOLLM2, {"quantization_config": {"bits": 4}}, "quantization_config = .* already"),
        (SMOLLM2, {"sliding_window": 4096}, "sliding_window = 4096 is not supported"),
        (SMOLLM2, {"num_attention_heads": 8, "num_key_value_heads": 3}, "num_attention_heads 8"),
        (SMOLLM2, {"num_attention_heads": 7}, "num_attention_heads 7"),
        (SMOLLM2, {"hidden_size": None}, "hidden_size is missing"),
        (SMOLLM2, {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_type 'yarn'"),
        (SMOLLM2, {"rope_scaling": {"type": "linear", "factor": 4.0}}, "rope_type 'linear'"),
        (SMOLLM2, {"rope_scaling": {"rope_type": "llama3", "type": "yarn"}}, "rope_type 'yarn'"),
        (SMOLLM2, {"rope_scaling": {"rope_type": "llama3"}}, r"rope_scaling\.factor"),
        (SMOLLM2, {"rope_scaling": {"rope_type": "default", "factor": 2}}, "'factor'"),
        (SMOLLM2, {"rope_scaling": [1]}, "rope_scaling must be an object"),
        (SMOLLM2, {"rope_parameters": {"rope_theta": 1.0}}, "contradicts rope_parameters"),
        (LLAMA32, {"rope_parameters": {"rope_type": "default"}}, "rope_scaling contradicts"),
        (SMOLLM2, {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        (SMOLLM2, {"logit_scale": 2.0}, "unknown field 'logit_scale'"),
        (SMOLLM2, {"num_experts": 8}, "unknown field 'num_experts'"),
        (SMOLLM2, {"layer_types": ["sliding_attention"]}, "layer_types"),
        (QWEN, {"use_sliding_window": True}, "use_sliding_window = True is not supported"),
        (QWEN, {"use_mrope": True}, "use_mrope = True"),
        (QWEN, {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
        (QWEN, {"is_encoder_decoder": True}, "is_encoder_decoder = True"),
        (MISTRAL, {"sliding_window": 4096}, "sliding_window = 4096 is not supported"),
    ],
    ids=lambda value: str(value)[:50] if not isinstance(value, dict) or len(value) < 5 else "",
)
def test_field_that_cannot_be_honoured_is_named_with_its_file(
    base: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(CheckpointError, match=says) as caught:
        parse_hf_config({**base, **changes}, FILE)
    assert str(FILE) in caught.value.message
    assert "\n" not in caught.value.message


def test_mistral_that_leaves_the_window_out_has_one() -> None:
    raw = {name: value for name, value in MISTRAL.items() if name != "sliding_window"}
    with pytest.raises(CheckpointError, match="sliding_window = 4096"):
        parse_hf_config(raw, FILE)


def test_shakti_keeps_every_field() -> None:
    config = ShaktiConfig(
        num_hidden_layers=2, kv_heads_per_layer=[5, 2], head_dim=32, hidden_dropout=0.1
    )
    again = parse_hf_config({**config.to_dict(), "architectures": ["ShaktiForCausalLM"]}, FILE)
    mine, theirs = again.to_dict(), config.to_dict()
    assert {k: v for k, v in mine.items() if k != "architectures"} == {
        k: v for k, v in theirs.items() if k != "architectures"
    }


def test_shakti_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(CheckpointError, match="unknown field 'window'"):
        parse_hf_config({**ShaktiConfig().to_dict(), "window": 5}, FILE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    base=st.sampled_from([SMOLLM2, QWEN, LLAMA32, MISTRAL, ShaktiConfig().to_dict()]),
    data=st.data(),
)
def test_any_value_in_any_field_gives_a_configuration_or_one_line(
    base: dict[str, Any], data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from([*base, "rope_parameters"]), min_size=1, max_size=3))
    changes = {name: data.draw(json_values) for name in names}
    problem = ""
    try:
        config = parse_hf_config({**base, **changes}, FILE)
        assert config.num_attention_heads % config.num_key_value_heads == 0
    except CheckpointError as error:
        problem = error.message
    assert not problem or str(FILE) in problem
    assert "\n" not in problem

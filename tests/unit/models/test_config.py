"""ShaktiConfig refuses shapes that contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest

from sdk_builder.errors import CheckpointError
from sdk_builder.models.config import ShaktiConfig, find_problem

SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def test_left_out_values_are_derived() -> None:
    config = ShaktiConfig(hidden_size=64, num_attention_heads=4)
    assert config.head_dim == 16
    assert config.num_key_value_heads == 4
    assert [config.kv_heads(layer) for layer in range(2)] == [4, 4]


def test_variable_groups_are_counted_by_layer() -> None:
    config = ShaktiConfig(
        hidden_size=64,
        num_attention_heads=4,
        num_hidden_layers=3,
        kv_heads_per_layer=[4, 2, 1],
    )
    assert config.num_key_value_heads == 4
    assert [config.kv_heads(layer) for layer in range(3)] == [4, 2, 1]
    assert [config.qkv_rows(layer) for layer in range(3)] == [192, 128, 96]


@pytest.mark.parametrize(
    ("value", "ids"), [(None, ()), (5, (5,)), ([5, 7], (5, 7))], ids=["none", "one", "many"]
)
def test_end_of_text_ids_are_a_tuple(value: Any, ids: tuple[int, ...]) -> None:
    assert ShaktiConfig(eos_token_id=value).eos_token_ids == ids


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"vocab_size": 0}, "vocab_size must be"),
        ({"hidden_size": "640"}, "hidden_size must be"),
        ({"hidden_size": 640.0}, "hidden_size must be"),
        ({"num_hidden_layers": True}, "num_hidden_layers must be"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers must be"),
        ({"num_attention_heads": None}, "num_attention_heads must be"),
        ({"num_attention_heads": 0}, "num_attention_heads must be"),
        ({"num_attention_heads": 7}, "hidden_size 640 is not a multiple of num_attention_heads 7"),
        ({"num_key_value_heads": 3}, "num_attention_heads 10 is not a multiple"),
        ({"num_key_value_heads": -1}, "num_key_value_heads must be"),
        ({"head_dim": 63}, "head_dim must be even"),
        ({"head_dim": "64"}, "head_dim must be"),
        ({"kv_heads_per_layer": [5] * 9}, "has 9 entries for num_hidden_layers 10"),
        ({"kv_heads_per_layer": [5] * 9 + [3]}, r"kv_heads_per_layer\[9\] = 3"),
        ({"kv_heads_per_layer": []}, "num_key_value_heads|has 0 entries"),
        ({"kv_heads_per_layer": "5"}, "must be a list"),
        ({"kv_heads_per_layer": [5] * 9 + [None]}, "must be a list of counts"),
        ({"kv_heads_per_layer": [5] * 10, "num_key_value_heads": 10}, "not the maximum"),
        ({"rope_theta": 0}, "rope_theta must be"),
        ({"rope_theta": float("nan")}, "rope_theta must be"),
        ({"rope_theta": 10**400}, "rope_theta must be"),
        ({"rms_norm_eps": "1e-5"}, "rms_norm_eps must be"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps must be"),
        ({"attention_dropout": 1.0}, "attention_dropout must be"),
        ({"hidden_dropout": -0.1}, "hidden_dropout must be"),
        ({"initializer_range": -1}, "initializer_range must not"),
        ({"attention_bias": 1}, "attention_bias must be"),
        ({"tie_word_embeddings": None}, "tie_word_embeddings must be"),
        ({"bos_token_id": 49152}, "bos_token_id must be"),
        ({"bos_token_id": [1]}, "bos_token_id must be"),
        ({"eos_token_id": [1, None]}, "eos_token_id must be"),
        ({"eos_token_id": -1}, "eos_token_id must be"),
        ({"pad_token_id": "0"}, "pad_token_id must be"),
        ({"rope_scaling": "llama3"}, "rope_scaling must be"),
        ({"rope_scaling": {**SCALING, "rope_type": "yarn"}}, "'yarn' is not supported"),
        ({"rope_scaling": {**SCALING, "beta": 1}}, "unknown field 'beta'"),
        ({"rope_scaling": {**SCALING, "factor": None}}, r"rope_scaling\.factor"),
        ({"rope_scaling": {**SCALING, "low_freq_factor": 4.0}}, "must be above"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_contradiction_is_refused_by_the_name_of_its_field(
    fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(CheckpointError, match=says):
        ShaktiConfig(**fields)


def test_llama_3_scaling_is_accepted() -> None:
    assert ShaktiConfig(rope_scaling=SCALING).rope_scaling == SCALING


def test_the_default_configuration_has_no_problem() -> None:
    assert find_problem(vars(ShaktiConfig())) is None

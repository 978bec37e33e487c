"""Presets keep the published shape and reach their nominal size."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Decoder
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.presets import PRESETS, Preset, nearest_name, parameter_count

GROUP = 32  # weights of a quantization group lie along the input of a layer
PUBLISHED = {
    "shakti-100m": {"num_hidden_layers": 10, "hidden_size": 640, "intermediate_size": 2560},
    "shakti-250m": {"num_hidden_layers": 16, "hidden_size": 1024},
    "shakti-500m": {"num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 16},
}


@pytest.fixture(params=PRESETS.values(), ids=list(PRESETS))
def preset(request: pytest.FixtureRequest) -> Preset:
    return request.param


def test_published_fields_have_the_published_values(preset: Preset) -> None:
    expected = {
        **PUBLISHED[preset.name],
        "max_position_embeddings": 4096,
        "rope_theta": 500000.0,
    }
    marked = {name: f.value for name, f in preset.fields.items() if f.published}
    assert marked == expected
    assert all(field.source for field in preset.fields.values())


def test_parameters_are_within_three_percent_of_the_name(preset: Preset) -> None:
    assert abs(preset.parameters / preset.nominal_parameters - 1) < 0.03


def test_arithmetic_equals_the_model(preset: Preset) -> None:
    config = ShaktiConfig(**preset.values)
    shapes = parameter_shapes(config).values()
    assert preset.parameters == sum(torch.Size(shape).numel() for shape in shapes)
    with torch.device("meta"):
        decoder = Decoder(config)
    assert preset.parameters == sum(value.numel() for value in decoder.parameters())


def test_layer_inputs_are_whole_quantization_groups(preset: Preset) -> None:
    config = ShaktiConfig(**preset.values)
    width = config.num_attention_heads * config.head_dim
    for size in (config.hidden_size, config.intermediate_size, width):
        assert size % GROUP == 0
    assert config.intermediate_size % 64 == 0
    assert config.head_dim % 2 == 0


def test_variable_groups_fall_with_depth() -> None:
    for name in ("shakti-100m", "shakti-250m"):
        schedule = PRESETS[name].values["kv_heads_per_layer"]
        assert schedule == sorted(schedule, reverse=True)
        assert len(set(schedule)) > 1


def test_count_covers_biases_and_an_untied_head() -> None:
    fields = {
        "vocab_size": 100,
        "hidden_size": 8,
        "intermediate_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "attention_bias": True,
        "tie_word_embeddings": False,
    }
    shapes = parameter_shapes(ShaktiConfig(**fields)).values()
    assert parameter_count(fields) == sum(torch.Size(shape).numel() for shape in shapes)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("shakti100m", "shakti-100m"), ("Shakti-250M", "shakti-250m"), ("zzzz", None)],
)
def test_nearest_name_finds_what_was_meant(typed: str, meant: str | None) -> None:
    assert nearest_name(typed, PRESETS) == meant


def test_presets_are_read_without_torch() -> None:
    code = (
        "import sys; from sdk_builder.models.presets import PRESETS; "
        "from sdk_builder.models.sources import SOURCES, known_names; assert known_names(); "
        "assert not {'torch', 'transformers', 'tokenizers', 'gguf'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

"""Settings of quantization-aware training: where its texts come from, and what it needs."""

from __future__ import annotations

import pytest

from sdk_builder.errors import UsageError
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.training.memory import plan_memory
from sdk_builder.training.settings import QatSettings
from sdk_builder.training.settings_file import load_settings

DATA = "data.0.source=a.jsonl"


def settings_of(*given: str) -> QatSettings:
    found = load_settings("qat", None, ["model=m", "output=o", *given])
    assert isinstance(found, QatSettings)
    return found


def test_without_data_the_model_writes_the_texts():
    assert settings_of().distills_itself
    assert settings_of("self_distill=true").distills_itself
    assert not settings_of(DATA).distills_itself


def test_an_eighth_of_few_samples_is_held_out_and_64_of_many():
    assert settings_of("samples=80").held_out == 10
    assert settings_of().held_out == 64


def test_held_out_samples_are_evaluated_where_that_is_asked_for():
    assert not settings_of().evaluates
    assert settings_of("eval_every=5").evaluates
    assert not settings_of(DATA, "eval_every=5").evaluates
    assert settings_of(DATA, "eval_data.0.source=b.jsonl").evaluates


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("quant=none",), "quant is 'none': input should be 'q4', 'q5' or 'q8'"),
        (("self_distill=false",), "give data, or leave self_distill out"),
        (("self_distill=true", DATA), "give data or self_distill, not both"),
        (("eval_data.0.source=b.jsonl",), "give no eval_data without data"),
        (("samples=16",), "samples 16 are less than a batch of 16"),
        (("epochs=2",), "give steps or epochs, not both"),
    ],
)
def test_mistake_is_one_line(given: tuple[str, ...], message: str):
    with pytest.raises(UsageError) as caught:
        settings_of(*given)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_memory_has_the_teacher_and_the_logits_of_both():
    config = ShaktiConfig(
        vocab_size=50_000, hidden_size=8, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip
    plan = plan_memory(config, settings_of("sequence_length=64", "micro_batch_size=4"), bf16=False)
    assert plan.parts["teacher"] == plan.parts["weights"]
    assert plan.parts["rounded weights"] == 3 * plan.parts["weights"]
    assert plan.parts["logits"] == 256 * 50_000 * (3 * 4 + 4 * 4)

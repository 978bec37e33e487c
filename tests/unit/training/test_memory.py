"""The memory plan, against numbers worked out by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdk_builder.errors import MemoryShortError
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.training import memory
from sdk_builder.training.memory import (
    activation_bytes,
    backward_bytes,
    layer_bytes,
    logits_bytes,
    lora_parameters,
    plan_memory,
)
from sdk_builder.training.settings import LoraSettings, StageSettings
from sdk_builder.training.settings_file import make_settings

ROOT = Path(__file__).parents[3]
MEASURE = ROOT / "tests" / "integration" / "training" / "measure_memory.py"
# D 8, F 16, two heads of 4 and one KV head: 3 products of 8 x 16, 8 x 16 of q k v, 8 x 8 of o.
CONFIG = ShaktiConfig(
    vocab_size=100,
    hidden_size=8,
    intermediate_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    num_key_value_heads=1,
    hidden_dropout=0.0,
)
PARAMETERS = 100 * 8 + 3 * (16 * 8 + 8 * 8 + 3 * 8 * 16 + 2 * 8) + 8


def settings_of(stage: str = "pretrain", **changes: Any) -> StageSettings:
    values = {
        **{"model": "m", "output": "o", "data": [{"source": "s"}], "steps": 1},
        **{"sequence_length": 10, "micro_batch_size": 2, "batch_size": 2},
    }
    return make_settings(stage, {**values, **changes}, "settings")


def test_weights_gradients_and_averages_are_sixteen_bytes_a_parameter():
    parts = plan_memory(CONFIG, settings_of(), bf16=False).parts
    assert parts["weights"] == parts["gradients"] == 4 * PARAMETERS
    assert parts["optimizer states"] == 8 * PARAMETERS
    assert "bf16 weights" not in parts
    assert plan_memory(CONFIG, settings_of(), bf16=True).parts["bf16 weights"] == 2 * PARAMETERS


def test_layer_needs_what_is_written_down_here_per_token():
    residual = 2 * 4 * 8
    norms = 2 * 2 * 8
    qkv, rotated, mixed = 2 * (8 + 4 + 4), 2 * (8 + 4), 2 * 8
    gate_up, silu, product = 2 * 32, 2 * 16, 2 * 16
    by_hand = residual + norms + qkv + rotated + mixed + gate_up + silu + product
    assert layer_bytes(CONFIG, 0, width=2) == by_hand
    dropping = ShaktiConfig(**{**CONFIG.to_dict(), "hidden_dropout": 0.1})
    assert layer_bytes(dropping, 0, width=2) == by_hand + 2 * 8


def test_checkpointing_keeps_an_input_a_layer_and_makes_one_layer_again():
    one = layer_bytes(CONFIG, 0, width=4)
    kept = [activation_bytes(CONFIG, 20, 4, checkpointing=how) for how in (False, True)]
    assert kept[0] - kept[1] == 20 * (3 * one - 3 * 4 * 8)
    again = [backward_bytes(CONFIG, 20, 4, checkpointing=how) for how in (False, True)]
    assert again[1] - again[0] == 20 * one


def test_the_larger_of_logits_and_a_layer_s_backward_pass_counts():
    wide = plan_memory(CONFIG, settings_of("sft"), bf16=False).parts
    assert wide["logits"] == logits_bytes(CONFIG, 20, 4, "sft")
    few = ShaktiConfig(**{**CONFIG.to_dict(), "vocab_size": 8})
    parts = plan_memory(few, settings_of("sft"), bf16=False).parts
    assert parts["a layer's backward pass"] == backward_bytes(few, 20, 4, checkpointing=False)
    assert "logits" not in parts


def test_logits_are_of_all_tokens_but_in_pretraining_of_some_rows():
    assert logits_bytes(CONFIG, 1000, 2, "sft") == 1000 * 100 * (2 + 8)
    large = ShaktiConfig(**{**CONFIG.to_dict(), "vocab_size": 1 << 17})
    rows = 1024  # 2^27 logits at once, of 2^17 tokens
    by_hand = rows * (1 << 17) * (2 + 8) + 4 * (1 << 17) * 8 + 2 * 5000 * 8
    assert logits_bytes(large, 5000, 2, "pretrain") == by_hand


def test_adapters_leave_the_weights_without_gradients():
    adapters = LoraSettings(rank=2, targets=("qkv_proj", "down_proj"))
    assert lora_parameters(CONFIG, adapters) == 3 * 2 * ((8 + 16) + (16 + 8))
    lora = {"rank": 2, "targets": ["qkv_proj", "down_proj"]}
    parts = plan_memory(CONFIG, settings_of("sft", lora=lora), bf16=False).parts
    assert parts["gradients"] == 4 * 288
    assert parts["weights"] == 4 * (PARAMETERS + 288)


def test_sharded_processes_hold_their_part_and_what_is_gathered(monkeypatch: pytest.MonkeyPatch):
    layer = 16 * 8 + 8 * 8 + 3 * 8 * 16 + 2 * 8
    ends = 100 * 8 + 8
    monkeypatch.setenv("WORLD_SIZE", "4")
    parts = plan_memory(CONFIG, settings_of(fsdp=True), bf16=False).parts
    assert parts["weights"] == parts["gradients"] == PARAMETERS  # 4 bytes, 4 processes
    assert parts["optimizer states"] == 2 * PARAMETERS
    assert parts["gathered weights"] == (4 + 4) * (ends + 2 * layer)
    half = plan_memory(CONFIG, settings_of(fsdp=True), bf16=True).parts
    assert half["gathered weights"] == (2 + 4) * (ends + 2 * layer)
    assert "bf16 weights" not in half  # there is no other copy of them
    assert "gathered weights" not in plan_memory(CONFIG, settings_of(), bf16=False).parts


def test_preferences_are_two_sequences_beside_a_reference_model():
    parts = plan_memory(CONFIG, settings_of("dpo"), bf16=False).parts
    assert parts["logits"] == 2 * 20 * 100 * (4 + 8)
    assert parts["reference model"] == 4 * PARAMETERS


@pytest.mark.parametrize(
    ("changes", "limit", "advice"),
    [
        ({"micro_batch_size": 64, "batch_size": 64}, 1_000_000, "Set micro_batch_size to 29 or"),
        ({"sequence_length": 4000}, 3_000_000, "Set gradient_checkpointing to true"),
        (
            {"sequence_length": 4000, "gradient_checkpointing": True, "micro_batch_size": 1},
            1_000_000,
            "Reduce sequence_length (it is 4000)",
        ),
        ({}, 40_000, "Use a smaller model"),
    ],
)
def test_refusal_says_how_much_and_which_setting(changes: dict[str, Any], limit: int, advice: str):
    settings = settings_of(**changes, memory_limit_gib=limit / memory.GIB)
    with pytest.raises(MemoryShortError, match=r"needs about .* MiB, there are .* MiB") as caught:
        plan_memory(CONFIG, settings, bf16=False).require(settings)
    assert advice in caught.value.hint
    assert "\n" not in caught.value.message


def test_advice_is_right():
    large = settings_of(micro_batch_size=64, batch_size=64, memory_limit_gib=1e6 / memory.GIB)
    with pytest.raises(MemoryShortError) as caught:
        plan_memory(CONFIG, large, bf16=False).require(large)
    fitting = int(caught.value.hint.split()[3])
    for size, fits in ((fitting, True), (fitting + 1, False)):
        settings = settings_of(
            micro_batch_size=size, batch_size=size, memory_limit_gib=1e6 / memory.GIB
        )
        found = plan_memory(CONFIG, settings, bf16=False)
        assert (found.needed <= found.available) == fits


def test_processes_of_a_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch):
    alone = plan_memory(CONFIG, settings_of(), bf16=False).available
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert plan_memory(CONFIG, settings_of(), bf16=False).available == pytest.approx(
        alone / 4, rel=0.2
    )


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("case", ["all,pretrain", "checkpointing,pretrain", "all,sft"])
def test_plan_is_near_the_peak_of_a_real_step(case: str):
    """Within 0.9 to 1.7 times what a process really takes, in float32 on this machine."""
    # A process for each case: what an earlier one left behind would be in its peak.
    environment = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    done = subprocess.run(
        [sys.executable, MEASURE, "4", "8", case],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)[case]
    assert 0.9 < found["estimated"] / found["measured"] < 1.7, found

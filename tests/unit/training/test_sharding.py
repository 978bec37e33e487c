"""FSDP's arguments and refusals; what it does is in tests/integration/training/test_sharded.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import nn
from transformers import TrainingArguments

from sdk_builder.errors import ResumeError, UsageError
from sdk_builder.log import Steps
from sdk_builder.training import sharding
from sdk_builder.training.arguments import training_arguments
from sdk_builder.training.checkpoints import mark
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.settings_file import make_settings
from sdk_builder.training.sharding import (
    WEIGHTS,
    decided,
    load_checkpoint,
    sharding_arguments,
    with_float32_sums,
)
from sdk_builder.training.state import open_run


def settings_of(stage: str = "pretrain", **changes: Any) -> StageSettings:
    values = {"model": "m", "output": "o", "data": [{"source": "s"}], "steps": 1, "fsdp": True}
    return make_settings(stage, {**values, **changes}, "settings")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As two processes with a GPU each would find it."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    monkeypatch.setattr(sharding, "on_gpus", lambda: True)


@pytest.mark.usefixtures("two_gpus")
def test_each_decoder_layer_is_sharded_by_fsdp2_and_checkpoints_are_whole():
    given = training_arguments(settings_of(), 1)
    assert given["fsdp"] is True
    assert given["fsdp_config"]["version"] == 2
    assert given["fsdp_config"]["transformer_layer_cls_to_wrap"] == ["DecoderLayer"]
    assert given["fsdp_config"]["state_dict_type"] == "FULL_STATE_DICT"


@pytest.mark.usefixtures("two_gpus")
def test_gradients_of_every_micro_batch_are_shared_out_at_once():
    given = training_arguments(settings_of(), 1)
    assert given["accelerator_config"]["gradient_accumulation_kwargs"] == {"sync_each_batch": True}


@pytest.mark.usefixtures("two_gpus")
def test_layers_are_recomputed_by_the_model_which_keeps_dropout_and_not_by_accelerate():
    given = training_arguments(settings_of(gradient_checkpointing=True), 1)
    assert given["fsdp_config"]["activation_checkpointing"] is False
    assert given["activation_checkpointing"] is True


def test_nothing_is_sharded_unasked():
    assert sharding_arguments(settings_of(fsdp=False)) == {}


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("bf16", [True, False])
def test_bf16_is_of_the_arithmetic_and_not_of_sums_over_processes(
    bf16: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = sharding_arguments(settings_of())
    monkeypatch.delenv("WORLD_SIZE")  # transformers would wait for the other process
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "false")  # which transformers sets
    given = with_float32_sums(
        TrainingArguments(output_dir=str(tmp_path), use_cpu=True, bf16=bf16, **asked)
    )
    plugin = FullyShardedDataParallelPlugin(**given.fsdp_plugin_args)
    if bf16:
        plugin.set_mixed_precision("bf16")  # as accelerate does
        assert plugin.mixed_precision_policy.param_dtype == torch.bfloat16
        assert plugin.mixed_precision_policy.reduce_dtype == torch.float32
        assert plugin.mixed_precision_policy.output_dtype is None
    else:
        assert plugin.mixed_precision_policy is None


def test_one_process_has_nothing_to_share_with(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(UsageError, match="several processes") as caught:
        decided(settings_of())
    assert "torchrun" in caught.value.hint


def test_processes_without_gpus_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sharding, "on_gpus", lambda: False)
    with pytest.raises(UsageError, match="needs GPUs") as caught:
        decided(settings_of())
    assert "Leave fsdp out" in caught.value.hint


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("stage", ["rlhf", "qat"])
def test_stages_that_do_not_shard_say_so(stage: str):
    with pytest.raises(UsageError, match=f"fsdp: {stage} does not shard"):
        decided(settings_of(stage))
    with pytest.raises(UsageError, match=f"fsdp: {stage} does not shard"):
        training_arguments(settings_of(stage), 1)


@pytest.mark.usefixtures("two_gpus")
def test_accelerate_s_own_flag_is_the_setting(monkeypatch: pytest.MonkeyPatch):
    asked = settings_of(fsdp=False)
    assert not decided(asked).fsdp
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert decided(asked).fsdp
    with pytest.raises(UsageError, match="fsdp: qat does not shard"):
        decided(settings_of("qat", fsdp=False))


def test_run_does_not_go_on_sharded_from_checkpoints_that_were_not(tmp_path: Path):
    before = settings_of(output=str(tmp_path / "o"), fsdp=False)
    open_run(before, Steps.silent(), resume=True)
    checkpoint = before.folder / "checkpoint-1"
    checkpoint.mkdir()
    (checkpoint / "optimizer.pt").write_bytes(b"1")
    mark(checkpoint)
    with pytest.raises(ResumeError, match="fsdp was False, is True"):
        open_run(before.model_copy(update={"fsdp": True}), Steps.silent(), resume=True)


def test_trained_weights_are_loaded_and_frozen_ones_left(tmp_path: Path):
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    first.requires_grad_(False)
    frozen, trained = first.weight.clone(), torch.full((2, 2), 7.0)
    torch.save({"1.weight": trained}, tmp_path / WEIGHTS)
    load_checkpoint(nn.Sequential(first, second), tmp_path)
    assert torch.equal(first.weight, frozen)
    assert torch.equal(second.weight, trained)


@pytest.mark.parametrize("names", [("0.weight",), ("0.weight", "1.weight", "2.weight")])
def test_checkpoint_of_another_model_is_refused(names: tuple[str, ...], tmp_path: Path):
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    torch.save({name: torch.ones(2, 2) for name in names}, tmp_path / WEIGHTS)
    with pytest.raises(ResumeError, match="other weights"):
        load_checkpoint(model, tmp_path)

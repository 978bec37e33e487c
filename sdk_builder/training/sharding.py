"""FSDP: weights, gradients and optimizer split over the processes, by transformers and accelerate.

What this adds is what they leave open: the arguments, when it cannot be, bf16 whose sums stay
float32, and the whole model at the end.
"""

from __future__ import annotations

import os
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainingArguments

from sdk_builder.errors import ResumeError, UsageError
from sdk_builder.models.decoder import DecoderLayer
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.rows.needs import package
from sdk_builder.training.processes import world_size
from sdk_builder.training.settings import StageSettings

WEIGHTS = "pytorch_model_fsdp.bin"
"""All weights that are trained, in a checkpoint: the name is accelerate's."""

_Given = TypeVar("_Given", bound=TrainingArguments)
_Settings = TypeVar("_Settings", bound=StageSettings)


def decided(settings: _Settings) -> _Settings:
    """The settings, with `fsdp` where `accelerate launch --use_fsdp` asks for it: accelerate would
    shard then, whatever the settings say. Raises UsageError where it cannot be."""
    if os.environ.get("ACCELERATE_USE_FSDP", "").casefold() == "true":
        settings = settings.model_copy(update={"fsdp": True})
    check(settings)
    return settings


def check(settings: StageSettings) -> None:
    """Raises UsageError where `fsdp` is on and cannot be."""
    if not settings.fsdp:
        return
    if not settings.can_shard:
        raise UsageError(
            f"fsdp: {settings.stage} does not shard its model.",
            "Leave fsdp out (and --use_fsdp): each process keeps the whole model.",
        )
    if world_size() == 1:
        raise UsageError(
            "fsdp: true shards over several processes, and there is one.",
            "Start them: torchrun --nproc-per-node N -m sdk_builder train ...; or leave fsdp out.",
        )
    if not on_gpus():
        raise UsageError(
            "fsdp: true needs GPUs: accelerate does not shard on the CPU.",
            "Leave fsdp out: each process keeps the whole model.",
        )


def on_gpus() -> bool:
    """Whether processes train on GPUs."""
    return torch.cuda.is_available()


def sharding_arguments(settings: StageSettings) -> dict[str, Any]:
    """What `fsdp` adds to TrainingArguments. Raises UsageError where it cannot be."""
    check(settings)
    if not settings.fsdp:
        return {}
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "transformer_layer_cls_to_wrap": [DecoderLayer.__name__],
            # Whole files, so that a run may go on with another number of processes.
            "state_dict_type": "FULL_STATE_DICT",
            # accelerate's own recomputes layers with other numbers of dropout than they were
            # computed with: their gradients would be wrong. The model's own does not.
            "activation_checkpointing": False,
        },
        # Else the gradients of a step's micro batches add up whole in every process.
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
    }


def with_float32_sums(given: _Given) -> _Given:
    """Arguments of a trainer whose bf16, with `fsdp`, is of the arithmetic within layers alone.

    By default accelerate would also sum gradients over the processes, and round losses, in bf16.
    """
    plugin: dict[str, Any] | None = getattr(given, "fsdp_plugin_args", None)
    if plugin is not None and given.bf16:
        plugin["mixed_precision_policy"] = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32
        )
    return given


def is_sharded(module: nn.Module) -> bool:
    """Whether this process holds a part of its parameters only."""
    return any(isinstance(one, DTensor) for one in module.parameters())


def local(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(trainer: Trainer) -> Any:
    """A sharded model out of its trainer, as a plain module with the adapters that it has.

    Every process has to come here. The first one gets the weights, on the CPU; the others a module
    without memory.
    """
    found = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
    weights = trainer.accelerator.get_state_dict(trainer.model)
    with torch.device("meta"):
        base = ShaktiForCausalLM(deepcopy(found.config))
        made = _adapted(base, found)
    if weights:
        made.load_state_dict(weights, assign=True)
    if base.config.tie_word_embeddings:
        base.lm_head.weight = base.model.embed_tokens.weight
    return made.eval()


def _adapted(base: ShaktiForCausalLM, like: Any) -> Any:
    """`base` with adapters as those of `like`, if it has any."""
    adapters = getattr(like, "peft_config", None)
    if adapters is None:
        return base
    (config,) = adapters.values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about peft
        return package("peft", "LoRA").get_peft_model(base, config)


def load_checkpoint(model: nn.Module, checkpoint: Path) -> None:
    """Load what was trained into a model that is not sharded. Raises OSError, and ResumeError where
    it is of another model."""
    trained = torch.load(checkpoint / WEIGHTS, map_location="cpu", weights_only=True)
    needed = {name for name, one in model.named_parameters() if one.requires_grad}
    there = set(model.state_dict())
    if not needed <= set(trained) <= there:
        raise ResumeError(
            f"{checkpoint} is of a model with other weights.", "Start over with --fresh."
        )
    model.load_state_dict(trained, strict=False)  # frozen weights are not in it

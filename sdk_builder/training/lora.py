"""Low-rank adapters on Shakti's fused matrices, and back into the weights.

An adapter of a layer ``W [out, in]`` is ``B [out, r]`` and ``A [r, in]``; the layer then computes
``W x + (alpha / r) B A x``, so that one merged matrix computes the same.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedModel, Trainer

from sdk_builder.errors import UsageError
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.rows.needs import package
from sdk_builder.training.job import Job
from sdk_builder.training.model import unwrapped
from sdk_builder.training.settings import LoraSettings

_HEAD = "lm_head"


def peft_config(settings: LoraSettings | None, model: nn.Module) -> Any:
    """A `peft.LoraConfig`; None without settings. Raises UsageError for targets that the model
    lacks, or that cannot have an adapter; MissingPackageError."""
    if settings is None:
        return None
    peft = package("peft", "LoRA")
    layers = {
        name.rpartition(".")[2] for name, one in model.named_modules() if isinstance(one, nn.Linear)
    } - {_HEAD}  # it is the embedding's matrix, or the trainers bypass it
    unknown = sorted(set(settings.targets) - layers)
    if unknown or not settings.targets:
        raise UsageError(
            f"lora.targets: no linear layer is called {unknown[0]}."
            if unknown
            else "lora.targets is empty.",
            f"The model has {', '.join(sorted(layers))}.",
        )
    return peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
    )


def add_adapters(model: ShaktiForCausalLM, settings: LoraSettings) -> Any:
    """A `peft.PeftModel` whose adapters, of which every B is 0, change nothing yet."""
    peft = package("peft", "LoRA")
    return peft.get_peft_model(model, peft_config(settings, model))


def finish(job: Job, trainer: Trainer) -> PreTrainedModel:
    """The model to save, for stages that may train adapters."""
    return merged(unwrapped(trainer))


def merged(model: Any) -> PreTrainedModel:
    """The plain model, with the adapters in its weights if it has any.

    trl and accelerate replace a model's `forward` by their own; that is undone, too.
    """
    whole: Any = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    for name in ("forward", "_original_forward"):
        whole.__dict__.pop(name, None)
    return whole

"""Settings as arguments of transformers' TrainingArguments, the same for every stage."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from transformers import TrainingArguments

from sdk_builder.errors import MissingPackageError, UsageError
from sdk_builder.training.processes import world_size
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.sharding import sharding_arguments


def accumulation(settings: StageSettings) -> int:
    """Micro batches of a process in an optimizer step. Raises UsageError."""
    at_once = settings.micro_batch_size * world_size()
    if settings.batch_size % at_once:
        raise UsageError(
            f"batch_size {settings.batch_size} is not a multiple of micro_batch_size "
            f"{settings.micro_batch_size} times {world_size()} processes.",
            f"Set batch_size to a multiple of {at_once}, or a smaller micro_batch_size.",
        )
    return settings.batch_size // at_once


def uses_bf16(settings: StageSettings) -> bool:
    """Whether the arithmetic is bf16. Raises UsageError for a GPU that has none."""
    if settings.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    wanted = settings.precision == "bf16"
    if wanted and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise UsageError("This GPU has no bf16 arithmetic.", "Set precision to fp32.")
    return wanted


def training_arguments(settings: StageSettings, steps: int | None) -> dict[str, Any]:
    """What every stage gives to TrainingArguments. steps None: by `epochs`.

    Checkpoints are kept and removed by `checkpoints.py`, so Trainer itself removes none.
    Raises UsageError, MissingPackageError.
    """
    check_tensorboard(settings)
    cuda = torch.cuda.is_available()
    on_cpu = not cuda and not torch.backends.mps.is_available()
    evaluates = settings.evaluates
    given: dict[str, Any] = {
        "output_dir": str(settings.folder),
        "per_device_train_batch_size": settings.micro_batch_size,
        "per_device_eval_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": accumulation(settings),
        "max_steps": steps or -1,
        "num_train_epochs": settings.epochs or 1.0,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": _SCHEDULES[settings.schedule],
        "warmup_steps": settings.warmup_steps,
        "weight_decay": settings.weight_decay,
        "adam_beta1": settings.adam_betas[0],
        "adam_beta2": settings.adam_betas[1],
        "max_grad_norm": settings.max_grad_norm,
        "optim": "adamw_torch_fused" if cuda else "adamw_torch",
        "bf16": uses_bf16(settings),
        "use_cpu": on_cpu,
        "torch_compile": settings.compile,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "logging_strategy": "steps",
        "logging_steps": settings.log_every,
        "logging_first_step": True,  # which compiles: its time is none of the others'
        "logging_nan_inf_filter": False,  # it would hide a loss that is none
        "save_strategy": "steps",
        "save_steps": settings.save_every,
        "save_total_limit": None,
        "eval_strategy": "steps" if evaluates else "no",
        "eval_steps": (settings.eval_every or settings.save_every) if evaluates else None,
        "report_to": ["tensorboard"] if settings.tensorboard else [],
        "disable_tqdm": True,
        "log_level": "error",
        "log_level_replica": "error",
    }
    if on_cpu and world_size() > 1:
        given["ddp_backend"] = "gloo"
    return given | sharding_arguments(settings) | _checkpointing(settings.gradient_checkpointing)


_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def _checkpointing(wanted: bool) -> dict[str, Any]:
    """transformers has renamed it; the old name warns in newer versions."""
    known = TrainingArguments.__dataclass_fields__
    name = next(
        one for one in ("activation_checkpointing", "gradient_checkpointing") if one in known
    )
    kwargs = {f"{name}_kwargs": {"use_reentrant": False}} if wanted else {}
    return {name: wanted, **kwargs}


def check_tensorboard(settings: StageSettings) -> None:
    """Raises MissingPackageError where TensorBoard is asked for and not there."""
    if settings.tensorboard and not (find_spec("tensorboard") or find_spec("tensorboardX")):
        raise MissingPackageError(
            "tensorboard: true needs the package tensorboard, which is not installed.",
            "Install it: pip install tensorboard; logs.jsonl is always written.",
        )

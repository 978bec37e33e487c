"""Distillation: the student's next-token distribution is drawn to the float model's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils import SAFE_WEIGHTS_NAME

from sdk_builder.errors import ResumeError
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.qat.student import Student

_ROWS = 2048  # positions whose logits over the vocabulary are in memory at once


class DistillTrainer(Trainer):
    """Trains a `Student` on ids alone: the loss is its divergence from the teacher, nats a token.

    The arguments' learning rate is of codes, in steps of their grid; scale_learning_rate: of
    everything else (logarithms of scales, shifts, norms, biases), which has no weight decay.
    """

    optimizer: torch.optim.Optimizer | None

    def __init__(
        self, *args: Any, teacher: ShaktiForCausalLM, scale_learning_rate: float, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.add_callback(Settle(self.model))
        self._teacher = teacher.eval().requires_grad_(False)
        self._scale_learning_rate = scale_learning_rate

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        ids = inputs["input_ids"]
        with torch.no_grad():
            wanted = self._teacher(input_ids=ids, use_cache=False).logits
        loss = divergence(model(ids), wanted)
        return (loss, {}) if return_outputs else loss

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The divergence alone; Trainer's own wants labels."""
        with torch.no_grad(), self.compute_loss_context_manager():
            loss = self.compute_loss(model, self._prepare_inputs(inputs))
        return loss.detach(), None, None

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Trainer's own, which takes what it finds and leaves the rest as it is. Raises
        ResumeError where a parameter is missing, as in runs of a version that learned others."""
        path = Path(resume_from_checkpoint) / SAFE_WEIGHTS_NAME
        with safe_open(path, framework="pt") as file:
            missing = {name for name, _ in self.model.named_parameters()} - set(file.keys())
        if missing:
            raise ResumeError(
                f"{path} has no {min(missing)}: it is of another version's run.",
                "Start over with --fresh.",
            )
        super()._load_from_checkpoint(resume_from_checkpoint, model)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = kind(list(self._groups()), **options)
        return self.optimizer

    def _groups(self) -> Iterator[dict[str, Any]]:
        codes: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            (codes if name.endswith(".code") else others).append(parameter)
        yield {"params": codes, "weight_decay": self.args.weight_decay}
        yield {"params": others, "weight_decay": 0.0, "lr": self._scale_learning_rate}


class Settle(TrainerCallback):
    """Keeps the codes of a student within their grids."""

    def __init__(self, student: Student) -> None:
        self._student = student

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        for _, grid in self._student.grids():
            grid.settle()


def divergence(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean over positions of KL(wanted || found), nats; logits ``[..., V]``."""
    rows = found.flatten(0, -2).split(_ROWS)
    goals = wanted.flatten(0, -2).split(_ROWS)
    parts = [
        checkpoint(_summed, one, goal, use_reentrant=False)
        for one, goal in zip(rows, goals, strict=True)
    ]
    return torch.stack(parts).sum() / found[..., 0].numel()


def _summed(found: Tensor, wanted: Tensor) -> Tensor:
    goal = wanted.float().log_softmax(-1)
    return F.kl_div(found.float().log_softmax(-1), goal, reduction="sum", log_target=True)

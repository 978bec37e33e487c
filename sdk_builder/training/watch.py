"""Watches a training: stops it at the first value that is no number, marks its checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sdk_builder.errors import DivergedError
from sdk_builder.training.checkpoints import keep_newest, mark, newest_intact, step_of
from sdk_builder.training.processes import is_first, wait_for_all
from sdk_builder.training.sharding import is_sharded, local


class Watch(TrainerCallback):
    """`saving`: whether the trainer is writing a checkpoint just now. `last_good`: the newest
    whole one. Put last among a trainer's callbacks: others may add to a checkpoint."""

    def __init__(self, folder: Path, keep: int, last_good: Path | None) -> None:
        self._folder, self._keep = folder, keep
        self.last_good = last_good
        self.saving = False
        self.step = 0 if last_good is None else step_of(last_good)

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Before the step, so that the weights are still good. Raises DivergedError."""
        model = kwargs["model"]
        gradients = [local(one.grad) for one in model.parameters() if one.grad is not None]
        if gradients and not _all_finite(gradients, shared=is_sharded(model)):
            raise self._diverged("gradient", state.global_step + 1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Raises DivergedError."""
        for name in ("loss", "eval_loss"):
            value = (kwargs.get("logs") or {}).get(name)
            if isinstance(value, float) and not math.isfinite(value):
                raise self._diverged(name.replace("_", " "), state.global_step)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """The last step is logged, evaluated and saved, whatever the intervals."""
        self.step = state.global_step
        if state.global_step >= state.max_steps:
            control.should_log = control.should_save = True
            control.should_evaluate = str(args.eval_strategy.value) != "no"
        self.saving = control.should_save

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """All processes have written: mark the checkpoint, then let old ones go. Raises OSError."""
        wait_for_all()
        written = self._folder / f"checkpoint-{state.global_step}"
        if is_first():
            mark(written)
            keep_newest(self._folder, self._keep)
        self.last_good = written
        self.saving = False

    def _diverged(self, what: str, step: int) -> DivergedError:
        last = newest_intact(self._folder)
        kept = f"The last good checkpoint is {last}" if last else "There is no checkpoint before it"
        return DivergedError(
            f"The {what} is not finite at step {step}: the training has diverged.",
            f"{kept}. Use a lower learning_rate, more warmup_steps, or look at the data of that "
            "step.",
        )


def _all_finite(gradients: list[torch.Tensor], *, shared: bool) -> bool:
    """One number for all, so that a GPU is waited for once. shared: of the parts that the processes
    hold, so that either all of them stop or none."""
    norms = torch.stack([one.float() for one in torch._foreach_norm(gradients)])
    finite = torch.isfinite(norms).all().to(torch.int32)
    if shared:
        torch.distributed.all_reduce(finite, torch.distributed.ReduceOp.MIN)
    return bool(finite)

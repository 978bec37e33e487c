"""What `run.py` gives the stages: all that a trainer is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from transformers import PreTrainedTokenizerBase, Trainer

from sdk_builder.log import Steps
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.data import Data
from sdk_builder.training.model import Opened
from sdk_builder.training.settings import StageSettings


@dataclass(frozen=True)
class Job:
    """One run of one stage.

    opened: the checkpoint that training began with. model: float32, in evaluation mode; bf16 is
    autocast's. tokenizer: with the checkpoint's chat template where it has one. data: records of
    the stage, a `Mixture` that ends as `settings.ending` says, None where it needs none; eval_data:
    read once. folder: OUTPUT.run, of checkpoints and logs. checkpoint: the one that training goes
    on from, None at the start. steps: where a stage shows what takes it long, and says what became
    of its data.
    """

    settings: StageSettings
    opened: Opened
    model: ShaktiForCausalLM
    tokenizer: PreTrainedTokenizerBase
    data: Data | None
    eval_data: Data | None
    folder: Path
    checkpoint: Path | None = None
    steps: Steps = field(default_factory=Steps.silent)


MakeTrainer: TypeAlias = Callable[[Job, Mapping[str, Any]], Trainer]
"""A stage module has ``make_trainer(job, arguments) -> Trainer``; `arguments` are those that all
stages give to TrainingArguments or a subclass of it. It may have

- ``finish(job, trainer) -> ShaktiForCausalLM``: the model to write (LoRA merges there);
- ``extras(job, trainer, folder)``: writes further files into the folder of the model;
- ``count_steps(settings, assets) -> int``: what `epochs` come to, where Trainer cannot tell;
- ``work(job, trainer) -> Work``: what a step does, for speeds in the log.
"""

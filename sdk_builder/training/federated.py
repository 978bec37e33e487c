"""Federated fine-tuning: clients train low-rank adapters on data that stay with them, and only the
adapters' numbers go to the server, which averages them (McMahan et al., arXiv 1602.05629).

The steps are here, in torch and without a network; `flower.py` beside it lets Flower carry them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PrinterCallback

from sdk_builder.bundle.staging import stage
from sdk_builder.errors import InputError, UsageError
from sdk_builder.log import Steps
from sdk_builder.training import lora, sft
from sdk_builder.training.arguments import training_arguments
from sdk_builder.training.inputs import open_data
from sdk_builder.training.job import Job
from sdk_builder.training.model import (
    Opened,
    dtype_of,
    load_weights,
    make_tokenizer,
    open_model,
    save_model,
)
from sdk_builder.training.settings import LoraSettings, SftSettings

Adapters = Mapping[str, Tensor]
"""Name of each adapter matrix to its values, float32."""

_A, _B = ".lora_A.", ".lora_B."


@dataclass(frozen=True)
class Update:
    """What a client sends back. examples: those that it trained on, its weight in the average;
    loss: the mean over its steps."""

    adapters: Adapters
    examples: int
    loss: float


def start_adapters(settings: SftSettings) -> dict[str, Tensor]:
    """What the first round begins with: the same for all, and changing nothing yet."""
    opened = open_model(settings)
    torch.manual_seed(settings.seed)
    return adapters_of(lora.add_adapters(load_weights(opened), _lora(settings)))


def client_round(settings: SftSettings, adapters: Adapters, folder: Path, number: int) -> Update:
    """Train on the client's own data, from `adapters` on, for `settings.steps` steps (or epochs).

    folder: the client's, for its table of token ids; number: the round's, from 1, for an order of
    the data of its own. Raises what SFT raises, and InputError for adapters of another model.
    """
    opened = open_model(settings)
    own = settings.model_copy(update={"seed": settings.seed + number})
    job = Job(
        settings=own,
        opened=opened,
        model=load_weights(opened),
        tokenizer=make_tokenizer(opened.assets),
        data=open_data(own),
        eval_data=None,
        folder=folder,
        steps=Steps.silent(),
    )
    arguments = training_arguments(own, own.steps)
    arguments |= {"output_dir": str(folder), "save_strategy": "no", "logging_strategy": "no"}
    trainer = sft.make_trainer(job, arguments)
    trainer.remove_callback(PrinterCallback)
    load_adapters(trainer.model, adapters)
    loss = trainer.train().training_loss
    return Update(adapters_of(trainer.model), len(trainer.train_dataset), loss)


def average(updates: Sequence[Update]) -> dict[str, Tensor]:
    """FedAvg: the mean of the clients' adapters, weighted by their examples.

    Note that it is the mean of A and of B, not of their products. Raises InputError for adapters
    that do not fit together or are not finite, and where no client trained on anything.
    """
    total = sum(update.examples for update in updates)
    if total <= 0:
        raise InputError("No client trained on any example: there is nothing to average.")
    first = updates[0].adapters
    for at, update in enumerate(updates, start=1):
        problem = _problem(first, update)
        if problem:
            raise InputError(f"The adapters of client {at} cannot be used: {problem}.")
    return {
        name: sum(
            (one.adapters[name].double() * (one.examples / total) for one in updates),
            torch.zeros_like(value, dtype=torch.float64),
        ).float()
        for name, value in first.items()
    }


def merge(settings: SftSettings, adapters: Adapters) -> tuple[Opened, PreTrainedModel]:
    """(the model that training began with, the same with the adapters in its weights)."""
    opened = open_model(settings)
    model = lora.add_adapters(load_weights(opened), _lora(settings))
    load_adapters(model, adapters)
    return opened, lora.merged(model)


def write_merged(settings: SftSettings, adapters: Adapters) -> None:
    """Write `settings.output`: the model with the adapters in its weights, whole or not at all.

    Raises what opening the model raises, InputError, TargetExistsError, OutputError.
    """
    opened, model = merge(settings, adapters)
    staging = stage(settings.output, "folder")
    try:
        tokenizer = make_tokenizer(opened.assets)
        save_model(model, tokenizer, opened.config, dtype_of(opened.source), staging.path)
        staging.publish(replace=False)
    finally:
        staging.discard()


def of_client(settings: SftSettings, number: int) -> SftSettings:
    """Settings of a client, numbered from 1: it knows of no data but its own."""
    if not 1 <= number <= len(settings.data):
        raise UsageError(
            f"There is no client {number}: the settings' data have {len(settings.data)} sources.",
            "Each source of data is a client's, the first is of client 1.",
        )
    return settings.model_copy(update={"data": (settings.data[number - 1],)})


def adapters_of(model: nn.Module) -> dict[str, Tensor]:
    """Copies of a PeftModel's adapter matrices, and of nothing else."""
    return {
        name: value.detach().float().cpu().clone()
        for name, value in model.named_parameters()
        if _A in name or _B in name
    }


def load_adapters(model: nn.Module, adapters: Adapters) -> None:
    """Set a PeftModel's adapter matrices. Raises InputError for those of another model."""
    own = {name: value for name, value in model.named_parameters() if _A in name or _B in name}
    if problem := _mismatch(own, adapters):
        raise InputError(f"These adapters are not the model's: {problem}.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(adapters[name])


def _problem(first: Adapters, update: Update) -> str | None:
    if problem := _mismatch(first, update.adapters):
        return problem
    if update.examples < 0 or not math.isfinite(update.loss):
        return f"{update.examples} examples, loss {update.loss}"
    bad = [name for name, value in update.adapters.items() if not value.isfinite().all()]
    return f"{bad[0]} is not finite" if bad else None


def _mismatch(wanted: Mapping[str, Any], found: Adapters) -> str | None:
    if names := sorted(set(wanted) ^ set(found)):
        return f"{names[0]} is {'missing' if names[0] in wanted else 'unknown'}"
    shapes = ((name, tuple(one.shape), tuple(found[name].shape)) for name, one in wanted.items())
    return next((f"{name} is {b}, not {a}" for name, a, b in shapes if a != b), None)


def _lora(settings: SftSettings) -> LoraSettings:
    if settings.lora is None:
        raise UsageError("Federated training needs adapters.", "Set lora in the settings.")
    return settings.lora

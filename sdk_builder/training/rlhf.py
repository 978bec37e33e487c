"""Reinforcement learning from rewards: GRPO samples several answers to each prompt and makes those
more likely that are rewarded above their average, held near the model as it was by `beta`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from transformers import Trainer

from sdk_builder.errors import UsageError
from sdk_builder.rows.needs import package
from sdk_builder.training import lora
from sdk_builder.training.conversations import Chat
from sdk_builder.training.data import Prompt
from sdk_builder.training.encoded import encode_prompt, make_tables
from sdk_builder.training.job import Job
from sdk_builder.training.policy import reference_of, without_dropout
from sdk_builder.training.private import config_class, trainer_class
from sdk_builder.training.processes import world_size
from sdk_builder.training.rewards import check_given, load_reward, load_reward_model
from sdk_builder.training.settings import RlhfSettings

_FIRST = 100  # records


finish = lora.finish


def make_trainer(job: Job, arguments: Mapping[str, Any]) -> Trainer:
    """Raises UsageError, RewardError, DataError, DataLossError, TemplateError, TokenizerError,
    MissingPackageError."""
    settings = job.settings
    assert isinstance(settings, RlhfSettings)
    check(settings)
    fields = _fields(job)
    rewards: list[Any] = [load_reward(name, fields) for name in settings.reward_functions]
    tokenizers: list[Any] = [None] * len(rewards)
    if settings.reward_model is not None:
        model, tokenizer = load_reward_model(settings.reward_model)
        rewards.append(model)
        tokenizers.append(tokenizer)
    encode = encode_prompt(Chat(job.tokenizer), settings.sequence_length, settings.max_new_tokens)
    prompts_a_step = settings.batch_size // settings.generations
    most = settings.steps * prompts_a_step if settings.steps else None
    table, eval_table = make_tables(job, encode, most=most)
    without_dropout(job.model)
    # GRPOTrainer would read its reference from the hub, by the model's name there.
    reference = reference_of(job.model) if settings.beta and not settings.lora else None
    trainer = trainer_class("GRPOTrainer")(
        model=job.model,
        reward_funcs=rewards,
        reward_processing_classes=tokenizers,
        args=config_class("GRPOConfig")(
            **arguments,
            num_generations=settings.generations,
            max_completion_length=settings.max_new_tokens,
            temperature=settings.temperature,
            beta=0.0 if reference is not None else settings.beta,
        ),
        train_dataset=table,
        eval_dataset=eval_table,
        processing_class=job.tokenizer,
        peft_config=lora.peft_config(settings.lora, job.model),
    )
    if reference is not None:
        _set_reference(trainer, reference, settings)
    return trainer


def check(settings: RlhfSettings) -> None:
    """Raises UsageError for settings that contradict each other."""
    check_given(settings.reward_functions, settings.reward_model)
    if settings.batch_size % settings.generations:
        raise UsageError(
            f"batch_size {settings.batch_size} is not a multiple of generations "
            f"{settings.generations}.",
            "It counts answers; each step needs all answers to a prompt.",
        )
    at_once = settings.micro_batch_size * world_size()
    if settings.eval_data and at_once % settings.generations:
        raise UsageError(
            f"Evaluation takes {at_once} answers at once, which is not a multiple of generations "
            f"{settings.generations}.",
            "Set micro_batch_size to a multiple of generations, or leave eval_data out.",
        )
    if settings.max_new_tokens >= settings.sequence_length:
        raise UsageError(
            f"max_new_tokens {settings.max_new_tokens} leaves no room for a prompt in "
            f"sequence_length {settings.sequence_length}."
        )


def _fields(job: Job) -> set[str]:
    """Further fields of the first records, which reward functions may ask for."""
    assert job.data is not None
    some = islice(job.data.examples(), _FIRST)
    return {key for one in some if isinstance(one.record, Prompt) for key in one.record.extra}


def _set_reference(trainer: Any, reference: Any, settings: RlhfSettings) -> None:
    fuse = getattr(package("trl.trainer.utils", "This stage"), "add_fused_lm_head", None)
    if fuse is not None:  # not in older versions, which make all logits
        fuse(reference, temperature=settings.temperature)
    trainer.ref_model = trainer.accelerator.prepare_model(reference, evaluation_mode=True)
    trainer.beta = trainer.args.beta = settings.beta

"""Supervised fine-tuning: the model learns to write the assistant's turns of conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import Trainer

from sdk_builder.training import lora
from sdk_builder.training.conversations import Chat
from sdk_builder.training.encoded import encode_conversation, make_tables
from sdk_builder.training.job import Job
from sdk_builder.training.private import config_class, trainer_class
from sdk_builder.training.settings import SftSettings
from sdk_builder.training.sharding import with_float32_sums

finish = lora.finish


def make_trainer(job: Job, arguments: Mapping[str, Any]) -> Trainer:
    """Raises DataError, DataLossError, TemplateError, TokenizerError, MissingPackageError."""
    settings = job.settings
    assert isinstance(settings, SftSettings)
    encode = encode_conversation(Chat(job.tokenizer), settings.sequence_length)
    table, eval_table = make_tables(job, encode, most=_most(settings))
    return trainer_class("SFTTrainer")(
        model=job.model,
        args=with_float32_sums(
            config_class("SFTConfig")(
                **arguments,
                max_length=settings.sequence_length,
                packing=settings.packing,
                eval_packing=False,
                # Without packing there is nothing left to prepare.
                dataset_kwargs=None if settings.packing else {"skip_prepare_dataset": True},
            )
        ),
        train_dataset=table,
        eval_dataset=eval_table,
        processing_class=job.tokenizer,
        peft_config=lora.peft_config(settings.lora, job.model),
    )


def _most(settings: SftSettings) -> int | None:
    """Conversations that the steps can use up; how many fit into packed sequences is open."""
    if settings.steps is None or settings.packing:
        return None
    return settings.steps * settings.batch_size

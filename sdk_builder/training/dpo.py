"""Direct preference optimization: of two answers the better one becomes more likely.

The reference is the model as it was before: a frozen copy, or with LoRA the model without its
adapters. The logs have trl's `rewards/margins` and `rewards/accuracies`: by how much, and for what
share of the pairs, the chosen answer is preferred, compared with the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import Trainer

from sdk_builder.errors import UsageError
from sdk_builder.training import lora
from sdk_builder.training.conversations import Chat
from sdk_builder.training.encoded import encode_preference, make_tables
from sdk_builder.training.job import Job
from sdk_builder.training.policy import reference_of, without_dropout
from sdk_builder.training.private import config_class, trainer_class
from sdk_builder.training.settings import DpoSettings
from sdk_builder.training.sharding import with_float32_sums

# trl's losses of pairs that need nothing but beta.
LOSSES = (
    "sigmoid",
    "hinge",
    "ipo",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
)


class _Encoded:
    """Pairs come as token ids; DPOTrainer, unlike SFTTrainer, would tokenize once more."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


finish = lora.finish


def make_trainer(job: Job, arguments: Mapping[str, Any]) -> Trainer:
    """Raises UsageError, DataError, DataLossError, TemplateError, TokenizerError,
    MissingPackageError."""
    settings = job.settings
    assert isinstance(settings, DpoSettings)
    if settings.loss not in LOSSES:
        raise UsageError(
            f"loss: there is no preference loss {settings.loss!r}.", f"Use {', '.join(LOSSES)}."
        )
    encode = encode_preference(Chat(job.tokenizer), settings.sequence_length)
    most = settings.steps * settings.batch_size if settings.steps else None
    table, eval_table = make_tables(job, encode, most=most)
    without_dropout(job.model)
    return trainer_class("DPOTrainer", _Encoded)(
        model=job.model,
        ref_model=None if settings.lora else reference_of(job.model),
        args=with_float32_sums(
            config_class("DPOConfig")(
                **arguments,
                max_length=settings.sequence_length,
                beta=settings.beta,
                loss_type=[settings.loss],
            )
        ),
        train_dataset=table,
        eval_dataset=eval_table,
        processing_class=job.tokenizer,
        peft_config=lora.peft_config(settings.lora, job.model),
    )

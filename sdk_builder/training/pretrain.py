"""Pre-training: the next token of packed texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    default_data_collator,
)

from sdk_builder.errors import DataError, ResumeError, TokenizerError
from sdk_builder.models.tokenizer_assets import TokenizerAssets
from sdk_builder.training.checkpoints import step_of, write_json
from sdk_builder.training.data import Data
from sdk_builder.training.flops import flops_per_token, peak_flops_per_s
from sdk_builder.training.inputs import open_data
from sdk_builder.training.job import Job
from sdk_builder.training.packing import (
    BEGINNING,
    Batch,
    Encode,
    PackedBatches,
    PackState,
    count_tokens,
    pack,
)
from sdk_builder.training.processes import is_first, rank, world_size
from sdk_builder.training.progress import Work
from sdk_builder.training.settings import PackedSettings, StageSettings
from sdk_builder.training.sharding import with_float32_sums
from sdk_builder.training.state import read_json

DATA_STATE = "data_state.json"
_ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")


def make_trainer(job: Job, arguments: Mapping[str, Any]) -> Trainer:
    """A Trainer of packed batches. Raises TokenizerError, DataError, ResumeError."""
    settings = job.settings
    assert isinstance(settings, PackedSettings)
    dataset = packed_batches(job)
    trainer = PackedTrainer(
        model=job.model,
        args=with_float32_sums(
            TrainingArguments(
                **arguments,
                ignore_data_skip=True,
                prediction_loss_only=True,
                ddp_find_unused_parameters=False,
            )
        ),
        train_dataset=dataset,
        eval_dataset=eval_sequences(job),
        data_collator=default_data_collator,
        callbacks=[SaveDataState(dataset)],
    )
    trainer.model_accepts_loss_kwargs = False  # every micro batch has as many tokens: plain means
    return trainer


def count_steps(settings: StageSettings, assets: TokenizerAssets) -> int:
    """What `epochs` come to; tokenizes all data once. Raises DataError."""
    assert settings.epochs is not None
    encode = text_encoder(Tokenizer.from_str(assets.json_text))
    total = sum(count_tokens(part.data, encode) for part in open_data(settings).parts)
    return max(1, round(settings.epochs * total / tokens_per_step(settings)))


def work(job: Job, trainer: Trainer) -> Work:
    """What a step does."""
    tokens, length = tokens_per_step(job.settings), job.settings.sequence_length
    peak = None
    if torch.cuda.is_available():
        peak = peak_flops_per_s(torch.cuda.get_device_name())
    return Work(
        tokens=tokens,
        flops=tokens * flops_per_token(job.model.config, length, causal=False),
        causal_flops=tokens * flops_per_token(job.model.config, length, causal=True),
        peak_flops_per_s=None if peak is None else peak * world_size(),
    )


def tokens_per_step(settings: StageSettings) -> int:
    """Over all processes."""
    return settings.batch_size * settings.sequence_length


class PackedTrainer(Trainer):
    """A Trainer whose dataset makes its own micro batches, and whose model gives the loss alone."""

    # Both loaders have a generator of their own, since a loader draws from one when it starts: from
    # the global one, that would shift dropout's numbers in a run that goes on or is evaluated.

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Shared out among the processes by accelerate."""
        return self.accelerator.prepare(
            DataLoader(
                self.eval_dataset if eval_dataset is None else eval_dataset,
                batch_size=self.args.eval_batch_size,
                collate_fn=self.data_collator,
                generator=torch.Generator(),
            )
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Not prepared by accelerate, which would share the batches out again."""
        return DataLoader(
            self.train_dataset,
            batch_size=None,
            generator=torch.Generator(),
            pin_memory=torch.cuda.is_available(),
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The mean over a micro batch."""
        outputs = model(**inputs, loss_only=True)
        return (outputs.loss, outputs) if return_outputs else outputs.loss


class SaveDataState(TrainerCallback):
    """Adds to a checkpoint how far the data was consumed by the steps that were made."""

    def __init__(self, dataset: PackedBatches) -> None:
        self._dataset = dataset

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Raises OSError."""
        found = self._dataset.state_after(state.global_step)
        if is_first():
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_json(folder / DATA_STATE, found.as_dict())


def read_state(checkpoint: Path) -> PackState:
    """Raises ResumeError."""
    try:
        return PackState.from_dict(read_json(checkpoint / DATA_STATE))
    except (OSError, ValueError) as error:
        raise ResumeError(
            f"{checkpoint} does not say how far the data was read.", "Start over with --fresh."
        ) from error


def packed_batches(job: Job) -> PackedBatches:
    """This process's micro batches, from where the job goes on. Raises TokenizerError,
    ResumeError."""
    settings, start, first = job.settings, BEGINNING, 0
    if job.checkpoint is not None:
        start, first = read_state(job.checkpoint), step_of(job.checkpoint)
    assert job.data is not None
    return PackedBatches(
        packed(job.data, settings, text_encoder(job.tokenizer.backend_tokenizer), end_of_text(job)),
        micro=settings.micro_batch_size,
        processes=world_size(),
        process=rank(),
        start=start,
        first=first,
    )


def packed(
    data: Data, settings: StageSettings, encode: Encode, end: int
) -> Callable[[PackState], Iterator[Batch]]:
    """The batches of a run from any state on."""

    def batches(start: PackState) -> Iterator[Batch]:
        return pack(data, encode, end, settings.sequence_length, settings.batch_size, start)

    return batches


def eval_sequences(job: Job) -> list[dict[str, Tensor]] | None:
    """The first sequences of the evaluation's data. Raises DataError where there are none."""
    if job.eval_data is None:
        return None
    settings = job.settings
    assert isinstance(settings, PackedSettings)
    encode, end = text_encoder(job.tokenizer.backend_tokenizer), end_of_text(job)
    batches = pack(job.eval_data, encode, end, settings.sequence_length, 1)
    found = [batch.tokens[0] for batch in islice(batches, settings.eval_sequences)]
    if not found:
        raise DataError(
            f"eval_data has fewer tokens than one sequence of {settings.sequence_length}.",
            "Give more of it, or a smaller sequence_length.",
        )
    # In whole micro batches: a smaller one would be compiled for itself.
    at_once = settings.micro_batch_size * world_size()
    whole = len(found) - len(found) % at_once or len(found)
    return [{"input_ids": one, "labels": one} for one in found[:whole]]


def text_encoder(tokenizer: Tokenizer) -> Encode:
    """Texts to ids, on all cores and without special tokens."""
    return lambda texts: [
        one.ids for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ]


def end_of_text(job: Job) -> int:
    """The token after each text. Raises TokenizerError."""
    assert isinstance(job.settings, PackedSettings)
    tokenizer, asked = job.tokenizer, job.settings.end_of_text
    vocabulary = tokenizer.get_vocab()
    if asked is not None and asked not in vocabulary:
        raise TokenizerError(
            f"end_of_text {asked!r} is no token of the tokenizer.", "Name one of its tokens."
        )
    known = [one for one in (asked, *_ENDS, tokenizer.eos_token) if one in vocabulary]
    if not known:
        raise TokenizerError(
            "The tokenizer has no token that ends a text.", "Name one with end_of_text."
        )
    return int(vocabulary[known[0]])

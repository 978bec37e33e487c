"""The stage ``qat``: the float model teaches the program that it will be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments, default_data_collator

from sdk_builder.errors import MemoryShortError, OutputError, TokenizerError
from sdk_builder.models.checkpoint import load_model
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.models.tokenizer_assets import TokenizerAssets
from sdk_builder.quantization import calibration
from sdk_builder.quantization.calibration import Calibration
from sdk_builder.quantization.methods import calibrated, fingerprint, recipe_of
from sdk_builder.quantization.reference import ParameterSource
from sdk_builder.quantization.schemes import Plan, adjust, find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.quantization.store import calibrated_store
from sdk_builder.quantization.trained import save_trained
from sdk_builder.training import pretrain
from sdk_builder.training.job import Job
from sdk_builder.training.model import unwrapped
from sdk_builder.training.packing import pack
from sdk_builder.training.policy import without_dropout
from sdk_builder.training.pretrain import PackedTrainer, SaveDataState
from sdk_builder.training.processes import rank, share, wait_for_all, world_size
from sdk_builder.training.progress import Work
from sdk_builder.training.qat.distill import DistillTrainer
from sdk_builder.training.qat.samples import Writing, write_samples
from sdk_builder.training.qat.student import Student, float_weights
from sdk_builder.training.settings import QatSettings, StageSettings

SAMPLES = "samples"  # a folder within the run's
_ENDOFTEXT = "<|endoftext|>"
_TEACHER_SHARE = 4 / 3  # a forward pass besides the student's forward and backward


class PackedDistillTrainer(DistillTrainer, PackedTrainer):
    """Teaches from packed texts instead of samples."""


def make_trainer(job: Job, arguments: Mapping[str, Any]) -> Trainer:
    """A Trainer of a `Student`. Writes the samples first, which takes long.

    Raises CheckpointError, TokenizerError, DataError, ResumeError, OutputError, MemoryShortError.
    """
    settings = _settings(job)
    given = TrainingArguments(
        **_without_checkpointing(arguments),
        label_names=[],
        remove_unused_columns=False,
        prediction_loss_only=True,
        ignore_data_skip=not settings.distills_itself,
        dataloader_drop_last=settings.distills_itself,
        ddp_find_unused_parameters=False,
    )
    cuda = torch.cuda.is_available()
    teacher = load_model(job.opened.checkpoint, torch.bfloat16 if cuda else torch.float32)
    teacher = teacher.to(given.device)
    common = {
        "args": given,
        "data_collator": default_data_collator,
        "teacher": teacher,
        "scale_learning_rate": settings.scale_learning_rate,
    }
    trainer: DistillTrainer
    if settings.distills_itself:
        ids = own_texts(job, teacher)
        taught, held = ids[: -settings.held_out], ids[-settings.held_out :]
        trainer = DistillTrainer(
            model=make_student(job, taught),
            train_dataset=_examples(taught),
            eval_dataset=_examples(held) if settings.evaluates else None,
            **common,
        )
    else:
        batches = pretrain.packed_batches(job)
        trainer = PackedDistillTrainer(
            model=make_student(job, _first_texts(job)),
            train_dataset=batches,
            eval_dataset=pretrain.eval_sequences(job),
            callbacks=[SaveDataState(batches)],
            **common,
        )
    if settings.compile:
        teacher.compile()
    trainer.model_accepts_loss_kwargs = False  # every micro batch has as many tokens: plain means
    return trainer


def count_steps(settings: StageSettings, assets: TokenizerAssets) -> int:
    """What `epochs` come to. Raises DataError."""
    assert isinstance(settings, QatSettings)
    if not settings.distills_itself:
        return pretrain.count_steps(settings, assets)
    assert settings.epochs is not None
    count = settings.samples - settings.held_out
    return max(1, round(settings.epochs * count / settings.batch_size))


def work(job: Job, trainer: Trainer) -> Work:
    """What a step does, the teacher's part of it included."""
    found = pretrain.work(job, trainer)
    assert found.flops is not None
    assert found.causal_flops is not None
    return replace(
        found,
        flops=_TEACHER_SHARE * found.flops,
        causal_flops=_TEACHER_SHARE * found.causal_flops,
    )


def finish(job: Job, trainer: Trainer) -> ShaktiForCausalLM:
    """The float model whose weights are exactly what the program computes with."""
    weights = float_weights(student_of(trainer).tensors())
    return load_model(_Weights(job.opened.config, weights))


def extras(job: Job, trainer: Trainer, folder: Path) -> None:
    """Writes the integers and their grids beside the weights. Raises OSError."""
    student = student_of(trainer)
    save_trained(folder, student.tensors(), student.plan)


def student_of(trainer: Trainer) -> Student:
    """The student, out of what compiled it or spread it over processes."""
    found = unwrapped(trainer)
    assert isinstance(found, Student)
    return found


def make_student(job: Job, texts: Tensor) -> Student:
    """The student at its start; calibrated on some of `texts`. A run that goes on takes all of it
    from its checkpoint. Raises CheckpointError, OutputError."""
    settings, model = _settings(job), job.model
    without_dropout(model)  # the teacher has none, and a dropped-out student never reaches it
    model.config.use_cache = False
    if settings.gradient_checkpointing:
        # transformers has renamed it; the old name warns in newer versions.
        names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
        enable = next(getattr(model, one) for one in names if hasattr(model, one))
        enable({"use_reentrant": False})
    plan = plan_of(settings, job.opened.config)
    if settings.start == "rounding" or job.checkpoint is not None:
        return Student(model, plan, QuantizedSource(job.opened.checkpoint, plan))
    smooths = bool(recipe_of(settings.quant).smoothing)
    start = share(lambda: _calibrated(job, plan, texts))
    return Student(model, plan, start, keep_weights=not smooths)


def plan_of(settings: QatSettings, config: ShaktiConfig) -> Plan:
    """The format of each tensor, as `export` with the same options has it."""
    options = settings.quant_options
    scheme = adjust(find_scheme(settings.quant), options)
    return plan_formats(scheme, parameter_shapes(config), embedding=options.embedding)


def own_texts(job: Job, model: ShaktiForCausalLM) -> Tensor:
    """Samples ``[N, T]``, kept in the run's folder; each process writes its share of them.

    Raises TokenizerError, OutputError, MemoryShortError.
    """
    settings, folder = _settings(job), job.folder / SAMPLES
    writing = Writing(
        count=settings.samples,
        length=settings.sequence_length,
        batch=min(settings.write_batch, settings.samples),
        temperature=settings.temperature,
        first=first_tokens(job),
        seed=settings.seed,
    )
    key = fingerprint(job.opened.checkpoint)
    try:
        with job.steps.step(f"Writing {writing.count} texts to teach from") as step:
            mine = (rank(), world_size())
            write_samples(
                model, writing, folder, fingerprint=key, part=mine, progress=step.progress
            )
            wait_for_all()
            ids = write_samples(model, writing, folder, fingerprint=key)
            step.result(f"The model wrote {len(ids)} texts of {writing.length} tokens")
    except torch.OutOfMemoryError as error:
        raise MemoryShortError(
            f"Out of memory while writing {writing.batch} texts at once.",
            "Reduce write_batch; what is written is kept for as long as it stays the same.",
        ) from error
    except OSError as error:
        raise _not_kept(folder, error) from error
    return ids


def first_tokens(job: Job) -> tuple[int, ...]:
    """Ids that samples begin with. Raises TokenizerError."""
    tokenizer, asked = job.tokenizer, _settings(job).begin
    vocabulary = tokenizer.get_vocab()
    for token in asked:
        if token not in vocabulary:
            raise TokenizerError(
                f"begin: {token!r} is no token of the tokenizer.", "Name some of its tokens."
            )
    known = [one for one in (tokenizer.bos_token, _ENDOFTEXT) if one in vocabulary]
    names = asked or known[:1] or [tokenizer.eos_token]
    if names[0] is None:
        raise TokenizerError(
            "The tokenizer has no token that begins a text.", "Name one with begin."
        )
    return tuple(sorted({int(vocabulary[one]) for one in names}))


@dataclass(frozen=True)
class _Weights:
    """A model's weights as a checkpoint has them."""

    config: ShaktiConfig
    weights: Mapping[str, Tensor]

    def names(self) -> list[str]:
        return list(parameter_shapes(self.config))

    def tensor(self, name: str) -> Tensor:
        return self.weights[name]


def _examples(ids: Tensor) -> list[dict[str, Tensor]]:
    """A row of ``[N, T]`` each."""
    return [{"input_ids": one} for one in ids]


def _calibrated(job: Job, plan: Plan, texts: Tensor) -> ParameterSource:
    some = texts[: calibration.SEQUENCES, : calibration.LENGTH].contiguous()
    store = calibrated_store()
    recipe = recipe_of(_settings(job).quant)
    try:
        with job.steps.step("Calibrating the values to begin with") as step:
            return calibrated(
                job.opened.checkpoint, plan, Calibration(some, "self"), recipe, store, step.progress
            )
    except OSError as error:
        raise _not_kept(store.folder, error) from error


def _first_texts(job: Job) -> Tensor:
    """The first packed sequences of the data, ``[N, T]``."""
    assert job.data is not None
    encode = pretrain.text_encoder(job.tokenizer.backend_tokenizer)
    length = _settings(job).sequence_length
    batches = pack(job.data, encode, pretrain.end_of_text(job), length, 1)
    found: Iterator[Tensor] = (one.tokens for one in islice(batches, calibration.SEQUENCES))
    return torch.cat(list(found))


def _without_checkpointing(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Trainer asks the outermost module for it, which the student is; see `make_student`."""
    return {
        name: value
        for name, value in arguments.items()
        if not name.startswith(("activation_checkpointing", "gradient_checkpointing"))
    }


def _settings(job: Job) -> QatSettings:
    assert isinstance(job.settings, QatSettings)
    return job.settings


def _not_kept(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot keep files in {folder}: {error.strerror or error}.",
        "Free some space there, then run the same command again.",
    )

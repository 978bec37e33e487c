"""The procedure that all stages share: plan, open, train or go on, finish, write.

    trained = train(load_settings("pretrain", Path("config.yaml")), Steps())

Under torchrun or accelerate every process runs it; the first one alone shows and writes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerState
from transformers import logging as transformers_logging

from sdk_builder.errors import TargetExistsError, UsageError
from sdk_builder.log import Step, Steps
from sdk_builder.training.arguments import accumulation, training_arguments, uses_bf16
from sdk_builder.training.checkpoints import step_of
from sdk_builder.training.data import DataReport
from sdk_builder.training.failures import explained
from sdk_builder.training.inputs import look_at, open_data, open_eval_data
from sdk_builder.training.job import Job
from sdk_builder.training.memory import MemoryPlan, plan_memory
from sdk_builder.training.model import Opened, load_weights, make_tokenizer, open_model
from sdk_builder.training.processes import is_first, meet, share, wait_for_all, world_size
from sdk_builder.training.progress import LOG, Progress, Work
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.state import open_run
from sdk_builder.training.watch import Watch
from sdk_builder.training.write import Trained, write_trained


@dataclass(frozen=True)
class Plan:
    """What a run will do, before it does it. steps None: as `epochs` and the data come to."""

    settings: StageSettings
    opened: Opened
    parameters: int
    memory: MemoryPlan
    data: tuple[DataReport, ...]
    steps: int | None
    processes: int
    bf16: bool

    @property
    def tokens_per_step(self) -> int:
        """At most; sequences of conversations are shorter."""
        return self.settings.batch_size * self.settings.sequence_length


def make_plan(settings: StageSettings, steps: Steps) -> Plan:
    """Look at everything that can be wrong, without loading weights.

    Raises UsageError, UnknownModelError, CheckpointError, TokenizerError, DataError, and what
    `stage_module` raises; not MemoryShortError, which is `plan.memory.require`.
    """
    from sdk_builder.models.presets import parameter_count

    module = stage_module(settings.stage)
    accumulation(settings)
    with steps.step(f"Opening {settings.model}") as step:
        opened = open_model(settings)
        parameters = parameter_count(opened.config.to_dict())
        step.result(f"Opened {settings.model}: {parameters / 1e6:.1f} M parameters")
    _require_context(settings, opened)
    bf16 = uses_bf16(settings)
    memory = plan_memory(opened.config, settings, bf16=bf16)
    with steps.step("Looking at the data") as step:
        reports = look_at(settings.data, settings)
        if settings.eval_data:
            look_at(settings.eval_data, settings)
        step.result(f"Looked at the data: {'; '.join(one.summary() for one in reports)}")
    count = settings.steps
    if count is None and hasattr(module, "count_steps"):
        with steps.step("Counting the data's tokens") as step:
            count = module.count_steps(settings, opened.assets)
            step.result(f"{settings.epochs:g} epochs are {count} steps")
    return Plan(settings, opened, parameters, memory, reports, count, world_size(), bf16)


def train(settings: StageSettings, steps: Steps, *, resume: bool = True) -> Trained:
    """Train as the settings say, and write the model to `settings.output`.

    resume: go on from the newest whole checkpoint in `settings.folder`, if there is one; else
    start over. Raises ShaktiError; TargetExistsError where the model is there already.
    """
    started = time.perf_counter()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    _require_new(settings, resume)
    plan = make_plan(settings, steps)
    plan.memory.require(settings)
    module = stage_module(settings.stage)
    arguments = training_arguments(settings, plan.steps)
    meet(arguments)
    checkpoint = share(lambda: open_run(settings, steps, resume=resume))
    with steps.step("Loading the weights"):
        job = make_job(plan, checkpoint, steps)
        trainer = module.make_trainer(job, arguments)
    work = module.work(job, trainer) if hasattr(module, "work") else Work()
    title = "Training" if checkpoint is None else f"Training from step {step_of(checkpoint)}"
    with steps.step(title) as step:
        run_trainer(job, trainer, work, step, steps)
        step.result(f"Trained {trainer.state.global_step} steps")
    wait_for_all()
    finish = getattr(module, "finish", None)
    model = (
        finish(job, trainer)
        if finish
        else trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
    )
    with steps.step(f"Writing {settings.output}") as step:
        trained = write_trained(
            plan.opened, job, trainer.state, model, work, plan.data, replace=not resume,
            duration_s=time.perf_counter() - started,
        )  # fmt: skip
        step.result(f"Wrote {settings.output}")
    wait_for_all()
    return trained


def stage_module(stage: str) -> ModuleType:
    """The module of a stage, imported now. Raises UsageError for one that is not there."""
    name = f"sdk_builder.training.{stage}"
    if find_spec(name) is None:
        raise UsageError(f"This shakti-sdk has no training stage {stage}.")
    return import_module(name)


def make_job(plan: Plan, checkpoint: Path | None, steps: Steps) -> Job:
    """Load what the trainer needs. Raises CheckpointError, DataError."""
    return Job(
        settings=plan.settings,
        model=load_weights(plan.opened),
        tokenizer=make_tokenizer(plan.opened.assets),
        data=open_data(plan.settings),
        eval_data=open_eval_data(plan.settings),
        folder=plan.settings.folder,
        checkpoint=checkpoint,
        steps=steps,
    )


def run_trainer(job: Job, trainer: Trainer, work: Work, step: Step, steps: Steps) -> None:
    """Train to the end, from the job's checkpoint if it has one. Raises ShaktiError."""
    settings, checkpoint = job.settings, job.checkpoint
    watch = Watch(job.folder, settings.keep_checkpoints, checkpoint)
    for chatty in (PrinterCallback, ProgressCallback):  # they print to stdout
        trainer.remove_callback(chatty)
    if is_first():
        resumed = 0 if checkpoint is None else step_of(checkpoint)
        trainer.add_callback(Progress(job.folder / LOG, step, steps, work, resumed))
    trainer.add_callback(watch)
    with explained(job.folder, watch):
        if checkpoint is not None and _is_complete(checkpoint):
            # All steps were made, only the result was not written: Trainer would make one more.
            trainer._load_from_checkpoint(str(checkpoint))
            trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        else:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def _is_complete(checkpoint: Path) -> bool:
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state.global_step >= state.max_steps


def _require_new(settings: StageSettings, resume: bool) -> None:
    if resume and settings.output.exists():
        raise TargetExistsError(
            f"{settings.output} already exists.", "Choose another output, or replace it: --fresh."
        )


def _require_context(settings: StageSettings, opened: Opened) -> None:
    most = opened.config.max_position_embeddings
    if settings.sequence_length > most:
        raise UsageError(
            f"sequence_length {settings.sequence_length} is more than the model's context of "
            f"{most}.",
            f"Set sequence_length to {most} or less.",
        )


def describe_plan(plan: Plan) -> Mapping[str, Any]:
    """For JSON and --plan."""
    settings = plan.settings
    return {
        "stage": settings.stage,
        "model": settings.model,
        "output": str(settings.output),
        "parameters": plan.parameters,
        "steps": plan.steps,
        "epochs": settings.epochs,
        "processes": plan.processes,
        "accumulation": accumulation(settings),
        "tokens_per_step": plan.tokens_per_step,
        "tokens": None if plan.steps is None else plan.steps * plan.tokens_per_step,
        "precision": "bf16" if plan.bf16 else "fp32",
        "memory": plan.memory.as_document(),
        "data": [one.as_dict() for one in plan.data],
    }

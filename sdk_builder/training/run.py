"""The procedure that all stages share: plan, open, train or go on, finish, write.

    trained = train(load_settings("pretrain", Path("config.yaml")), Steps())

Under torchrun or accelerate every process runs it; the first one alone shows and writes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerState
from transformers import logging as transformers_logging

from sdk_builder.errors import TargetExistsError
from sdk_builder.log import Step, Steps
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.arguments import training_arguments
from sdk_builder.training.checkpoints import step_of
from sdk_builder.training.claim import Claim
from sdk_builder.training.failures import explained
from sdk_builder.training.inputs import local_files, open_data, open_eval_data
from sdk_builder.training.job import Job
from sdk_builder.training.model import load_weights, make_tokenizer, unwrapped
from sdk_builder.training.plan import Plan, make_plan, stage_module
from sdk_builder.training.processes import is_first, meet, part, share, wait_for_all
from sdk_builder.training.progress import LOG, Progress, Work
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.sharding import load_checkpoint
from sdk_builder.training.state import open_run
from sdk_builder.training.watch import Watch
from sdk_builder.training.write import Trained, write_trained


@dataclass(frozen=True)
class Begun:
    """A run before its weights are loaded. arguments: those that all stages give to their trainer;
    checkpoint: to go on from, None at the start; started: of `time.perf_counter`; claim: on the
    run's folder, which `end` releases."""

    plan: Plan
    arguments: Mapping[str, Any]
    checkpoint: Path | None
    started: float
    replace: bool
    claim: Claim


def train(settings: StageSettings, steps: Steps, *, resume: bool = True) -> Trained:
    """Train as the settings say, and write the model to `settings.output`.

    resume: go on from the newest whole checkpoint in `settings.folder`, if there is one; else
    start over. Raises ShaktiError; TargetExistsError where the model is there already.
    """
    begun = begin(settings, steps, resume=resume)
    try:
        return _run(begun, steps)
    finally:
        begun.claim.release()


def _run(begun: Begun, steps: Steps) -> Trained:
    module = stage_module(begun.plan.settings.stage)
    with steps.step("Loading the weights"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers and trl, about themselves
        job = make_job(begun, steps)
        trainer = module.make_trainer(job, begun.arguments)
    work = module.work(job, trainer) if hasattr(module, "work") else Work()
    run_trainer(job, trainer, work, steps)
    model = module.finish(job, trainer) if hasattr(module, "finish") else unwrapped(trainer)
    extras = partial(module.extras, job, trainer) if hasattr(module, "extras") else None
    return end(begun, job, trainer, model, steps, work, extras)


def begin(settings: StageSettings, steps: Steps, *, resume: bool = True) -> Begun:
    """Look at all that can be wrong, let the processes know of each other, make the run's folder
    ready. Raises ShaktiError."""
    started = time.perf_counter()
    require_new(settings, resume=resume)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    plan = make_plan(settings, steps)
    settings = plan.settings
    plan.memory.require(settings)
    arguments = training_arguments(settings, plan.steps)
    meet(arguments)
    claim = Claim(settings.folder)
    share(claim.take)
    try:
        checkpoint = share(
            lambda: open_run(settings, steps, resume=resume, files=local_files(settings))
        )
    except BaseException:
        claim.release()
        raise
    return Begun(plan, arguments, checkpoint, started, not resume, claim)


def make_job(begun: Begun, steps: Steps) -> Job:
    """Load what the trainer needs. Raises CheckpointError, DataError."""
    plan = begun.plan
    return Job(
        settings=plan.settings,
        opened=plan.opened,
        model=load_weights(plan.opened),
        tokenizer=make_tokenizer(plan.opened.assets),
        data=open_data(plan.settings) if plan.settings.data else None,
        eval_data=open_eval_data(plan.settings),
        folder=plan.settings.folder,
        checkpoint=begun.checkpoint,
        steps=steps,
    )


def end(
    begun: Begun,
    job: Job,
    trainer: Trainer,
    model: ShaktiForCausalLM,
    steps: Steps,
    work: Work | None = None,
    extras: Callable[[Path], None] | None = None,
) -> Trained:
    """Write `model`, with what `extras` writes beside it, and part the processes. Raises
    OutputError."""
    trained = write_trained(
        begun.plan,
        job,
        trainer.state,
        model,
        work or Work(),
        steps,
        replace=begun.replace,
        duration_s=time.perf_counter() - begun.started,
        extras=extras,
    )
    wait_for_all()
    begun.claim.release()
    part()
    return trained


def run_trainer(job: Job, trainer: Trainer, work: Work, steps: Steps) -> None:
    """Train to the end, from the job's checkpoint if it has one. Raises ShaktiError."""
    title = "Training"
    if job.checkpoint is not None:
        title += f" from step {step_of(job.checkpoint)}"
    with steps.step(title) as step:
        try:
            _train(job, trainer, work, step, steps)
        finally:
            close = getattr(trainer.train_dataset, "close", None)
            if close is not None:  # a stream that is read ahead
                close()
        step.result(f"Trained {trainer.state.global_step} steps")
    wait_for_all()


def _train(job: Job, trainer: Trainer, work: Work, step: Step, steps: Steps) -> None:
    settings, checkpoint = job.settings, job.checkpoint
    watch = Watch(job.folder, settings.keep_checkpoints, checkpoint)
    for chatty in (PrinterCallback, ProgressCallback):  # they print to stdout
        trainer.remove_callback(chatty)
    if is_first():
        resumed = 0 if checkpoint is None else step_of(checkpoint)
        trainer.add_callback(Progress(job.folder / LOG, step, steps, work, resumed))
    trainer.add_callback(watch)
    with explained(job.folder, watch), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about itself
        if checkpoint is not None and _is_complete(checkpoint):
            # All steps were made, only the result was not written: Trainer would make one more.
            if settings.fsdp:
                load_checkpoint(trainer.model, checkpoint)
            else:
                trainer._load_from_checkpoint(str(checkpoint))
            trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        else:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def _is_complete(checkpoint: Path) -> bool:
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state.global_step >= state.max_steps


def require_new(settings: StageSettings, *, resume: bool) -> None:
    """Raises TargetExistsError where the trained model is there already."""
    if resume and settings.output.exists():
        raise TargetExistsError(
            f"{settings.output} already exists.", "Choose another output, or replace it: --fresh."
        )

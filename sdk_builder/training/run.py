"""The procedure that all stages share: plan, open, train or go on, finish, write.

    trained = train(load_settings("pretrain", Path("config.yaml")), Steps())

Under torchrun or accelerate every process runs it; the first one alone shows and writes.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from pathlib import Path

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerState
from transformers import logging as transformers_logging

from sdk_builder.errors import TargetExistsError
from sdk_builder.log import Step, Steps
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.arguments import training_arguments
from sdk_builder.training.checkpoints import step_of
from sdk_builder.training.failures import explained
from sdk_builder.training.inputs import open_data, open_eval_data
from sdk_builder.training.job import Job
from sdk_builder.training.model import load_weights, make_tokenizer
from sdk_builder.training.plan import Plan, make_plan, stage_module
from sdk_builder.training.processes import is_first, meet, part, share, wait_for_all
from sdk_builder.training.progress import LOG, Progress, Work
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.state import open_run
from sdk_builder.training.watch import Watch
from sdk_builder.training.write import Trained, write_trained


def train(settings: StageSettings, steps: Steps, *, resume: bool = True) -> Trained:
    """Train as the settings say, and write the model to `settings.output`.

    resume: go on from the newest whole checkpoint in `settings.folder`, if there is one; else
    start over. Raises ShaktiError; TargetExistsError where the model is there already.
    """
    started = time.perf_counter()
    require_new(settings, resume=resume)
    plan = make_plan(settings, steps)
    plan.memory.require(settings)
    module = stage_module(settings.stage)
    arguments = training_arguments(settings, plan.steps)
    meet(arguments)
    checkpoint = share(lambda: open_run(settings, steps, resume=resume))
    with steps.step("Loading the weights"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers and trl, about themselves
        job = make_job(plan, checkpoint, steps)
        trainer = module.make_trainer(job, arguments)
    work = module.work(job, trainer) if hasattr(module, "work") else Work()
    run_trainer(job, trainer, work, steps)
    model = module.finish(job, trainer) if hasattr(module, "finish") else unwrapped(trainer)
    extras = partial(module.extras, job, trainer) if hasattr(module, "extras") else None
    trained = write_trained(plan, job, trainer.state, model, work, steps, replace=not resume,
                            duration_s=time.perf_counter() - started, extras=extras)  # fmt: skip
    wait_for_all()
    part()
    return trained


def make_job(plan: Plan, checkpoint: Path | None, steps: Steps | None = None) -> Job:
    """Load what the trainer needs. Raises CheckpointError, DataError."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    return Job(
        settings=plan.settings,
        opened=plan.opened,
        model=load_weights(plan.opened),
        tokenizer=make_tokenizer(plan.opened.assets),
        data=open_data(plan.settings) if plan.settings.data else None,
        eval_data=open_eval_data(plan.settings),
        folder=plan.settings.folder,
        checkpoint=checkpoint,
        steps=steps or Steps.silent(),
    )


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
            trainer._load_from_checkpoint(str(checkpoint))
            trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        else:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def _is_complete(checkpoint: Path) -> bool:
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state.global_step >= state.max_steps


def unwrapped(trainer: Trainer) -> ShaktiForCausalLM:
    """The model itself, out of what compiled it or spread it over processes."""
    model: ShaktiForCausalLM = trainer.accelerator.unwrap_model(
        trainer.model, keep_torch_compile=False
    )
    return model


def require_new(settings: StageSettings, *, resume: bool) -> None:
    """Raises TargetExistsError where the trained model is there already."""
    if resume and settings.output.exists():
        raise TargetExistsError(
            f"{settings.output} already exists.", "Choose another output, or replace it: --fresh."
        )

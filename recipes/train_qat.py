"""Quantization-aware training, spelled out: settings -> plan -> samples and student -> a folder
whose q4 (or q5, q8) export has exactly the integers that were learned.

    python recipes/train_qat.py recipes/configs/train/qat-cpu.yaml [KEY=VALUE ...]
    torchrun --nproc-per-node 8 recipes/train_qat.py CONFIG

`shakti-sdk train qat` does the same; this is the place to read, copy and change. The same command
again goes on from the newest whole checkpoint, and from the samples that are written already.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from sdk_builder.log import Steps
from sdk_builder.training import qat
from sdk_builder.training.arguments import training_arguments
from sdk_builder.training.plan import make_plan
from sdk_builder.training.processes import is_first, meet, share
from sdk_builder.training.run import make_job, require_new, run_trainer
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.state import open_run
from sdk_builder.training.write import Trained, write_trained


def train(settings: StageSettings, steps: Steps) -> Trained:
    started = time.perf_counter()
    require_new(settings, resume=True)
    plan = make_plan(settings, steps)
    plan.memory.require(settings)
    arguments = training_arguments(settings, plan.steps)
    meet(arguments)  # from here on the processes know of each other
    checkpoint = share(lambda: open_run(settings, steps, resume=True))
    job = make_job(plan, checkpoint, steps)
    trainer = qat.make_trainer(job, arguments)  # the model writes its texts, then is calibrated
    work = qat.work(job, trainer)
    run_trainer(job, trainer, work, steps)
    return write_trained(
        plan, job, trainer.state, qat.finish(job, trainer), work, steps, replace=False,
        duration_s=time.perf_counter() - started,
        extras=partial(qat.extras, job, trainer),  # quantized.safetensors
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a model for its program's grids.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    settings = load_settings("qat", options.config, options.overrides)
    trained = train(settings, Steps() if is_first() else Steps.silent())
    if is_first():
        print(
            f"Divergence {trained.final_loss} nats a token. "
            f"Next: shakti-sdk export {trained.folder} --quant {trained.quant}"
        )


if __name__ == "__main__":
    main()

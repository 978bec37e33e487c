"""Quantization-aware training, spelled out: settings -> plan -> samples and student -> a folder
whose q4 (or q5, q8) export has exactly the integers that were learned.

    python recipes/train_qat.py recipes/configs/train/qat-cpu.yaml [KEY=VALUE ...]
    torchrun --nproc-per-node 8 recipes/train_qat.py CONFIG

`shakti-sdk train qat` does the same; this is the place to read, copy and change. The same command
again goes on from the newest whole checkpoint, and from the samples that are written already.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from sdk_builder.log import Steps
from sdk_builder.training import qat
from sdk_builder.training.processes import is_first
from sdk_builder.training.run import begin, end, make_job, run_trainer
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.write import Trained


def train(settings: StageSettings, steps: Steps) -> Trained:
    begun = begin(settings, steps)  # plan, memory, data; the checkpoint to go on from
    job = make_job(begun, steps)
    # The model writes its texts, then is calibrated.
    trainer = qat.make_trainer(job, begun.arguments)
    work = qat.work(job, trainer)
    run_trainer(job, trainer, work, steps)
    model = qat.finish(job, trainer)
    extras = partial(qat.extras, job, trainer)  # quantized.safetensors
    return end(begun, job, trainer, model, steps, work, extras)


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

"""Supervised fine-tuning, spelled out: settings -> plan -> conversations and trainer -> a folder to
export.

    python recipes/train_sft.py recipes/configs/train/sft-cpu.yaml [KEY=VALUE ...]
    torchrun --nproc-per-node 8 recipes/train_sft.py CONFIG

`shakti-sdk train sft` does the same; this is the place to read, copy and change. The same command
again goes on from the newest whole checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sdk_builder.log import Steps
from sdk_builder.training import sft
from sdk_builder.training.processes import is_first
from sdk_builder.training.progress import Work
from sdk_builder.training.run import begin, end, make_job, run_trainer
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.write import Trained


def train(settings: StageSettings, steps: Steps) -> Trained:
    begun = begin(settings, steps)  # plan, memory, data; the checkpoint to go on from
    job = make_job(begun, steps)
    trainer = sft.make_trainer(job, begun.arguments)  # trl's SFTTrainer on the answers' tokens
    run_trainer(job, trainer, Work(), steps)
    model = sft.finish(job, trainer)  # with LoRA: adapters merged
    return end(begun, job, trainer, model, steps)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Fine-tune a model on conversations as its config says."
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    settings = load_settings("sft", options.config, options.overrides)
    trained = train(settings, Steps() if is_first() else Steps.silent())
    if is_first():
        print(f"Loss {trained.final_loss}. Next: shakti-sdk export {trained.folder} --quant q4")


if __name__ == "__main__":
    main()

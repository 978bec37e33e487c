"""Rewards, spelled out: settings -> plan -> prompts, rewards and trainer -> a folder to export.

    python recipes/train_rlhf.py recipes/configs/train/rlhf-cpu.yaml [KEY=VALUE ...]
    torchrun --nproc-per-node 8 recipes/train_rlhf.py CONFIG

`shakti-sdk train rlhf` does the same; this is the place to read, copy and change. The same command
again goes on from the newest whole checkpoint. Reward functions of the working folder
are found: run from where they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sdk_builder.log import Steps
from sdk_builder.training import rlhf
from sdk_builder.training.processes import is_first
from sdk_builder.training.progress import Work
from sdk_builder.training.run import begin, end, make_job, run_trainer
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.write import Trained


def train(settings: StageSettings, steps: Steps) -> Trained:
    begun = begin(settings, steps)  # plan, memory, data; the checkpoint to go on from
    job = make_job(begun, steps)
    trainer = rlhf.make_trainer(job, begun.arguments)  # trl's GRPOTrainer, with the rewards
    run_trainer(job, trainer, Work(), steps)
    model = rlhf.finish(job, trainer)  # with LoRA: adapters merged
    return end(begun, job, trainer, model, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a model on rewards as its config says.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    settings = load_settings("rlhf", options.config, options.overrides)
    trained = train(settings, Steps() if is_first() else Steps.silent())
    if is_first():
        print(f"Loss {trained.final_loss}. Next: shakti-sdk export {trained.folder} --quant q4")


if __name__ == "__main__":
    main()

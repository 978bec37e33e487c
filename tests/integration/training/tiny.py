"""A tiny Shakti and a few texts, which trains in fractions of a second a step."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sdk_builder.log import Steps
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.progress import LOG, read_log
from sdk_builder.training.run import train
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.write import Trained
from tests.integration.pipeline.tiny import save_tokenizer

ROOT = Path(__file__).parents[3]
VOCABULARY = 320
CONTEXT = 128
SENTENCE = "the quick brown fox jumps over a lazy dog while seven wizards brew under moonlight"
WORDS = SENTENCE.split()


def save_model(folder: Path, **changes: Any) -> Path:
    """Two layers with dropout, seeded, with a tokenizer of bytes."""
    values: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "hidden_dropout": 0.1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    torch.manual_seed(0)
    ShaktiForCausalLM(ShaktiConfig(**{**values, **changes})).save_pretrained(folder)
    return save_tokenizer(folder, VOCABULARY)


def save_texts(path: Path, count: int = 60, seed: int = 0) -> Path:
    draw = random.Random(seed)
    texts = (" ".join(draw.choices(WORDS, k=draw.randint(5, 40))) for _ in range(count))
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    path.write_text(rows, encoding="utf-8")
    return path


def overrides(folder: Path, name: str, *more: str) -> list[str]:
    """A run of six steps on what `folder` has, to `folder/name`; a checkpoint every two."""
    return [
        f"model={folder / 'model'}",
        f"output={folder / name}",
        f"data.0.source={folder / 'texts.jsonl'}",
        *("steps=6", "sequence_length=32", "batch_size=4", "micro_batch_size=2"),
        *("learning_rate=3e-3", "warmup_steps=2", "log_every=1", "save_every=2"),
        *more,
    ]


def settings_of(folder: Path, name: str, *more: str) -> StageSettings:
    return load_settings("pretrain", None, overrides(folder, name, *more))


def run(folder: Path, name: str, *more: str, resume: bool = True) -> Trained:
    return train(settings_of(folder, name, *more), Steps.silent(), resume=resume)


def losses(folder: Path, name: str, event: str = "train") -> dict[int, float]:
    """Loss by step, from the run's log."""
    events = read_log(folder / f"{name}.run" / LOG)
    return {one["step"]: one["loss"] for one in events if one["event"] == event}


def command(arguments: Sequence[str], launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
    """`shakti-sdk train pretrain` in a process of its own; `launcher` comes before the module."""
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "sdk_builder", "train", "pretrain", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

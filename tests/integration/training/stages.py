"""Small data and settings for the tests of SFT, DPO and RLHF, and likelihoods computed apart."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoTokenizer

from sdk_builder.log import Steps
from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.training.run import train
from sdk_builder.training.settings import SETTINGS, StageSettings
from sdk_builder.training.write import Trained

Row = Mapping[str, Any]
Conversation = Sequence[Mapping[str, str]]


def said(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write_rows(path: Path, rows: Sequence[Row]) -> str:
    """Write JSON lines; the path as settings take it."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def settings_of(stage: str, model: Path, output: Path, source: str, **changes: Any) -> Any:
    """Six steps of four records, unless changed."""
    values: dict[str, Any] = {
        "model": str(model),
        "output": output,
        "data": [{"source": source}],
        "sequence_length": 64,
        "batch_size": 4,
        "micro_batch_size": 2,
        "steps": 6,
        "learning_rate": 1e-2,
        "warmup_steps": 0,
        "save_every": 3,
        "log_every": 1,
    }
    return SETTINGS[stage].model_validate({**values, **changes})


def run(settings: StageSettings, steps: Steps | None = None) -> Trained:
    return train(settings, steps or Steps.silent())


def load_recipe(path: Path) -> Any:
    """A recipe as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def events(settings: StageSettings, name: str = "train") -> list[dict[str, Any]]:
    """Of logs.jsonl."""
    lines = (settings.folder / "logs.jsonl").read_text(encoding="utf-8").splitlines()
    return [one for one in map(json.loads, lines) if one["event"] == name]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return found


def after_a_crash_behind_step_3(settings: StageSettings) -> None:
    """Leave of a finished run of six steps what a crash after the third one's checkpoint does."""
    shutil.rmtree(settings.output)
    shutil.rmtree(settings.folder / "checkpoint-6")


@torch.no_grad()
def answer_nll(folder: Path, conversations: Sequence[Conversation]) -> float:
    """Mean over the answers' tokens, end token included, of -log p; by plain cross entropy."""
    model = load_model(open_checkpoint(str(folder)))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    total, count = 0.0, 0
    for conversation in conversations:
        prompt = tokenizer.apply_chat_template(
            list(conversation[:-1]), tokenize=False, add_generation_prompt=True
        )
        answer = conversation[-1]["content"] + tokenizer.eos_token
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        ids = before + tokenizer(answer, add_special_tokens=False)["input_ids"]
        logits = model(torch.tensor([ids])).logits[0, len(before) - 1 : -1]
        targets = torch.tensor(ids[len(before) :])
        total += float(F.cross_entropy(logits, targets, reduction="sum"))
        count += len(targets)
    return total / count

"""Pre-training of a preset on one GPU: tokens/s and FLOPs utilization, beside a plain Trainer.

    python benchmarks/pretraining_throughput.py --text FILE --tokenizer FILE --out FOLDER
        [--model shakti-100m] [--steps 200] [--sequence-length 2048] [--batch 64] [--micro 32]

First `sdk_builder.training` trains the preset, compiled, as `shakti-sdk train pretrain` does; then
transformers' own Trainer trains a model of the same configuration with bf16 autocast, the same
batches' shape, the usual loss over all logits, and nothing compiled. FLOPs are counted as in
`sdk_builder.training.flops`. The first steps, which compile and warm up, are left out of both.
Written to FOLDER: result.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from sdk_builder.log import Steps
from sdk_builder.models import ShaktiForCausalLM, load_model, open_checkpoint
from sdk_builder.training.flops import flops_per_token, peak_flops_per_s
from sdk_builder.training.progress import read_log
from sdk_builder.training.run import train
from sdk_builder.training.settings_file import load_settings

WARM_UP, PIECE_CHARS = 20, 8000


def write_texts(path: Path, target: Path) -> None:
    """The text at `path` in documents of some 2,000 tokens, as JSON lines."""
    text = path.read_text(encoding="utf-8")
    pieces = [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]
    target.write_text("".join(json.dumps({"text": one}) + "\n" for one in pieces), encoding="utf-8")


def ours(options: argparse.Namespace, texts: Path) -> dict[str, Any]:
    """What the log of our training says, from step `WARM_UP` on."""
    output = options.out / "model"
    overrides = {
        "model": options.model, "tokenizer": options.tokenizer, "output": output,
        "data.0.source": texts, "steps": options.steps, "warmup_steps": WARM_UP,
        "sequence_length": options.sequence_length, "batch_size": options.batch,
        "micro_batch_size": options.micro, "compile": "true", "log_every": 5,
        "save_every": options.steps,
    }  # fmt: skip
    settings = load_settings("pretrain", None, [f"{key}={one}" for key, one in overrides.items()])
    torch.cuda.reset_peak_memory_stats()
    train(settings, Steps(), resume=False)
    events = [one for one in read_log(settings.folder / "logs.jsonl") if one["event"] == "train"]
    steady = [one for one in events if one["step"] > WARM_UP]
    return {
        "tokens_per_s": statistics.median(one["tokens_per_s"] for one in steady),
        "mfu": statistics.median(one["mfu"] for one in steady),
        "mfu_causal": statistics.median(one["mfu_causal"] for one in steady),
        "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
        "losses": [(one["step"], one["loss"]) for one in events],
    }


class _Random(Dataset[dict[str, torch.Tensor]]):
    def __init__(self, vocabulary: int, length: int, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self._ids = torch.randint(vocabulary, (count, length), generator=generator)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self._ids[index], "labels": self._ids[index]}


class _Clock(TrainerCallback):
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        torch.cuda.synchronize()
        self.times.append(time.perf_counter())


def plain(options: argparse.Namespace, steps: int) -> dict[str, Any]:
    """transformers' Trainer as it comes."""
    checkpoint = open_checkpoint(options.model, tokenizer=options.tokenizer)
    model: ShaktiForCausalLM = load_model(checkpoint)
    length, clock = options.sequence_length, _Clock()
    torch.cuda.reset_peak_memory_stats()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(options.out / "plain"),
            max_steps=steps,
            per_device_train_batch_size=options.micro,
            gradient_accumulation_steps=options.batch // options.micro,
            bf16=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=_Random(model.config.vocab_size, length, options.batch * 2),
        callbacks=[clock],
    )
    trainer.train()
    step_s = statistics.median(
        later - earlier for earlier, later in zip(clock.times[5:], clock.times[6:], strict=False)
    )
    tokens_per_s = options.batch * length / step_s
    peak = peak_flops_per_s(torch.cuda.get_device_name())
    found = {
        "tokens_per_s": tokens_per_s,
        "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
    }
    for name, causal in (("mfu", False), ("mfu_causal", True)):
        if peak:
            found[name] = tokens_per_s * flops_per_token(model.config, length, causal=causal) / peak
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="shakti-100m")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--sequence-length", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=64, help="sequences a step")
    parser.add_argument("--micro", type=int, default=32, help="sequences at once")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = options.out / "texts.jsonl"
    write_texts(options.text, texts)
    result = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    result["options"] = {key: str(one) for key, one in vars(options).items()}
    runs = {"ours": lambda: ours(options, texts), "plain": lambda: plain(options, 25)}
    for name, measure in runs.items():
        result[name] = measure()
        (options.out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        torch.cuda.empty_cache()
        print(name, json.dumps({k: v for k, v in result[name].items() if k != "losses"}))
    print("ours / plain:", result["ours"]["tokens_per_s"] / result["plain"]["tokens_per_s"])


if __name__ == "__main__":
    main()

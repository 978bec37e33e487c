"""What SFT and DPO through `sdk_builder.training` gain on held-out text.

    python benchmarks/training_gain.py --text FILE --out FOLDER [--model smollm2-135m]
        [--rejected sample|other] [--sft-steps 200] [--dpo-steps 100] [--lora]

Each paragraph of a UTF-8 text (Wikipedia-like, a paragraph a line) is cut in two: a conversation
asks for the second half by the first. DPO then prefers the true second half over the tuned model's
own continuation, sampled at temperature 1, or over another paragraph's half. The last tenth of the
text is never trained on; all numbers are measured on it, by plain forward passes:

- nll: nats per token of the true half and its end token, with perplexity exp(nll);
- likelihood accuracy: share of pairs whose chosen half has the higher mean log p per token, and
  likelihood margin, the mean of that difference, nats per token;
- reward accuracy and margin: of DPO's implicit reward, beta times the log ratio to the model that
  DPO started from; 0 before by definition.

Written to FOLDER: result.json, curves.svg, the two models and their logs. On one large GPU it takes
some minutes; with `--sft-steps 2 --dpo-steps 2 --held-out 4` it also runs on a CPU.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from sdk_builder.log import Steps
from sdk_builder.models import ShaktiForCausalLM, load_model, open_checkpoint
from sdk_builder.training.conversations import Chat
from sdk_builder.training.model import make_tokenizer
from sdk_builder.training.run import train
from sdk_builder.training.settings_file import load_settings

MIN_CHARS, HALF_CHARS = 400, 500
HELD_OUT_SHARE = 0.1
SEQUENCE, ANSWER = 512, 128  # tokens; the second also of sampled answers
BETA = 0.1
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Pair:
    prompt: str
    chosen: str
    rejected: str = ""


@dataclass(frozen=True)
class Likelihoods:
    """Sums of log p of the answers, nats, and their tokens; one entry a pair."""

    chosen: Tensor
    rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor


# --- data -----------------------------------------------------------------------------------


def split_text(path: Path) -> tuple[list[Pair], list[Pair]]:
    """(to train on, held out), without rejected answers yet."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = [halves(line) for line in lines if len(line) >= MIN_CHARS and not line.startswith("=")]
    border = int(len(pairs) * (1 - HELD_OUT_SHARE))
    return pairs[:border], pairs[border:]


def halves(paragraph: str) -> Pair:
    """Cut at the space nearest below the middle; both halves at most `HALF_CHARS` long."""
    text = paragraph[: 2 * HALF_CHARS]
    at = text.rindex(" ", 0, len(text) // 2 + 1)
    end = len(text) if len(text) == len(paragraph) else text.rindex(" ")
    return Pair(f"Continue this text: {text[:at]}", text[at:end].strip())


def with_others(pairs: list[Pair], seed: int) -> list[Pair]:
    """Rejected: another paragraph's second half."""
    shift = random.Random(seed).randrange(1, len(pairs))
    turned = pairs[shift:] + pairs[:shift]
    return [Pair(a.prompt, a.chosen, b.chosen) for a, b in zip(pairs, turned, strict=True)]


@torch.no_grad()
def with_samples(folder: str, pairs: list[Pair], batch: int) -> list[Pair]:
    """Rejected: what the model itself writes, as long as the chosen half at most."""
    model, chat = open_model(folder)
    tokenizer = chat.tokenizer
    torch.manual_seed(0)
    found = []
    for start in range(0, len(pairs), batch):
        some = pairs[start : start + batch]
        prompts = [chat.encode_prompt(turns(one.prompt)) for one in some]
        longest = max(map(len, prompts))
        ids = torch.tensor([[tokenizer.pad_token_id] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        written = model.generate(
            ids.to(DEVICE), attention_mask=mask.to(DEVICE), max_new_tokens=ANSWER,
            do_sample=True, temperature=1.0, top_k=0, pad_token_id=tokenizer.pad_token_id,
        )[:, longest:]  # fmt: skip
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        found += [
            Pair(one.prompt, one.chosen, text[: len(one.chosen)].strip() or "...")
            for one, text in zip(some, texts, strict=True)
        ]
    return [one for one in found if one.rejected != one.chosen]


def turns(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def write_jsonl(path: Path, pairs: list[Pair], *, preferences: bool) -> str:
    rows = [
        asdict(one) if preferences else {"prompt": one.prompt, "response": one.chosen}
        for one in pairs
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


# --- measuring ------------------------------------------------------------------------------


def open_model(model: str) -> tuple[ShaktiForCausalLM, Chat]:
    checkpoint = open_checkpoint(model)
    return load_model(checkpoint).to(DEVICE), Chat(make_tokenizer(checkpoint.tokenizer()))


@torch.no_grad()
def likelihoods(model: str, pairs: list[Pair], batch: int) -> Likelihoods:
    """Of both answers, in float32."""
    loaded, chat = open_model(model)
    rows = []
    for one in pairs:
        prompt, answers = chat.encode_answers(turns(one.prompt), (one.chosen, one.rejected or "-"))
        rows += [(len(prompt), (prompt + ids)[:SEQUENCE]) for ids in answers]
    sums, counts = [], []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        longest = max(len(ids) for _, ids in some)
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for _, ids in some], device=DEVICE)
        logits = loaded(ids[:, :-1]).logits.float()  # padding is on the right: nothing sees it
        scores = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        for row, (begin, real) in enumerate(some):
            sums.append(float(scores[row, begin - 1 : len(real) - 1].sum()))
            counts.append(len(real) - begin)
    values, tokens = torch.tensor(sums), torch.tensor(counts)
    return Likelihoods(values[::2], values[1::2], tokens[::2], tokens[1::2])


def measured(found: Likelihoods, reference: Likelihoods | None = None) -> dict[str, float]:
    """Names as in the head of this file."""
    nll = float(-found.chosen.sum() / found.chosen_tokens.sum())
    margins = found.chosen / found.chosen_tokens - found.rejected / found.rejected_tokens
    result = {
        "nll": nll,
        "perplexity": math.exp(nll),
        "likelihood_accuracy": float((margins > 0).float().mean()),
        "likelihood_margin": float(margins.mean()),
    }
    if reference is not None:
        ratio = (found.chosen - reference.chosen) - (found.rejected - reference.rejected)
        result["reward_accuracy"] = float((ratio > 0).float().mean())
        result["reward_margin"] = float(BETA * ratio.mean())
    return result


# --- training -------------------------------------------------------------------------------


def run_stage(stage: str, model: str, data: str, options: argparse.Namespace, **more: Any) -> Any:
    """The settings of a run that is done."""
    values = {
        "model": model,
        "output": options.out / stage,
        "data.0.source": data,
        "sequence_length": SEQUENCE,
        "warmup_steps": 10,
        "save_every": 100_000,
        "log_every": 2,
        "keep_checkpoints": 1,
        **({"lora.rank": 16} if options.lora else {}),
        **more,
    }
    overrides = [f"{name}={value}" for name, value in values.items()]
    settings = load_settings(stage, None, ["data=[{}]", *overrides])
    train(settings, Steps(verbosity=1), resume=False)
    return settings


def log_of(settings: Any) -> list[dict[str, Any]]:
    lines = (settings.folder / "logs.jsonl").read_text(encoding="utf-8").splitlines()
    return [one for one in map(json.loads, lines) if one["event"] == "train"]


def draw(path: Path, sft: list[dict[str, Any]], dpo: list[dict[str, Any]]) -> None:
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, log, name, title in (
        (left, sft, "loss", "SFT: loss, nats per token"),
        (middle, dpo, "rewards/margins", "DPO: reward margin"),
        (right, dpo, "rewards/accuracies", "DPO: reward accuracy"),
    ):
        axes.plot([one["step"] for one in log], [one[name] for one in log])
        axes.set(xlabel="step", title=title)
        axes.grid(alpha=0.3)
    figure.savefig(path)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gain of SFT and DPO on held-out text.")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rejected", choices=("sample", "other"), default="sample")
    parser.add_argument("--sft-steps", type=int, default=200)
    parser.add_argument("--dpo-steps", type=int, default=100)
    parser.add_argument("--sft-rate", type=float, default=5e-5)
    parser.add_argument("--dpo-rate", type=float, default=5e-6)
    parser.add_argument("--batch", type=int, default=32, help="conversations or pairs a step")
    parser.add_argument("--micro", type=int, default=16)
    parser.add_argument("--held-out", type=int, default=256, help="pairs that are measured")
    parser.add_argument("--lora", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = parse()
    started, clock = time.perf_counter(), {}
    options.out.mkdir(parents=True, exist_ok=True)
    trained_on, held_out = split_text(options.text)
    held_out = held_out[: options.held_out]
    # Small texts are seen twice at most, and each of their pairs once.
    options.sft_steps = min(options.sft_steps, math.ceil(2 * len(trained_on) / options.batch))
    options.dpo_steps = min(options.dpo_steps, max(1, len(trained_on) // options.batch))
    wanted = options.dpo_steps * options.batch
    source = random.Random(1).sample(trained_on, min(wanted, len(trained_on)))
    sizes = {"batch_size": options.batch, "micro_batch_size": options.micro}

    def lap(name: str) -> None:
        clock[name] = time.perf_counter() - started - sum(clock.values())

    data = write_jsonl(options.out / "sft.jsonl", trained_on, preferences=False)
    sft = run_stage("sft", options.model, data, options, steps=options.sft_steps,
                    learning_rate=options.sft_rate, **sizes)  # fmt: skip
    tuned = str(sft.output)
    lap("sft_s")
    if options.rejected == "sample":
        pairs = with_samples(tuned, source, 4 * options.batch)
        held_out = with_samples(tuned, held_out, 4 * options.batch)
    else:
        pairs, held_out = with_others(source, 2), with_others(held_out, 3)
    lap("rejected_s")
    data = write_jsonl(options.out / "dpo.jsonl", pairs, preferences=True)
    sizes["micro_batch_size"] = max(1, options.micro // 2)
    dpo = run_stage("dpo", tuned, data, options, steps=options.dpo_steps, beta=BETA,
                    learning_rate=options.dpo_rate, **sizes)  # fmt: skip
    lap("dpo_s")
    before, middle, after = (
        likelihoods(one, held_out, options.micro) for one in (options.model, tuned, str(dpo.output))
    )
    lap("measuring_s")
    result = {
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu",
        "model": Path(options.model).name,
        "rejected": options.rejected,
        "lora": options.lora,
        "trained_paragraphs": len(trained_on),
        "pairs": len(pairs),
        "held_out_pairs": len(held_out),
        "steps": {"sft": options.sft_steps, "dpo": options.dpo_steps},
        "batch": options.batch,
        "before": measured(before),
        "after_sft": measured(middle, middle),
        "after_dpo": measured(after, middle),
        "seconds": {name: round(value, 1) for name, value in clock.items()},
        "sft_log": log_of(sft),
        "dpo_log": log_of(dpo),
    }
    (options.out / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    draw(options.out / "curves.svg", result["sft_log"], result["dpo_log"])
    print(json.dumps({k: v for k, v in result.items() if not k.endswith("_log")}, indent=1))


if __name__ == "__main__":
    main()

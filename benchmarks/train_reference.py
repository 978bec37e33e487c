"""A small Shakti trained in fp32 on text of your own: a second model to judge quantization with.

    python benchmarks/train_reference.py --text FILE [--text FILE ...] --out FOLDER
        [--device cuda] [--steps 1500] [--batch 64]

SmolLM2's published weights are already 4-bit (Q4_1), which flatters some formats. This one has
15 M float weights, a byte-level BPE tokenizer trained on the same text, and is written as a
transformers folder that `shakti-sdk export` takes. The last 2 % of the text are not trained on and
lie in FOLDER/held-out.txt. On one large GPU it takes a minute; on a CPU use fewer steps. With 35 MB
of text 1,500 steps are six epochs; many more learn it by heart.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from sdk_builder.models import ShaktiConfig, ShaktiForCausalLM

VOCAB, WINDOW, HELD_OUT = 6144, 512, 0.02


def make_tokenizer(text: str) -> Tokenizer:
    """Byte-level BPE with one end-of-text token, trained on `text`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.split("\n\n"), trainer)
    return tokenizer


def make_model() -> ShaktiForCausalLM:
    """640-row projections, 8 layers, 15 M parameters."""
    torch.manual_seed(0)
    return ShaktiForCausalLM(
        ShaktiConfig(
            vocab_size=VOCAB,
            hidden_size=384,
            intermediate_size=1024,
            num_hidden_layers=8,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            rope_theta=10000.0,
            hidden_dropout=0.1,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def batches(ids: Tensor, size: int, steps: int, seed: int) -> Tensor:
    """Starts of windows, ``[steps, size]``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(len(ids) - WINDOW - 1, (steps, size), generator=generator)


def learning_rate(step: int, steps: int) -> float:
    """Warm-up over 200 steps, then a cosine to a tenth."""
    peak, warm_up = 2e-3, 200
    if step < warm_up:
        return peak * (step + 1) / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return peak * (0.55 + 0.45 * math.cos(math.pi * share))


def loss_of(model: ShaktiForCausalLM, windows: Tensor) -> Tensor:
    """Mean negative log-likelihood of windows ``[B, WINDOW + 1]``, nats a token."""
    logits = model(input_ids=windows[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), windows[:, 1:].flatten())


def train(model: ShaktiForCausalLM, ids: Tensor, options: argparse.Namespace) -> None:
    """AdamW in fp32 master weights; bf16 products on a GPU."""
    device = torch.device(options.device)
    model.to(device).train()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    ids = ids.to(device)
    offsets = torch.arange(WINDOW + 1, device=device)
    started = time.monotonic()
    for step, starts in enumerate(batches(ids, options.batch, options.steps, seed=1)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps)
        windows = ids[starts.to(device)[:, None] + offsets].long()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = loss_of(model, windows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 200 == 0 or step + 1 == options.steps:
            print(f"step {step:6} loss {loss.item():.4f} {time.monotonic() - started:.0f} s")


@torch.no_grad()
def held_out_perplexity(model: ShaktiForCausalLM, ids: Tensor) -> float:
    """Perplexity in windows of 512 side by side, at most 64 of them."""
    count = min(64, (len(ids) - 1) // WINDOW)
    windows = torch.stack([ids[at * WINDOW : (at + 1) * WINDOW + 1] for at in range(count)])
    model.eval().float()
    losses = [loss_of(model, part.long()) for part in windows.to(model.device).split(8)]
    return float(torch.stack(losses).mean().exp())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--text", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in options.text)
    cut = int(len(text) * (1 - HELD_OUT))
    tokenizer = make_tokenizer(text[:cut])
    encoded = [tokenizer.encode(part).ids for part in (text[:cut], text[cut:])]
    ids, held_out = (torch.tensor(part, dtype=torch.int32) for part in encoded)
    model = make_model()
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters / 1e6:.1f} M parameters, {len(ids) / 1e6:.1f} M tokens")
    train(model, ids, options)
    print(f"held-out perplexity {held_out_perplexity(model, held_out):.3f}")
    options.out.mkdir(parents=True, exist_ok=True)
    model.cpu().save_pretrained(options.out, max_shard_size="12MB")
    tokenizer.save(str(options.out / "tokenizer.json"))
    (options.out / "held-out.txt").write_text(text[cut:], encoding="utf-8")


if __name__ == "__main__":
    main()

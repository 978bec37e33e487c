"""Attention patterns beside full attention: speed by depth, a long stream, and what it costs.

    python benchmarks/attention_depth.py --full BUNDLE --window BUNDLE --sparse BUNDLE --text TEXT
        --out depth.json [--figure depth.svg] [--depths 0,1024,2048,3584] [--stream 20000]

The bundles are of SmolLM2-135M in the same format. Measured, alternating, in one process each:

- decode tokens/s at each depth (the cache filled up to there), as a ratio to depth 0; llama.cpp's
  Q4_0 of the same model at the same depths beside it (built by the script, peers/llama_cpp.py);
- a stream of `--stream` tokens through the window: perplexity behind the first 5,000 against a
  sliding re-computation (windows of the same length with half of it as stride, each from an empty
  cache, by the full program), time per decoded token of tokens 2,000 to 3,000 and of the last 1,000
  (the others go in chunks), and memory.

Ten minutes for SmolLM2 on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: see peers/running.py

import psutil
import torch
from matplotlib import pyplot
from peers import llama_cpp, running, subjects
from torch.nn import functional as F

from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

MODEL = "smollm2-135m-instruct"
DECODED, SKIPPED = 64, 5000


def fill(session: Session, done: int, depth: int) -> None:
    """Positions from `done` to depth - 1, whatever their ids."""
    prefill(session, [7 * position % 250 + 3 for position in range(depth)], done, depth)


def prefill(session: Session, ids: Sequence[int], start: int, stop: int) -> None:
    """Positions `start` to stop - 1 in chunks."""
    chunk = session.engine.max_chunk
    for at in range(start, stop, chunk):
        session.engine.forward(ids[at : min(at + chunk, stop)], at)


def decode_tokens_per_s(session: Session, depth: int) -> float:
    """Speed of decoding DECODED tokens behind `depth` positions."""
    started = time.perf_counter()
    for position in range(depth, depth + DECODED):
        session.engine.forward([7], position)
    return DECODED / (time.perf_counter() - started)


def by_depth(session: Session, depths: Sequence[int], rounds: int) -> dict[int, list[float]]:
    """Speeds at each depth, in rounds over one text that grows."""
    found: dict[int, list[float]] = {depth: [] for depth in depths}
    for _ in range(rounds):
        done = 0
        for depth in depths:
            fill(session, done, depth)
            found[depth].append(decode_tokens_per_s(session, depth))
            done = depth + DECODED
    return found


def llama_by_depth(depths: Sequence[int], rounds: int, steps: Steps) -> dict[int, list[float]]:
    """llama-bench's decode of the same model's Q4_0 behind as many tokens, f16 cache."""
    peer = llama_cpp.set_up(steps)
    model = subjects.subject(MODEL, MODEL).gguf(peer, "Q4_0", base="f32")

    def speed(depth: int) -> float:
        rows = running.llama_bench(peer, model, prompts=(), decoded=DECODED, threads=2, depth=depth)
        return running.llama_speeds(rows)["decode"]

    return {depth: [speed(depth) for _ in range(rounds)] for depth in depths}


def draw(speeds: Mapping[str, Mapping[int, float]], path: Path) -> None:
    """Tokens/s by depth, a line for each program, as an SVG."""
    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for name, by in speeds.items():
        axes.plot(list(by), list(by.values()), marker="o", label=name)
    axes.set(xlabel="positions before it", ylabel="decode, tokens/s", ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def losses(session: Session, ids: Sequence[int], start: int) -> torch.Tensor:
    """Negative log-likelihood of each of `ids` but the first, nats, from position `start`."""
    logits = session.score(ids, start=start)
    return F.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")


def stream_losses(session: Session, ids: Sequence[int]) -> torch.Tensor:
    """The same over one long text, in pieces that overlap by one token's logits."""
    chunk = session.engine.max_chunk
    parts, last = [], None
    for start in range(0, len(ids), chunk):
        logits = session.score(ids[start : start + chunk], start=start)
        if last is not None:
            logits = torch.cat([last[None], logits])
        last = logits[-1]
        targets = torch.tensor(ids[start + (start == 0) : start + chunk])
        parts.append(F.cross_entropy(logits[: len(targets)], targets, reduction="none"))
    return torch.cat(parts)


def recomputed_losses(session: Session, ids: Sequence[int], window: int) -> torch.Tensor:
    """Each token behind at least half a window of others, from an empty cache."""
    stride, parts = window // 2, []
    for start in range(0, len(ids) - 1, stride):
        begin = max(0, start + stride - window)
        found = losses(session, ids[begin : begin + window], 0)
        parts.append(found[start - begin : start - begin + stride])
    return torch.cat(parts)


def decode_ms(session: Session, ids: Sequence[int], start: int, stop: int) -> float:
    """Median time of a token, one at a time."""
    times = []
    for position in range(start, stop):
        began = time.perf_counter()
        session.engine.forward([ids[position]], position)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def long_stream(window: Session, full: Session, text: str, count: int) -> dict[str, object]:
    """Perplexity, and decode time early and late."""
    ids = window.encode(text)[:count]
    look = window.manifest.program.window
    assert look is not None
    before = psutil.Process().memory_info().rss
    streamed, again = stream_losses(window, ids), recomputed_losses(full, ids, look)
    memory, medians = [], []
    for done, start, stop in ((0, 2000, 3000), (3000, len(ids) - 1000, len(ids))):
        prefill(window, ids, done, start)
        memory.append(psutil.Process().memory_info().rss)
        medians.append(decode_ms(window, ids, start, stop))
    memory.append(psutil.Process().memory_info().rss)
    early, late = medians
    perplexity = {
        "window": float(streamed[SKIPPED:].mean().exp()),
        "recomputed": float(again[SKIPPED : len(streamed)].mean().exp()),
    }
    return {
        "tokens": len(ids),
        "perplexity": perplexity,
        "perplexity_ratio": perplexity["window"] / perplexity["recomputed"],
        "decode_ms_2000_to_3000": early,
        "decode_ms_last_1000": late,
        "late_over_early": late / early,
        "memory_growth_mib": (memory[-1] - memory[0]) / 2**20,
        "memory_before_mib": before / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", type=Path, required=True)
    parser.add_argument("--window", type=Path, required=True)
    parser.add_argument("--sparse", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="a UTF-8 text")
    parser.add_argument("--depths", default="0,1024,2048,3584", help="rising")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stream", type=int, default=20_000, help="0: none")
    parser.add_argument("--figure", type=Path, help="draw speed by depth, as SVG")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    depths, steps = sorted(int(one) for one in options.depths.split(",")), Steps()
    found: dict[str, object] = {}
    speeds: dict[str, dict[int, list[float]]] = {}

    def keep() -> None:
        """Write what there is so far: the whole takes a while."""
        medians = {
            name: {depth: statistics.median(values) for depth, values in one.items()}
            for name, one in speeds.items()
        }
        found["decode_tokens_per_s"] = medians
        options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if options.figure:
            draw(medians, options.figure)

    for name in ("full", "window", "sparse"):
        with Session(getattr(options, name), threads=2) as one, steps.step(f"Decoding: {name}"):
            found_speeds = by_depth(one, depths, options.rounds)
            speeds[str(one.manifest.program.pattern or "full")] = found_speeds
        keep()
    with steps.step("llama-bench at each depth"):
        speeds["llama.cpp Q4_0"] = llama_by_depth(depths, options.rounds, steps)
    keep()
    if options.stream:
        text = options.text.read_text(encoding="utf-8")
        with (
            steps.step("A long stream"),
            Session(options.full, threads=2) as full,
            Session(options.window, threads=2) as window,
        ):
            found["stream"] = long_stream(window, full, text, options.stream)
        keep()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""Shapes of small models, and trials of candidates that nobody ran."""

from __future__ import annotations

from pathlib import Path

from sdk_builder.log import Steps
from sdk_builder.tuning.choice import Limits
from sdk_builder.tuning.records import Conditions, Measurement, TrialStore
from sdk_builder.tuning.runner import Runner
from sdk_builder.tuning.search import Search
from sdk_builder.tuning.space import Candidate, Planned


def shapes(
    hidden: int = 128, ffn: int = 256, layers: int = 3, vocabulary: int = 512
) -> dict[str, tuple[int, ...]]:
    """Parameters of a small decoder with a tied head."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        found |= {
            f"{prefix}input_layernorm.weight": (hidden,),
            f"{prefix}self_attn.qkv_proj.weight": (2 * hidden, hidden),
            f"{prefix}self_attn.o_proj.weight": (hidden, hidden),
            f"{prefix}mlp.gate_up_proj.weight": (2 * ffn, hidden),
            f"{prefix}mlp.down_proj.weight": (hidden, ffn),
        }
    return {**found, "model.norm.weight": (hidden,)}


def measurement(
    size_bytes: int = 1_000_000,
    perplexity: float = 11.0,
    *,
    decode_ratio: float | None = 1.0,
    kv_bytes: int | None = 4096,
    method: str = "rounding",
) -> Measurement:
    """A measurement with these figures."""
    return Measurement(
        size_bytes=size_bytes,
        bits_per_weight=4.5,
        method=method,
        program_sha256="ab" * 32,
        perplexity=perplexity,
        tokens=99,
        ratio_stderr=0.01,
        kl=0.1,
        decode_ratio=decode_ratio,
        prefill_ratio=1.0,
        decode_tokens_per_s=50.0,
        prefill_tokens_per_s=500.0,
        kv_bytes=kv_bytes,
        peak_memory_bytes=2_000_000,
    )


def planned(name: str, size_bytes: int, problem: str = "") -> Planned:
    """A candidate that its group size tells apart."""
    quant, _, group = name.partition(" g")
    candidate = Candidate(quant, group_size=int(group) if group else None)
    return Planned(candidate, 4.5, size_bytes, problem)


def conditions(**changes: str) -> Conditions:
    """Conditions that differ in what `changes` says."""
    return Conditions(
        checkpoint={"name": changes.get("checkpoint", "tiny")},
        text_sha256=changes.get("text", "00"),
        options={"tokens": changes.get("tokens", "99")},
        tools={"torch": changes.get("torch", "2.13")},
    )


def make_search(
    runner: Runner,
    folder: Path,
    limits: Limits | None = None,
    *,
    under: Conditions | None = None,
    steps: Steps | None = None,
    keep: str = "best",
    exhaustive: bool = False,
) -> Search:
    """A search whose trials are in `folder`."""
    return Search(
        runner,
        TrialStore(folder / "trials.jsonl"),
        under or conditions(),
        limits or Limits(),
        steps or Steps.silent(),
        keep=keep,
        exhaustive=exhaustive,
    )

"""The Shakti presets: every field says whether it was published or chosen by us.

No torch here: `shakti-sdk models` prints this table at once.
Source of the published values: the Shakti paper (arXiv 2503.01933) and its maker's pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

_PAPER = "arXiv 2503.01933"
_MAKER = "the maker's model page"


@dataclass(frozen=True)
class PresetField:
    """A value, whether it was published, and by whom (or why we chose it)."""

    value: Any
    published: bool
    source: str


@dataclass(frozen=True)
class Preset:
    """A named shape. `fields` are arguments of ShaktiConfig."""

    name: str
    nominal_parameters: int
    summary: str
    fields: Mapping[str, PresetField]

    @property
    def values(self) -> dict[str, Any]:
        """Plain arguments for ShaktiConfig."""
        return {name: field.value for name, field in self.fields.items()}

    @property
    def parameters(self) -> int:
        """Exact parameter count."""
        return parameter_count(self.values)


def kv_heads(fields: Mapping[str, Any]) -> list[int]:
    """KV heads of each layer with these ShaktiConfig arguments."""
    uniform = fields.get("num_key_value_heads") or fields["num_attention_heads"]
    return list(fields.get("kv_heads_per_layer") or [uniform] * fields["num_hidden_layers"])


def head_dim(fields: Mapping[str, Any]) -> int:
    """Size of a head with these ShaktiConfig arguments."""
    return int(fields.get("head_dim") or fields["hidden_size"] // fields["num_attention_heads"])


def parameter_count(fields: Mapping[str, Any]) -> int:
    """Parameters of the decoder with these ShaktiConfig arguments, a tied head counted once."""
    layers, hidden = fields["num_hidden_layers"], fields["hidden_size"]
    heads, ffn = fields["num_attention_heads"], fields["intermediate_size"]
    size = head_dim(fields)
    tables = 1 if fields.get("tie_word_embeddings", True) else 2
    embeddings = tables * fields["vocab_size"] * hidden
    qkv_rows = sum((heads + 2 * kv) * size for kv in kv_heads(fields))
    attention = qkv_rows * hidden + layers * heads * size * hidden
    biases = qkv_rows if fields.get("attention_bias", False) else 0
    feed_forward = layers * 3 * hidden * ffn
    norms = (2 * layers + 1) * hidden
    return embeddings + attention + biases + feed_forward + norms


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to a mistyped one, or None."""
    by_fold = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def _published(value: Any, source: str = _PAPER) -> PresetField:
    return PresetField(value, True, source)


def _chosen(value: Any, why: str) -> PresetField:
    return PresetField(value, False, why)


def _schedule(*runs: tuple[int, int]) -> list[int]:
    """((8, 2), (4, 1)) -> [8, 8, 4]: KV heads and how many layers have them."""
    return [kv_heads for kv_heads, count in runs for _ in range(count)]


def _common() -> dict[str, PresetField]:
    return {
        "max_position_embeddings": _published(4096),
        "rope_theta": _published(500000.0, _MAKER),
        "vocab_size": _chosen(49152, "a common size for models of this class"),
        "rms_norm_eps": _chosen(1e-5, "Llama's value"),
        "tie_word_embeddings": _chosen(True, "keeps the embedding from dominating the size"),
        "hidden_dropout": _chosen(0.1, "dropout in training is published, its rate is not"),
        "bos_token_id": _chosen(0, "the byte-level tokenizer of untrained presets"),
        "eos_token_id": _chosen(2, "the byte-level tokenizer of untrained presets"),
    }


_VGQA = "VGQA is published, its schedule is not: KV heads fall with depth, within the nominal size"

# Sums, in millions: embedding + layers x (attention + feed-forward).
# 100m: 31.5 + 10 x (1.6 + 4.9) + KV 3.9. With ten heads of 64 (= hidden) only all ten KV heads
#   in every layer would reach 97.0 M, so no grouping at all; heads of 128, as small Qwen3 models
#   have, leave room for a schedule.
# 250m: 50.3 + 16 x (2.1 + 9.4) + KV 12.6.      500m: 100.7 + 24 x (8.4 + 6.3) + KV 50.3.
_ALL = (
    Preset(
        name="shakti-100m",
        nominal_parameters=100_000_000,
        summary="Shakti-100M: watches, small boards, low-end phones",
        fields=MappingProxyType(
            {
                "num_hidden_layers": _published(10),
                "hidden_size": _published(640),
                "intermediate_size": _published(2560),
                "num_attention_heads": _chosen(10, "a common count at this width"),
                "head_dim": _chosen(128, "reaches the nominal size with grouped KV heads"),
                "num_key_value_heads": _chosen(5, _VGQA),
                "kv_heads_per_layer": _chosen(_schedule((5, 2), (2, 6), (1, 2)), _VGQA),
                **_common(),
            }
        ),
    ),
    Preset(
        name="shakti-250m",
        nominal_parameters=250_000_000,
        summary="Shakti-250M: phones; finance, health, legal",
        fields=MappingProxyType(
            {
                "num_hidden_layers": _published(16),
                "hidden_size": _published(1024),
                "intermediate_size": _chosen(3072, "3 x hidden, within the nominal size"),
                "num_attention_heads": _chosen(16, "hidden / 64"),
                "head_dim": _chosen(64, "hidden / heads"),
                "num_key_value_heads": _chosen(8, _VGQA),
                "kv_heads_per_layer": _chosen(_schedule((8, 8), (4, 8)), _VGQA),
                **_common(),
            }
        ),
    ),
    Preset(
        name="shakti-500m",
        nominal_parameters=500_000_000,
        summary="Shakti-500M: phones and laptops; conversation, many languages",
        fields=MappingProxyType(
            {
                "num_hidden_layers": _published(24),
                "hidden_size": _published(2048),
                "intermediate_size": _chosen(1024, "what the nominal size leaves"),
                "num_attention_heads": _published(16),
                "head_dim": _chosen(128, "hidden / heads"),
                "num_key_value_heads": _chosen(4, "what the nominal size leaves"),
                "attention_pattern": _chosen(
                    "block-sparse:64,8,8", "block-sparse attention is published, its blocks are not"
                ),
                **_common(),
            }
        ),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})

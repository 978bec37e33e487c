"""ShaktiConfig: the shape of a decoder, in one place, checked when it is made.

Notation, used in every docstring of this package:
    B batch, S sequence length, D hidden size, F feed-forward size, V vocabulary,
    L layers, H query heads, KV key/value heads of one layer, hd head dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from transformers import PretrainedConfig

from sdk_builder.attention import Pattern, parse_attention
from sdk_builder.errors import CheckpointError, UsageError

LLAMA3_KEYS = (
    "factor",
    "low_freq_factor",
    "high_freq_factor",
    "original_max_position_embeddings",
)

# Far above any model that fits a phone: a damaged header must not make us build a
# million layers before the missing tensors are noticed.
_LIMITS = {
    "vocab_size": 1 << 22,
    "hidden_size": 1 << 16,
    "intermediate_size": 1 << 18,
    "num_hidden_layers": 1 << 10,
    "num_attention_heads": 1 << 10,
    "num_key_value_heads": 1 << 10,
    "head_dim": 1 << 10,
    "max_position_embeddings": 1 << 27,
}
_SHORT = 80
_LARGEST_NUMBER = 1e18  # of any real-valued field: products stay finite in float32


class ShaktiConfig(PretrainedConfig):
    """Configuration of `ShaktiForCausalLM` (keyword arguments only).

    kv_heads_per_layer: KV of each layer (Variable Grouped Query Attention), or None when
        all layers have `num_key_value_heads`; when given, `num_key_value_heads` is its maximum.
    attention_pattern: which positions a token looks at, as `attention.parse_attention` reads it;
        reaches of block-sparse attention end at `max_position_embeddings`.
    rope_scaling: None, or the four numbers of Llama 3's frequency scaling.
    attention_bias: the query, key and value projections have a bias (Qwen2).
    attention_dropout, hidden_dropout: probabilities, used in training only.

    Raises CheckpointError when two values contradict each other or one is out of range.
    """

    model_type = "shakti"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vocab_size: int = 49152
    hidden_size: int = 640
    intermediate_size: int = 2560
    num_hidden_layers: int = 10
    num_attention_heads: int = 10
    num_key_value_heads: int = None  # type: ignore[assignment]  # filled in __post_init__
    kv_heads_per_layer: list[int] | None = None
    head_dim: int = None  # type: ignore[assignment]  # filled in __post_init__
    attention_pattern: str = "full"
    rope_theta: float = 500000.0
    rope_scaling: dict[str, Any] | None = None
    rms_norm_eps: float = 1e-5
    attention_bias: bool = False
    tie_word_embeddings: bool = True
    max_position_embeddings: int = 4096
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    initializer_range: float = 0.02
    use_cache: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self._fill_derived()
        problem = find_problem(vars(self))
        if problem:
            raise CheckpointError(
                f"Contradictory model configuration: {problem}.",
                "Correct the field in config.json (or in the arguments of ShaktiConfig).",
            )
        super().__post_init__(**kwargs)

    def _fill_derived(self) -> None:
        heads, hidden = self.num_attention_heads, self.hidden_size
        if self.num_key_value_heads is None:
            per_layer = self.kv_heads_per_layer
            known = isinstance(per_layer, list) and per_layer and all(map(_is_count, per_layer))
            self.num_key_value_heads = max(per_layer) if per_layer and known else heads
        if self.head_dim is None and _is_count(heads) and _is_count(hidden):
            if hidden % heads:
                raise CheckpointError(
                    f"Contradictory model configuration: hidden_size {hidden} is not a multiple "
                    f"of num_attention_heads {heads}, and head_dim is not given.",
                    "Set head_dim, or correct one of the two.",
                )
            self.head_dim = hidden // heads

    def kv_heads(self, layer: int) -> int:
        """Key/value heads of `layer` (0-based)."""
        per_layer = self.kv_heads_per_layer
        return self.num_key_value_heads if per_layer is None else per_layer[layer]

    def qkv_rows(self, layer: int) -> int:
        """Rows of the fused projection of `layer`: (H + 2 KV) hd."""
        return (self.num_attention_heads + 2 * self.kv_heads(layer)) * self.head_dim

    @property
    def pattern(self) -> Pattern | None:
        """What `attention_pattern` says; None: all positions."""
        return parse_attention(self.attention_pattern, self.max_position_embeddings)

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        """End-of-text ids as a tuple, whichever way they are written."""
        if self.eos_token_id is None:
            return ()
        if isinstance(self.eos_token_id, int):
            return (self.eos_token_id,)
        return tuple(self.eos_token_id)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number(value: object) -> bool:
    # The comparison is false for NaN and, unlike math.isfinite, defined for any integer.
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= _LARGEST_NUMBER
    )


def short(value: object) -> str:
    """A value for a message: its repr on one line, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."


def find_problem(fields: Mapping[str, Any]) -> str | None:
    """The first contradiction among the fields of a ShaktiConfig, or None. Never raises."""
    return (
        _count_problem(fields)
        or _heads_problem(fields)
        or _number_problem(fields)
        or _token_id_problem(fields)
        or rope_scaling_problem(fields["rope_scaling"])
        or _attention_problem(fields)
    )


def _count_problem(fields: Mapping[str, Any]) -> str | None:
    for name, limit in _LIMITS.items():
        value = fields[name]
        if not _is_count(value) or value > limit:
            return f"{name} must be a whole number from 1 to {limit}, not {short(value)}"
    return None


def _heads_problem(fields: Mapping[str, Any]) -> str | None:
    heads, per_layer = fields["num_attention_heads"], fields["kv_heads_per_layer"]
    layers, most = fields["num_hidden_layers"], fields["num_key_value_heads"]
    if fields["head_dim"] % 2:
        return f"head_dim must be even for rotary embeddings, not {fields['head_dim']}"
    if heads % most:
        return f"num_attention_heads {heads} is not a multiple of num_key_value_heads {most}"
    if per_layer is None:
        return None
    if not isinstance(per_layer, list) or not all(map(_is_count, per_layer)):
        return f"kv_heads_per_layer must be a list of counts, not {short(per_layer)}"
    if len(per_layer) != layers:
        return f"kv_heads_per_layer has {len(per_layer)} entries for num_hidden_layers {layers}"
    for layer, count in enumerate(per_layer):
        if heads % count:
            return (
                f"num_attention_heads {heads} is not a multiple of "
                f"kv_heads_per_layer[{layer}] = {count}"
            )
    if max(per_layer) != most:
        return (
            f"num_key_value_heads {most} is not the maximum of kv_heads_per_layer "
            f"{short(per_layer)}"
        )
    return None


def _number_problem(fields: Mapping[str, Any]) -> str | None:
    for name in ("rope_theta", "rms_norm_eps"):
        if not _is_number(fields[name]) or fields[name] <= 0:
            return f"{name} must be a positive number, not {short(fields[name])}"
    for name in ("attention_dropout", "hidden_dropout"):
        if not _is_number(fields[name]) or not 0 <= fields[name] < 1:
            return f"{name} must be a probability below 1, not {short(fields[name])}"
    if not _is_number(fields["initializer_range"]) or fields["initializer_range"] < 0:
        return f"initializer_range must not be negative, not {short(fields['initializer_range'])}"
    for name in ("attention_bias", "tie_word_embeddings", "use_cache"):
        if not isinstance(fields[name], bool):
            return f"{name} must be true or false, not {short(fields[name])}"
    return None


def _attention_problem(fields: Mapping[str, Any]) -> str | None:
    text = fields["attention_pattern"]
    if not isinstance(text, str):
        return f"attention_pattern must be text such as window:512, not {short(text)}"
    try:
        parse_attention(text, fields["max_position_embeddings"])
    except UsageError as error:
        return f"attention_pattern: {error.message.rstrip('.')}"
    return None


def _token_id_problem(fields: Mapping[str, Any]) -> str | None:
    vocabulary = fields["vocab_size"]
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        value = fields[name]
        many = value if isinstance(value, list) and name == "eos_token_id" else [value]
        for one in many:
            if one is None and many is not value:
                continue
            # Checkpoints in the wild write -1 for "no padding token": harmless, since
            # padding is masked; the reader of the folder turns it into None.
            if not isinstance(one, int) or isinstance(one, bool) or not 0 <= one < vocabulary:
                return f"{name} must be an id below vocab_size {vocabulary}, not {short(one)}"
    return None


def rope_scaling_problem(scaling: object) -> str | None:
    """What is wrong with a Llama 3 frequency scaling, or None."""
    if scaling is None:
        return None
    if not isinstance(scaling, dict):
        return f"rope_scaling must be an object, not {short(scaling)}"
    unknown = sorted(set(map(str, scaling)) - {*LLAMA3_KEYS, "rope_type"})
    if unknown:
        return f"rope_scaling has an unknown field {short(unknown[0])}"
    kind = scaling.get("rope_type", "llama3")
    if kind != "llama3":
        return f"rope_scaling of rope_type {short(kind)} is not supported (only llama3 is)"
    for name in LLAMA3_KEYS:
        if not _is_number(scaling.get(name)) or scaling[name] <= 0:
            return f"rope_scaling.{name} must be a positive number, not {short(scaling.get(name))}"
    if scaling["high_freq_factor"] <= scaling["low_freq_factor"]:
        return "rope_scaling.high_freq_factor must be above rope_scaling.low_freq_factor"
    return None

"""Names and shapes of a decoder's parameters, in decoder order: what every reader fills.

Notation as in `config.py`.
"""

from __future__ import annotations

from sdk_builder.models.config import ShaktiConfig

EMBEDDING = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"
HEAD = "lm_head.weight"

INPUT_NORM = "input_layernorm.weight"
QKV = "self_attn.qkv_proj.weight"
QKV_BIAS = "self_attn.qkv_proj.bias"
OUT = "self_attn.o_proj.weight"
POST_NORM = "post_attention_layernorm.weight"
GATE_UP = "mlp.gate_up_proj.weight"
DOWN = "mlp.down_proj.weight"


def layer_prefix(layer: int) -> str:
    """`model.layers.{layer}.`"""
    return f"model.layers.{layer}."


def split_layer(name: str) -> tuple[int, str] | None:
    """`model.layers.3.mlp.down_proj.weight` -> (3, "mlp.down_proj.weight"); None if outside."""
    head, _, rest = name.removeprefix("model.layers.").partition(".")
    return (int(head), rest) if name.startswith("model.layers.") and head.isdecimal() else None


def layer_shapes(config: ShaktiConfig, layer: int) -> dict[str, tuple[int, ...]]:
    """Shapes of one layer's parameters by name within the layer."""
    hidden, ffn = config.hidden_size, config.intermediate_size
    width, rows = config.num_attention_heads * config.head_dim, config.qkv_rows(layer)
    bias = {QKV_BIAS: (rows,)} if config.attention_bias else {}
    return {
        INPUT_NORM: (hidden,),
        QKV: (rows, hidden),
        **bias,
        OUT: (hidden, width),
        POST_NORM: (hidden,),
        GATE_UP: (2 * ffn, hidden),
        DOWN: (hidden, ffn),
    }


def parameter_shapes(config: ShaktiConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters by name, in decoder order; `lm_head.weight` only if untied."""
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (config.vocab_size, config.hidden_size)}
    for layer in range(config.num_hidden_layers):
        prefix = layer_prefix(layer)
        shapes.update({prefix + name: s for name, s in layer_shapes(config, layer).items()})
    shapes[FINAL_NORM] = (config.hidden_size,)
    if not config.tie_word_embeddings:
        shapes[HEAD] = (config.vocab_size, config.hidden_size)
    return shapes


def part_rows(config: ShaktiConfig, name: str) -> tuple[int, ...]:
    """Rows of the separate tensors that are fused into parameter `name`, in order."""
    found = split_layer(name)
    if found is not None:
        layer, rest = found
        if rest in (QKV, QKV_BIAS):
            key_rows = config.kv_heads(layer) * config.head_dim
            return (config.num_attention_heads * config.head_dim, key_rows, key_rows)
        if rest == GATE_UP:
            return (config.intermediate_size, config.intermediate_size)
        return (layer_shapes(config, layer)[rest][0],)
    return (config.hidden_size if name == FINAL_NORM else config.vocab_size,)

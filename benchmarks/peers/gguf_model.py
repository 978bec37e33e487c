"""Any checkpoint that we can open, as a GGUF file that llama.cpp can run and quantize.

    python -m benchmarks.peers.gguf_model MODEL OUT.gguf [--type f32|f16] [--seed N]

Architecture: `llama`; `deci`, which computes the same, where KV heads differ between layers
(llama.cpp's `llama` takes the first layer's count for all); `qwen2` where q, k and v have a bias.
llama.cpp rotates neighbouring rows of q and k in `llama` and `deci`, ours the two halves of a head:
`interleave` puts the rows where it looks for them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from gguf import GGUFWriter
from gguf.constants import LlamaFileType, TokenType
from torch import Tensor

from sdk_builder.errors import InputError, output_errors
from sdk_builder.models import ShaktiConfig, layout, open_checkpoint
from sdk_builder.models.checkpoint import Checkpoint
from sdk_builder.models.rope import llama3_factors
from sdk_builder.models.tokenizer_assets import BYTE_LEVEL, TokenizerAssets

FloatType = Literal["f32", "f16"]
Architecture = Literal["llama", "deci", "qwen2"]
_DTYPES = {"f32": torch.float32, "f16": torch.float16}
_FILE_TYPES = {"f32": LlamaFileType.ALL_F32, "f16": LlamaFileType.MOSTLY_F16}

_NAMES = {
    layout.EMBEDDING: ("token_embd.weight",),
    layout.FINAL_NORM: ("output_norm.weight",),
    layout.HEAD: ("output.weight",),
}
_LAYER_NAMES = {
    layout.INPUT_NORM: ("attn_norm.weight",),
    layout.QKV: ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    layout.QKV_BIAS: ("attn_q.bias", "attn_k.bias", "attn_v.bias"),
    layout.OUT: ("attn_output.weight",),
    layout.POST_NORM: ("ffn_norm.weight",),
    layout.GATE_UP: ("ffn_gate.weight", "ffn_up.weight"),
    layout.DOWN: ("ffn_down.weight",),
}
_ROTATED = ("attn_q.", "attn_k.")
# How llama.cpp calls the ways of cutting text, by the tokenizer.json parts that do the same.
_LLAMA3_CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {_LLAMA3_CUT: "llama-bpe", _LLAMA3_CUT.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2"}


def interleave(rows: Tensor, head_dim: int) -> Tensor:
    """Rows of q or k [heads*hd, ...] from half-split to interleaved rotary order; a new tensor.

    Within each head, row i of the first half goes to 2i, row i of the second half to 2i + 1.
    """
    heads = rows.shape[0] // head_dim
    halves = rows.reshape(heads, 2, head_dim // 2, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape)


def architecture_of(config: ShaktiConfig) -> Architecture:
    """Which of llama.cpp's architectures computes what our decoder does.

    Raises InputError where none does.
    """
    varied = len({config.kv_heads(layer) for layer in range(config.num_hidden_layers)}) > 1
    if config.attention_bias and varied:
        raise InputError("llama.cpp has no architecture with biases and KV heads by layer.")
    if config.attention_bias:
        return "qwen2"
    return "deci" if varied else "llama"


def write_gguf(
    checkpoint: Checkpoint,
    path: Path,
    kind: FloatType = "f32",
    *,
    architecture: Architecture | None = None,
) -> Path:
    """Write `checkpoint` to `path`, one tensor in memory at a time; returns `path`.

    Norms, biases and rotary factors are float32 in either type, as llama.cpp wants them.

    Raises InputError where llama.cpp has no such model or tokenizer, what the checkpoint raises,
    OutputError.
    """
    config = checkpoint.config
    chosen = architecture or architecture_of(config)
    temporary = path.with_name(f".{path.name}.part")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = GGUFWriter(temporary, chosen)
        try:
            _add_config(writer, config, checkpoint.source.name, kind)
            _add_tokenizer(writer, checkpoint.tokenizer(), config.vocab_size)
            _write_tensors(writer, checkpoint, chosen, _DTYPES[kind])
            writer.close()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _add_config(writer: GGUFWriter, config: ShaktiConfig, name: str, kind: FloatType) -> None:
    kv_heads = [config.kv_heads(layer) for layer in range(config.num_hidden_layers)]
    writer.add_name(name)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(kv_heads if len(set(kv_heads)) > 1 else kv_heads[0])
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


# --- tensors ----------------------------------------------------------------------------


def _write_tensors(
    writer: GGUFWriter, checkpoint: Checkpoint, architecture: Architecture, dtype: torch.dtype
) -> None:
    config = checkpoint.config
    shapes = layout.parameter_shapes(config)
    for name, shape in shapes.items():
        kind = dtype if len(shape) > 1 else torch.float32
        for part, count in zip(_file_names(name), layout.part_rows(config, name), strict=True):
            _announce(writer, part, (count, *shape[1:]), kind)
    if config.rope_scaling is not None:
        _announce(writer, "rope_freqs.weight", (config.head_dim // 2,), torch.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, shape in shapes.items():
        kind = dtype if len(shape) > 1 else torch.float32
        for _, rows in parts(checkpoint, name, turned=architecture != "qwen2"):
            writer.write_tensor_data(rows.to(kind).contiguous().numpy())
    if config.rope_scaling is not None:
        plain = 1.0 / config.rope_theta ** (torch.arange(0, config.head_dim, 2) / config.head_dim)
        writer.write_tensor_data(llama3_factors(config, plain).float().numpy())


def _announce(writer: GGUFWriter, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    like = torch.empty(0, dtype=dtype)
    count = torch.Size(shape).numel()
    writer.add_tensor_info(name, shape, like.numpy().dtype, count * like.element_size())


def parts(checkpoint: Checkpoint, name: str, *, turned: bool) -> Iterator[tuple[str, Tensor]]:
    """The separate tensors of parameter `name`, float32, with their names in the file.

    turned: rows of q and k in interleaved rotary order.
    """
    config = checkpoint.config
    split = checkpoint.tensor(name).split(layout.part_rows(config, name))
    for part, rows in zip(_file_names(name), split, strict=True):
        rotated = turned and any(mark in part for mark in _ROTATED)
        yield part, interleave(rows, config.head_dim) if rotated else rows


def _file_names(name: str) -> tuple[str, ...]:
    found = layout.split_layer(name)
    if found is None:
        return _NAMES[name]
    layer, rest = found
    return tuple(f"blk.{layer}.{part}" for part in _LAYER_NAMES[rest])


# --- tokenizer --------------------------------------------------------------------------


def _add_tokenizer(writer: GGUFWriter, assets: TokenizerAssets, vocab_size: int) -> None:
    if assets.kind != BYTE_LEVEL:
        raise InputError(
            f"A tokenizer of kind {assets.kind} cannot be written to GGUF by this script.",
            "Give one with byte-level BPE.",
        )
    told = json.loads(assets.json_text)
    tokens, kinds = _vocabulary(told, vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer_name(told.get("pre_tokenizer")))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = told["model"]["merges"]
    # llama.cpp wants the key; an untrained tokenizer of bytes has one merge that never applies.
    pairs = [one if isinstance(one, str) else " ".join(one) for one in merges]
    writer.add_token_merges(pairs or [f"{tokens[-1]} {tokens[-1]}"])
    writer.add_add_bos_token(assets.add_bos)
    if assets.bos_id is not None:
        writer.add_bos_token_id(assets.bos_id)
    if assets.eos_ids:
        writer.add_eos_token_id(assets.eos_ids[0])
    if assets.pad_id is not None:
        writer.add_pad_token_id(assets.pad_id)


def _vocabulary(told: dict[str, Any], vocab_size: int) -> tuple[list[str], list[int]]:
    """Token texts and llama.cpp's token types for ids 0 .. vocab_size-1."""
    tokens = {token_id: text for text, token_id in told["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, TokenType.NORMAL)
    for added in told.get("added_tokens", []):
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    every = range(vocab_size)
    return (
        [tokens.get(token_id, f"[UNUSED{token_id}]") for token_id in every],
        [int(kinds.get(token_id, TokenType.UNUSED)) for token_id in every],
    )


def pre_tokenizer_name(told: dict[str, Any] | None) -> str:
    """llama.cpp's name for a tokenizer.json's `pre_tokenizer`. Raises InputError."""
    steps = [] if told is None else told.get("pretokenizers", [told])
    match [_step(step) for step in steps]:
        case ["bytes by regex"]:
            return "gpt-2"
        case ["single digits", "bytes by regex"]:
            return "smollm"
        case [cut, "bytes"] if cut in _SPLITS:
            return _SPLITS[cut]
    raise InputError(
        "llama.cpp has no name for this tokenizer's way of cutting text: "
        f"{json.dumps(told)[:300]}.",
        "Known here: those of GPT-2, SmolLM, Llama 3 and Qwen2.",
    )


def _step(step: dict[str, Any]) -> str:
    kind = step.get("type")
    if kind == "ByteLevel" and not step.get("add_prefix_space", True):
        return "bytes by regex" if step.get("use_regex", True) else "bytes"
    if kind == "Digits" and step.get("individual_digits"):
        return "single digits"
    if kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        return str(step.get("pattern", {}).get("Regex", ""))
    return f"unknown {kind}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="a folder or file, or the name of a preset or source")
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", choices=["f32", "f16"], default="f32")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    path = write_gguf(open_checkpoint(options.model, seed=options.seed), options.out, options.type)
    print(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

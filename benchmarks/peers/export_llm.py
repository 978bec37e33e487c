"""ExecuTorch's own export_llm: a checkpoint in Meta's format, and its export as a process.

It takes one number of KV heads for all layers, so models with a schedule of them cannot be
exported by it. Deep models take it far more than 15 minutes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from measuring import ProcessCost, run_process
from torch import Tensor

from sdk_builder.errors import InputError
from sdk_builder.models import ShaktiConfig, layout
from sdk_builder.models.checkpoint import Parameters

from .gguf_model import interleave
from .running import export_environment

META, PARAMS = "meta.pth", "params.json"
_NAMES = {
    layout.EMBEDDING: ("tok_embeddings.weight",),
    layout.FINAL_NORM: ("norm.weight",),
    layout.HEAD: ("output.weight",),
    layout.INPUT_NORM: ("attention_norm.weight",),
    layout.QKV: ("attention.wq.weight", "attention.wk.weight", "attention.wv.weight"),
    layout.OUT: ("attention.wo.weight",),
    layout.POST_NORM: ("ffn_norm.weight",),
    layout.GATE_UP: ("feed_forward.w1.weight", "feed_forward.w3.weight"),
    layout.DOWN: ("feed_forward.w2.weight",),
}


def write_checkpoint(checkpoint: Parameters, folder: Path) -> None:
    """Write META and PARAMS; raises InputError for a model that export_llm does not have."""
    config = checkpoint.config
    kv_heads = {config.kv_heads(layer) for layer in range(config.num_hidden_layers)}
    if len(kv_heads) > 1 or config.attention_bias or config.rope_scaling:
        raise InputError(
            "export_llm's Llama has one number of KV heads, no biases and no such rotary scaling.",
            "Measure without it.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(meta_state(checkpoint), folder / META)
    (folder / PARAMS).write_text(json.dumps(parameters(config)), encoding="utf-8")


def parameters(config: ShaktiConfig) -> dict[str, object]:
    """The fields of Meta's params.json."""
    return {
        "dim": config.hidden_size,
        "n_layers": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "hidden_dim": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
    }


def meta_state(checkpoint: Parameters) -> dict[str, Tensor]:
    """The weights under Meta's names, projections apart, in Meta's rotary order."""
    state: dict[str, Tensor] = {}
    for name in checkpoint.names():
        found = layout.split_layer(name)
        prefix, rest = ("", name) if found is None else (f"layers.{found[0]}.", found[1])
        split = checkpoint.tensor(name).split(layout.part_rows(checkpoint.config, name))
        for part, rows in zip(_NAMES[rest], split, strict=True):
            turned = part.startswith(("attention.wq", "attention.wk"))
            value = interleave(rows, checkpoint.config.head_dim) if turned else rows
            state[prefix + part] = value.contiguous().clone()
    state.setdefault("output.weight", state["tok_embeddings.weight"].clone())
    return state


def export(folder: Path, program: str, *, context: int, chunk: int) -> ProcessCost:
    """Export META in `folder` to `program` there: 8da4w in groups of 32, 4-bit embedding."""
    argv = [sys.executable, "-m", "executorch.extension.llm.export.export_llm"]
    options = [
        "base.model_class=llama3_2",
        f"base.checkpoint={folder / META}",
        f"base.params={folder / PARAMS}",
        "model.use_kv_cache=True",
        "model.use_sdpa_with_kv_cache=True",
        "model.enable_dynamic_shape=True",
        "model.dtype_override=fp32",
        f"export.max_seq_length={chunk}",
        f"export.max_context_length={context}",
        f"export.output_dir={folder}",
        f"export.output_name={program}",
        "quantization.qmode=8da4w",
        "quantization.group_size=32",
        "quantization.embedding_quantize='4,32'",
        "backend.xnnpack.enabled=True",
        "backend.xnnpack.extended_ops=True",
    ]
    return run_process([*argv, *options], cwd=folder, env=export_environment())

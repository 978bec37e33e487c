"""shakti-sdk's export against ExecuTorch's own export_llm: same shape, same run.

    python benchmarks/export_vs_export_llm.py [--out results.json] [--keep FOLDER]

A Llama shape of 640 x 10 layers (92.9 M parameters) with random weights is exported by both to
4-bit weights (groups of 32), 4-bit embedding, int8 activations, context 4096. Measured: wall time
and peak memory of the export as a process, file size, and decode and prefill speed of the two
programs, alternating in one process. Takes about eight minutes, most of it export_llm's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from measuring import Forward, ProcessCost, Ratio, compare, run_process, show

from sdk_builder.models import ShaktiConfig, ShaktiForCausalLM
from sdk_builder.models.preset_checkpoint import byte_tokenizer

LAYERS, HIDDEN, FFN, HEADS, KV_HEADS, VOCAB, CONTEXT, CHUNK = 10, 640, 2560, 10, 5, 49152, 4096, 128
OURS, THEIRS = "ours/model.pte", "theirs.pte"


def make_checkpoint(folder: Path) -> None:
    """Write the model as a transformers folder and in Meta's format, with the same weights."""
    torch.manual_seed(0)
    config = ShaktiConfig(
        vocab_size=VOCAB,
        hidden_size=HIDDEN,
        intermediate_size=FFN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )
    model = ShaktiForCausalLM(config)
    model.save_pretrained(folder / "transformers")
    tokenizer = byte_tokenizer(VOCAB).json_text
    (folder / "transformers" / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    torch.save(meta_state(model), folder / "meta.pth")
    parameters = {
        "dim": HIDDEN,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "n_kv_heads": KV_HEADS,
        "hidden_dim": FFN,
        "vocab_size": VOCAB,
        "norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
    }
    (folder / "params.json").write_text(json.dumps(parameters), encoding="utf-8")


def meta_state(model: ShaktiForCausalLM) -> dict[str, torch.Tensor]:
    """The weights under Meta's names, projections apart."""
    head_dim = HIDDEN // HEADS
    rows = [HEADS * head_dim, KV_HEADS * head_dim, KV_HEADS * head_dim]
    embedding = model.model.embed_tokens.weight.detach()
    state = {
        "tok_embeddings.weight": embedding,
        "output.weight": embedding.clone(),
        "norm.weight": model.model.norm.weight.detach(),
    }
    for index, layer in enumerate(model.model.layers):
        q, k, v = layer.self_attn.qkv_proj.weight.detach().split(rows)
        gate, up = layer.mlp.gate_up_proj.weight.detach().split(FFN)
        named = {
            "attention.wq": q,
            "attention.wk": k,
            "attention.wv": v,
            "attention.wo": layer.self_attn.o_proj.weight.detach(),
            "feed_forward.w1": gate,
            "feed_forward.w3": up,
            "feed_forward.w2": layer.mlp.down_proj.weight.detach(),
            "attention_norm": layer.input_layernorm.weight.detach(),
            "ffn_norm": layer.post_attention_layernorm.weight.detach(),
        }
        state |= {f"layers.{index}.{name}.weight": value.clone() for name, value in named.items()}
    return state


def export_ours(folder: Path) -> ProcessCost:
    out = (folder / OURS).parent
    argv = [sys.executable, "-m", "sdk_builder", "export", str(folder / "transformers")]
    options = ["--quant", "q4", "--chunk", str(CHUNK), "-o", str(out), "--force"]
    return run_process([*argv, *options])


def export_theirs(folder: Path) -> ProcessCost:
    argv = [sys.executable, "-m", "executorch.extension.llm.export.export_llm"]
    options = [
        "base.model_class=llama3_2",
        f"base.checkpoint={folder / 'meta.pth'}",
        f"base.params={folder / 'params.json'}",
        "model.use_kv_cache=True",
        "model.use_sdpa_with_kv_cache=True",
        "model.enable_dynamic_shape=True",
        "model.dtype_override=fp32",
        f"export.max_seq_length={CHUNK}",
        f"export.max_context_length={CONTEXT}",
        f"export.output_dir={folder}",
        f"export.output_name={THEIRS}",
        "quantization.qmode=8da4w",
        "quantization.group_size=32",
        "quantization.embedding_quantize='4,32'",
        "backend.xnnpack.enabled=True",
        "backend.xnnpack.extended_ops=True",
    ]
    return run_process([*argv, *options], cwd=folder)


def export_both(folder: Path) -> dict[str, dict[str, float]]:
    """Export with both, print and return what it took."""
    folder.mkdir(parents=True, exist_ok=True)
    make_checkpoint(folder)
    ours, theirs = export_ours(folder), export_theirs(folder)
    result = {
        "export_wall_s": {"ours": ours.wall_s, "theirs": theirs.wall_s},
        "export_peak_mib": {"ours": ours.peak_mib, "theirs": theirs.peak_mib},
        "size_bytes": {
            "ours": (folder / OURS).stat().st_size,
            "theirs": (folder / THEIRS).stat().st_size,
        },
    }
    for name, pair in result.items():
        ratio = pair["ours"] / pair["theirs"]
        print(
            f"  {name:24} {pair['ours']:12.1f} {pair['theirs']:12.1f}   ours / theirs {ratio:.3f}"
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--keep", type=Path, help="work in this folder and keep it")
    parser.add_argument(
        "--speed-only", action="store_true", help="only time the programs that --keep has"
    )
    parser.add_argument("--repetitions", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        result = {} if options.speed_only else export_both(folder)
        figures = measure(folder / OURS, folder / THEIRS, options.repetitions)
    show("tokens/s: ours, export_llm, ratio [quartiles]", figures)
    result["speed"] = {name: ratio.as_dict() for name, ratio in figures.items()}
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def measure(ours_path: Path, theirs_path: Path, repetitions: int) -> dict[str, Ratio]:
    """Speed of both programs, alternating."""
    ours, theirs = Forward(ours_path), Forward(theirs_path)
    return {
        "decode": compare(
            lambda: ours.decode_tokens_per_s(64),
            lambda: theirs.decode_tokens_per_s(64),
            repetitions=repetitions,
        ),
        "prefill": compare(
            lambda: ours.prefill_tokens_per_s(CHUNK - 1),
            lambda: theirs.prefill_tokens_per_s(CHUNK - 1),
            repetitions=repetitions,
        ),
    }


if __name__ == "__main__":
    main()

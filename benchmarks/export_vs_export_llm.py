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
from peers import export_llm, running

from sdk_builder.models import ShaktiConfig, ShaktiForCausalLM, open_checkpoint
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
    export_llm.write_checkpoint(open_checkpoint(str(folder / "transformers")), folder)


def export_ours(folder: Path) -> ProcessCost:
    out = (folder / OURS).parent
    argv = [sys.executable, "-m", "sdk_builder", "export", str(folder / "transformers")]
    options = ["--quant", "q4", "--chunk", str(CHUNK), "-o", str(out), "--force"]
    return run_process([*argv, *options], env=running.export_environment())


def export_theirs(folder: Path) -> ProcessCost:
    return export_llm.export(folder, THEIRS, context=CONTEXT, chunk=CHUNK)


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

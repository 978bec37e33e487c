"""`shakti-sdk export`: the main job."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click

from sdk_builder.attention import USUAL_CONTEXT, describe
from sdk_builder.cli.answers import Exported
from sdk_builder.cli.arguments import PATH, complete_model
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import human_bytes, table
from sdk_builder.cli.requests import DEVICES, ExportOptions
from sdk_builder.quantization.options import EMBEDDINGS, GROUP_SIZES, KV_FORMATS, METHODS
from sdk_builder.quantization.schemes import SCHEMES

DEFAULT_CONTEXT = USUAL_CONTEXT


@click.command("export")
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="android",
    show_default=True,
    help="What the program must run on; android programs run here, too.",
)
@click.option(
    "--quant",
    type=click.Choice(list(SCHEMES)),
    default="q4",
    show_default=True,
    help="How weights are stored.",
)
@click.option(
    "-o", "--output", type=PATH, help="The bundle's folder.  [default: build/MODEL-QUANT]"
)
@click.option(
    "--context",
    type=click.IntRange(min=16),
    default=DEFAULT_CONTEXT,
    show_default=True,
    metavar="TOKENS",
    help="Longest conversation, prompt and answers together.",
)
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Most prompt tokens that are processed at once.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Make untrained weights for a preset; such a bundle is marked as untrained.",
)
@click.option("--tokenizer", type=PATH, help="A tokenizer.json, or a folder with one.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="How the quantized values are found.",
)
@click.option(
    "--calibration",
    type=PATH,
    help="A UTF-8 text file to look at the model's activations with, and to measure on what another"
    " --attention than the model's own loses.",
)
@click.option(
    "--group-size",
    type=click.Choice([str(size) for size in GROUP_SIZES]),
    help="Weights that share a 4-bit scale.  [default: the format's choice]",
)
@click.option(
    "--embedding",
    type=click.Choice(list(EMBEDDINGS)),
    help="Format of embedding and head.  [default: the format's choice]",
)
@click.option(
    "--bits",
    type=click.FloatRange(min=4.0, max=8.6),
    metavar="BITS",
    help="Most bits per weight, scales included.  [default: the format's promise]",
)
@click.option(
    "--kv",
    type=click.Choice(KV_FORMATS),
    default="fp32",
    show_default=True,
    help="How the KV cache is stored.",
)
@click.option(
    "--attention",
    metavar="KIND",
    help="full; window:N, the last N positions; or block-sparse[:BLOCK,LOCAL,STRIDE] (64,8,8), the"
    " last LOCAL blocks and each STRIDE-th within the context. The last two also see the first 64"
    " positions, or with +sinks:N behind them other ones; +global:LAYERS lets each so manieth layer"
    " see everything.  [default: the model's own]",
)
@click.option("--zip", "make_zip", is_flag=True, help="Also write the bundle as one .zip file.")
@click.option("--no-verify", is_flag=True, help="Do not compare the result with the model.")
@click.option("--force", is_flag=True, help="Replace a bundle that is already there.")
@command_options
def export(
    invocation: Invocation,
    *,
    model: str,
    output: Path | None,
    context: int,
    make_zip: bool,
    no_verify: bool,
    quant: str,
    group_size: str | None,
    **options: Any,
) -> None:
    """Turn MODEL into a verified bundle.

    MODEL is a name from `shakti-sdk models`, a Hugging Face folder, or a .gguf file.
    """
    made = invocation.library.export(
        ExportOptions(
            model=model,
            output=output or default_output(model, quant),
            quant=quant,
            group_size=None if group_size is None else int(group_size),
            context_length=context,
            zip=make_zip,
            verify=not no_verify,
            **options,
        ),
        invocation.steps(),
    )
    invocation.result(_document(made), _text(made))
    invocation.remark(f'\nNext: shakti-sdk run {shlex.quote(str(made.bundle.path))} "Hello!"')


def default_output(model: str, quant: str) -> Path:
    """Where the bundle goes when the user does not say: build/MODEL-QUANT."""
    name = Path(model).name.removesuffix(".gguf") or Path(model).resolve().name
    return Path("build") / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).lower()}-{quant}"


def _document(made: Exported) -> dict[str, Any]:
    manifest = made.bundle.manifest
    return {
        "bundle": str(made.bundle.path),
        "zip": str(made.zip_path) if made.zip_path else None,
        "manifest": manifest.model_dump(mode="json"),
    }


def _text(made: Exported) -> str:
    manifest = made.bundle.manifest
    quantization, program = manifest.quantization, manifest.program
    lines = [
        f"{made.bundle.path}: {manifest.name}, {quantization.scheme}, "
        f"{quantization.bits_per_weight:.2f} bits per weight, "
        + (
            f"{program.context_length} tokens of context"
            if program.pattern is None
            else f"attention {describe(program.pattern)}"
        )
    ]
    if manifest.model.untrained:
        lines.append("These weights are untrained: answers are noise, sizes and speeds are real.")
    rows = [[part.name, human_bytes(part.size_bytes)] for part in program.parts]
    rows.append([program.file, human_bytes(program.size_bytes)])
    lines.append(table(rows, right="lr"))
    if made.zip_path:
        lines.append(f"Also as one file: {made.zip_path}")
    return "\n".join(lines)

"""`shakti-sdk card`: a model card of a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from sdk_builder.cli.arguments import PATH, bundle_argument
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.requests import CardOptions


@click.command("card")
@bundle_argument
@click.argument("results", type=PATH, nargs=-1)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Its file.  [default: stdout]")
@click.option(
    "--grid",
    "grid_g_per_kwh",
    type=click.FloatRange(min=0),
    metavar="G/KWH",
    help="Carbon intensity of the grid, for CO₂e.  [default: the world's mean of 2024]",
)
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
@command_options
def card(
    invocation: Invocation,
    bundle: Path,
    results: tuple[Path, ...],
    *,
    output: Path | None,
    grid_g_per_kwh: float | None,
    force: bool,
) -> None:
    """Write a model card of BUNDLE: size, formats, licence, quality, bias, speed, limits.

    RESULTS are evaluations (`shakti-sdk eval -o`) and results of `shakti-sdk bench`, or folders of
    these, all of this very bundle. What they do not have is said to be not measured. The card is
    Markdown with the front matter of Hugging Face.
    """
    text = invocation.library.card(
        CardOptions(bundle, results, output, grid_g_per_kwh, force), invocation.steps()
    )
    if output is None:
        invocation.result({"card": text}, text.rstrip("\n"))
    else:
        invocation.result({"card": text, "file": str(output)}, str(output))

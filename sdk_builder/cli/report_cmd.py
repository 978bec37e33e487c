"""`shakti-sdk report`: tables and plots from result files."""

from __future__ import annotations

from pathlib import Path

import click

from sdk_builder.cli.arguments import PATH
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import human_bytes
from sdk_builder.cli.requests import ReportOptions
from sdk_builder.errors import UsageError

FORMATS = ("html", "md", "csv", "png", "svg")


@click.command("report")
@click.argument("results", type=PATH, nargs=-1, required=True)
@click.option(
    "-o", "--output", type=PATH, default=Path("report"), show_default=True, help="Its folder."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Make only these; may be repeated.  [default: all]",
)
@click.option("--title", help="Heading of the page.")
@click.option(
    "--grid",
    "grid_g_per_kwh",
    type=click.FloatRange(min=0),
    metavar="G/KWH",
    help="Carbon intensity of the grid, for CO₂e.  [default: the world's mean of 2024]",
)
@click.option(
    "--base",
    type=PATH,
    multiple=True,
    help="Results, or a folder of them, to compare with; may be repeated.",
)
@click.option(
    "--paper",
    is_flag=True,
    help="Set evaluations, speeds and sizes beside the Shakti paper's numbers.",
)
@click.option("--force", is_flag=True, help="Write into a folder that holds other things, too.")
@command_options
def report(
    invocation: Invocation,
    results: tuple[Path, ...],
    *,
    output: Path,
    formats: tuple[str, ...],
    title: str | None,
    grid_g_per_kwh: float | None,
    base: tuple[Path, ...],
    paper: bool,
    force: bool,
) -> None:
    """Make tables and plots from RESULTS: result files of `shakti-sdk bench`, or folders of them;
    and side-by-side results (.json) of the scripts in `benchmarks/`.

    The page is one file that opens offline. Every figure shows its spread and its number of
    samples; invalid samples are listed and enter none of them.

    With --paper, RESULTS are evaluations (`shakti-sdk eval -o`), results of `shakti-sdk bench`,
    bundles, or folders of these. The page has the paper's Tables 2 to 4 and Figures 1 to 6, and
    says of every value whether it was measured here, published by the paper, or not measured.
    """
    if paper and base:
        raise UsageError("--base and --paper are of different reports.", "Make one after another.")
    options = ReportOptions(
        results, output, formats or FORMATS, title, grid_g_per_kwh, base, force, paper
    )
    made = invocation.library.report(options, invocation.steps())
    files = [{"file": str(path), "size_bytes": path.stat().st_size} for path in made.paths]
    text = "\n".join(f"{path}  {human_bytes(path.stat().st_size)}" for path in made.paths)
    invocation.result({"files": files, "warnings": list(made.warnings)}, text)
    for warning in made.warnings:
        invocation.remark(f"warning: {warning}")

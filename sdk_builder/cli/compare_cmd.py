"""`shakti-sdk compare`: is one measurement slower than another?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sdk_builder.cli.arguments import PATH
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.cli.requests import CompareOptions
from sdk_builder.errors import InconclusiveError, RegressionFound

if TYPE_CHECKING:
    from sdk_builder.benchmark.analysis.comparison import CaseComparison, Comparison

WORDS = {
    "regression": "SLOWER",
    "faster": "faster",
    "no_regression_shown": "no regression shown",
    "not_enough_samples": "not enough samples",
}


@click.command("compare")
@click.argument("base", type=PATH)
@click.argument("new", type=PATH)
@click.option(
    "--fail-above",
    default="3%",
    show_default=True,
    metavar="SHARE",
    help="How much slower NEW may be.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="Of all verdicts together.",
)
@click.option(
    "--run-to-run",
    metavar="SHARE",
    help="Standard deviation between whole runs of the same thing.  [default: estimated from "
    "three runs a side, else 1.5%]",
)
@click.option(
    "--across",
    multiple=True,
    type=click.Choice(["devices", "plans", "runtimes"]),
    help="Compare although these differ; may be repeated.",
)
@command_options
def compare(
    invocation: Invocation,
    base: Path,
    new: Path,
    *,
    fail_above: str,
    confidence: float,
    run_to_run: str | None,
    across: tuple[Literal["devices", "plans", "runtimes"], ...],
) -> None:
    """Test whether NEW is slower than BASE by more than a margin.

    BASE and NEW are result files of `shakti-sdk bench`, or folders with several runs of the same
    thing. It is a test at the stated confidence, not a threshold on means: it ends with exit code
    8 where a case is slower beyond noise and drift, and with 11 where the samples are too few to
    say so whatever they are.
    """
    options = CompareOptions(base, new, fail_above, confidence, run_to_run, across)
    found = invocation.library.compare(options)
    document, text = _document(found), _text(found)
    try:
        found.raise_if_bad()
    except (RegressionFound, InconclusiveError) as error:
        invocation.failed(document, text, error)
    invocation.result(document, text)


def _document(found: Comparison) -> dict[str, Any]:
    return {
        "margin": found.margin,
        "confidence": found.confidence,
        "cases": [
            {
                "case": one.case.id,
                "verdict": one.verdict,
                "ratio": one.ratio,
                "low": one.low,
                "high": one.high,
                "p_value": one.p_value,
                "detectable_ratio": one.detectable_ratio,
                "base_samples": len(one.base_ms),
                "new_samples": len(one.new_ms),
                "samples_needed": one.samples_needed,
                "run_to_run_sd": one.run_to_run_sd,
                "run_to_run": one.run_to_run,
            }
            for one in found.cases
        ],
        "base_only": list(found.base_only),
        "new_only": list(found.new_only),
    }


def _text(found: Comparison) -> str:
    header = ("case", "NEW / BASE", f"{found.confidence:.0%} interval", "samples", "verdict")
    lines = [table([_row(one) for one in found.cases], header=header, right=" rrr")]
    detectable = [one.detectable_ratio for one in found.cases if one.detectable_ratio]
    if detectable:
        lines.append(
            "  Ratios of durations; above 1 is slower. A case that really took "
            f"{max(detectable):.2f} × as long would be found in 4 of 5 such comparisons."
        )
    for name, only in (("BASE", found.base_only), ("NEW", found.new_only)):
        if only:
            lines.append(f"  only in {name}: {', '.join(only)}")
    return "\n".join(lines)


def _row(one: CaseComparison) -> list[str]:
    interval = "" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
    verdict = WORDS[one.verdict]
    if one.samples_needed:
        verdict += f", {one.samples_needed} a side needed"
    return [
        one.case.id,
        "" if one.ratio is None else f"{one.ratio:.3f}",
        interval,
        f"{len(one.base_ms)} and {len(one.new_ms)}",
        verdict,
    ]

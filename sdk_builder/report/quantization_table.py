"""What quantization changes: paired differences, with what may and may not be said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdk_builder.benchmark.analysis.shift import holm
from sdk_builder.evaluation.results import Comparison
from sdk_builder.report.content import Cell, Column, Table
from sdk_builder.report.numbers import counted
from sdk_builder.report.paper_inputs import Series
from sdk_builder.report.paper_tables import NOT_MEASURED, fine, metric_cell, number

LEVEL = 0.05
SHOWN = "a difference was shown"
NOTE = (
    "Difference: the first bundle minus the second, over the same items; shares in percentage "
    "points, with a confidence interval. p: of no difference, then adjusted by Holm for {tests} "
    "together, since one in twenty comes out below 0.05 by chance alone. "
    "'Nothing was shown' is not 'nothing changed': a change smaller than the interval may be there."
)


@dataclass(frozen=True)
class Judged:
    """A comparison with its adjusted p-value (None: it has none) and what may be said of it."""

    found: Comparison
    adjusted: float | None
    verdict: str


def judge(comparisons: Sequence[Comparison]) -> tuple[Judged, ...]:
    """All comparisons together: Holm's adjustment is over those that have a p-value."""
    p_values = [one.p_value for one in comparisons if one.p_value is not None]
    adjusted = iter(holm(p_values))
    made = []
    for one in comparisons:
        p = None if one.p_value is None else next(adjusted)
        made.append(Judged(one, p, _verdict(one, p)))
    return tuple(made)


def _verdict(found: Comparison, adjusted: float | None) -> str:
    """In words. An interval with 0 in it, or on its edge, shows nothing, whatever p says."""
    if found.difference is None:
        return "not measured"
    if found.low is not None and found.high is not None and found.low <= 0 <= found.high:
        return "nothing was shown: the interval includes 0"
    if adjusted is None:
        if found.low is None or found.high is None:
            return "nothing can be said: no interval, no test"
        return "differs by its interval; not tested"
    if adjusted < LEVEL:
        return SHOWN
    return "nothing was shown, taking all tests together"


def quantization(judged: Sequence[Judged]) -> Table:
    """One row a comparison."""
    tests = sum(one.adjusted is not None for one in judged)
    columns = (
        *(Column("Suite and metric"), Column("Group"), Column("Compared")),
        *(Column("Difference", "number"), Column("p", "number"), Column("p, Holm", "number")),
        *(Column("Items changed", "number"), Column("What it says")),
    )
    return Table(
        "paper-quantization",
        "What quantization changes",
        columns,
        tuple(map(_row, judged)),
        NOTE.format(tests=counted(tests, "test")),
        "Not measured: no file has a comparison of two bundles on the same items.",
    )


def _row(one: Judged) -> tuple[Cell, ...]:
    found = one.found
    changed = "not counted" if found.changed is None else f"{found.changed} of {found.items}"
    return (
        Cell(f"{one.found.suite} {found.metric}".strip()),
        Cell(found.group),
        Cell(f"{found.of} − {found.against}"),
        _difference(one),
        Cell(show_p(found.p_value)),
        Cell(show_p(one.adjusted)),
        Cell(changed),
        Cell(one.verdict),
    )


def _difference(one: Judged) -> Cell:
    found = one.found
    if found.difference is None:
        return NOT_MEASURED
    times, unit = (100.0, " pp") if found.unit == "share" else (1.0, "")
    written = number if found.unit in ("share", "score") else fine

    def shown(value: float) -> str:
        return signed(value * times, written)

    spread = (
        "no interval"
        if found.low is None or found.high is None
        else f"{shown(found.low)} to {shown(found.high)}"
    )
    return Cell(f"{shown(found.difference)}{unit}", f"{spread}\nn={found.items}", "measured")


def signed(value: float, written: Callable[[float], str] = number) -> str:
    """A difference with its sign; 0 has none."""
    text = written(value)
    return f"+{text}" if value > 0 and float(text) != 0 else text


def show_p(value: float | None) -> str:
    """A p-value for people."""
    if value is None:
        return "none"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def against_float(series: Sequence[Series]) -> Table:
    """Perplexity against the float model on the same text, where it was measured."""
    names = ("perplexity", "perplexity_ratio", "kl")
    rows = tuple(
        (
            Cell(one.label, f"measured here: {one.detail}"),
            *(
                NOT_MEASURED
                if (found := one.find("perplexity", name)) is None
                else metric_cell(found, percent=False)
                for name in names
            ),
        )
        for one in series
        if one.metrics("perplexity")
    )
    return Table(
        "paper-perplexity",
        "Perplexity against the float model",
        (
            Column("Model"),
            Column("Perplexity", "number"),
            Column("Ratio to the float model's", "number"),
            Column("KL, nats a token", "number"),
        ),
        rows,
        "Ratio: 1 is no loss. KL: 0 is no difference. n counts tokens. No such number of "
        "the paper is recorded here.",
        "Not measured: no perplexity result was given.",
    )

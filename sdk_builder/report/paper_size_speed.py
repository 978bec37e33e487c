"""Figures 5 and 6 as tables: the paper's rows, then ours, each cell marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdk_builder.report import paper
from sdk_builder.report.content import Cell, Column, Table
from sdk_builder.report.dataset import Dataset, model_name
from sdk_builder.report.numbers import MIB, headline_case, show, show_range, summary_of
from sdk_builder.report.paper_inputs import Sized
from sdk_builder.report.paper_tables import NOT_IN_PAPER, NOT_MEASURED

SIZE_FORMATS = {"none": "FP32", "q8": "Q8", "q5": "Q5", "q4": "Q4"}


def fp32_bytes(own: Sequence[Sized]) -> float:
    """A model's size in full precision: its bundle's, or else 4 bytes a parameter."""
    measured = [one.size_bytes for one in own if one.scheme == "none"]
    return max(measured) if measured else 4 * own[0].parameters


def size_table(found: Sequence[Sized]) -> Table:
    """Figure 5: a row a model, a column a format; bundles alike in both are listed together."""
    claim = Cell(f"about {paper.Q4_TIMES_SMALLER:g}× smaller than FP32", "", "published")
    quoted = (Cell("The paper's statement", "the paper, Figure 5"), *[NOT_IN_PAPER] * 3, claim)
    models = dict.fromkeys((one.model, one.parameters) for one in found)
    ours = []
    for model, parameters in models:
        own = [one for one in found if (one.model, one.parameters) == (model, parameters)]
        cells = (_size(own, scheme) for scheme in SIZE_FORMATS)
        ours.append((Cell(model, f"{parameters:,} parameters"), *cells))
    nothing = [(Cell("Ours", "no bundle was given"), *[NOT_MEASURED] * len(SIZE_FORMATS))]
    return Table(
        "paper-sizes",
        "Figure 5: size by format",
        (Column("Model"), *(Column(f"{name}, MiB", "number") for name in SIZE_FORMATS.values())),
        (quoted, *(ours or nothing)),
        "Size of the program file, exact. ×: times smaller than FP32, which is 4 bytes a parameter "
        "where no FP32 bundle was given.",
    )


def _size(own: Sequence[Sized], scheme: str) -> Cell:
    there = [one for one in own if one.scheme == scheme]
    if not there:
        return NOT_MEASURED
    full = fp32_bytes(own)
    texts = [show(one.size_bytes / MIB) for one in there]
    details = [
        ("" if scheme == "none" else f"{full / one.size_bytes:.1f}×, ")
        + f"n=1, identity {one.identity[:8]}"
        for one in there
    ]
    return Cell(" or ".join(texts), "\n".join(details), "measured")


def speed_table(dataset: Dataset) -> Table:
    """Figure 6: decode tokens/s by hardware."""
    quoted = (
        (
            Cell(rate.hardware, "the paper, Figure 6"),
            Cell(rate.label),
            Cell(f"{rate.rate:g}", "", "published"),
        )
        for rate in paper.FIGURE_6
    )
    nothing = (Cell("Ours", "no benchmark result was given"), Cell(""), NOT_MEASURED)
    ours = tuple(_speeds(dataset))
    return Table(
        "paper-speeds",
        "Figure 6: tokens/s by hardware",
        (Column("Hardware"), Column("Model and format"), Column("Decode, tokens/s", "number")),
        (*quoted, *(ours or (nothing,))),
        "The paper's hardware and models are others; no spread of its numbers is recorded here.",
    )


def _speeds(dataset: Dataset) -> Iterator[tuple[Cell, ...]]:
    for result in dataset.results:
        series = headline_case(result, "decode")
        numbers = summary_of(series) if series else None
        name = Cell(f"{model_name(result)} {dataset.format_name(result)}")
        if series is None or numbers is None:
            value = Cell("not measured", "no valid decode sample", "missing")
        else:
            spread = f"{show_range(numbers.low, numbers.high)}\nn={numbers.n}, {series.case.id}"
            value = Cell(show(numbers.median), spread, "measured")
        yield Cell(dataset.device_name(result), dataset.run_mark(result)), name, value

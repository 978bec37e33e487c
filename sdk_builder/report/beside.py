"""What a report says of measurements beside other tools: a table and a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdk_builder.benchmark.side_by_side import SUFFIX, Comparison, SideBySide, Verdict, read
from sdk_builder.errors import InputError
from sdk_builder.evaluation.results import is_evaluation
from sdk_builder.report.content import Cell, Column, Provenance, Table, Warned
from sdk_builder.report.drawing import Drawing
from sdk_builder.report.fields import Field
from sdk_builder.report.numbers import counted, show, show_range, when

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Beside other tools"
NOTE = (
    "Medians over pairs, ours and the peer's in turn; below each ratio its quartiles and the "
    "number of pairs n. A verdict is of the median ratio."
)
METHOD = (
    "Beside other tools: both sides run in turn in the same minutes on the same machine, and what "
    "counts is the ratio of each pair, since a shared machine's speed drifts by more than the "
    "tools differ."
)
_ROW_IN, _LEFT_IN, _RIGHT_IN = 0.24, 2.35, 0.7
_LONGEST_LABEL = 42
_SHADES: dict[Verdict, str] = {
    "aim met": "q5",
    "floor met": "q4",
    "floor missed": "bad",
    "no target": "none",
}


def separate(paths: Sequence[Path]) -> tuple[list[Path], tuple[SideBySide, ...]]:
    """The files of runs, and the side-by-side results among `paths`. Raises InputError."""
    for path in paths:
        if path.suffix == SUFFIX and is_evaluation(path):
            raise InputError(
                f"{path} is an evaluation result.",
                "Add --paper for a report of evaluations, beside the paper's numbers.",
            )
    runs = [path for path in paths if path.suffix != SUFFIX]
    return runs, tuple(read(path) for path in paths if path.suffix == SUFFIX)


def comparisons(files: Sequence[SideBySide]) -> tuple[Comparison, ...]:
    """All of them in the files' order; a later file's replaces an earlier one's of the same."""
    found = {
        (one.model, one.measure, one.peer_name): one for file in files for one in file.comparisons
    }
    return tuple(sorted(found.values(), key=lambda one: one.model))


def lead(files: Sequence[SideBySide]) -> tuple[str, ...]:
    """How many targets are met."""
    aimed = [one.verdict for one in comparisons(files) if one.verdict != "no target"]
    met, aims = sum(v != "floor missed" for v in aimed), aimed.count("aim met")
    if not aimed:
        return ()
    return (
        f"Beside other tools: {met} of {counted(len(aimed), 'floor')} met; {aims} of these reach "
        "the aim, too.",
    )


def warnings(files: Sequence[SideBySide]) -> tuple[Warned, ...]:
    """What weakens the numbers."""
    where = tuple(
        f"{_label(file)}, others used {file.busy_share:.0%} of the processor"
        for file in files
        if file.busy
    )
    text = (
        "The machine was busy: ratios of speed are unreliable, most of all with several threads, "
        "since tools differ in how much they lose while one thread waits for another."
    )
    return (Warned(text, where),) if where else ()


def table(files: Sequence[SideBySide]) -> Table:
    """One row a comparison."""
    columns = (
        Column("Measure"),
        Column("Ours", "number"),
        Column("Peer", "number"),
        Column("Ours / peer", "number"),
        Column("Floor", "number"),
        Column("Aim", "number"),
        Column("Verdict"),
    )
    return Table("beside", TITLE, columns, tuple(map(_row, comparisons(files))), NOTE)


def _row(one: Comparison) -> tuple[Cell, ...]:
    spread = "" if one.low == one.high else f"{show_range(one.low, one.high)}\n"
    sign = "≤" if one.better == "lower" else "≥"
    return (
        Cell(one.title, one.model),
        Cell(show(one.ours), one.unit),
        Cell(show(one.peer), one.peer_name),
        Cell(f"{one.ratio:.3f}", f"{spread}n={one.repetitions}"),
        Cell("none" if one.floor is None else f"{sign} {one.floor:g}"),
        Cell("none" if one.aim is None else f"{sign} {one.aim:g}"),
        Cell(one.verdict),
    )


FIELDS: tuple[Field[Comparison], ...] = (
    Field("model", "", "text", "What was measured", lambda one: one.model),
    Field("measure", "", "text", "Its short name", lambda one: one.measure),
    Field("title", "", "text", "Its name for people", lambda one: one.title),
    Field("unit", "", "text", "Unit of ours and peer", lambda one: one.unit),
    Field("peer_name", "", "text", "The tool compared with", lambda one: one.peer_name),
    Field("ours", "as unit says", "number", "Our median", lambda one: one.ours),
    Field("peer", "as unit says", "number", "The peer's median", lambda one: one.peer),
    Field("ratio", "", "number", "Median of ours / peer", lambda one: one.ratio),
    Field("low", "", "number", "Its lower quartile", lambda one: one.low),
    Field("high", "", "number", "Its upper quartile", lambda one: one.high),
    Field("repetitions", "", "integer", "Number of pairs", lambda one: one.repetitions),
    Field("better", "", "text", "Which way is good", lambda one: one.better),
    Field("floor", "", "number", "Ratio to reach at least", lambda one: one.floor),
    Field("aim", "", "number", "Ratio wanted", lambda one: one.aim),
    Field("verdict", "", "text", "Which target is met", lambda one: one.verdict),
)


def provenance(files: Sequence[SideBySide]) -> tuple[Provenance, ...]:
    """Where each file's numbers come from, with the conditions of each comparison."""
    return tuple(Provenance(_label(file), tuple(_facts(file))) for file in files)


def _label(file: SideBySide) -> str:
    return f"{file.script}, {when(file.started_at)}"


def _facts(file: SideBySide) -> Iterator[tuple[str, str]]:
    yield "Machine", file.machine
    if file.busy_share is not None:
        yield "Used by others", f"{file.busy_share:.0%} of the processor, just before the pairs"
    yield "Took", f"{file.duration_s:.0f} s"
    yield from file.versions.items()
    for one in file.comparisons:
        if one.conditions:
            told = "; ".join(f"{name}: {value}" for name, value in one.conditions.items())
            yield f"{one.title} ({one.model})", told


# --- the figure -------------------------------------------------------------------------


def draw(files: Sequence[SideBySide]) -> Drawing | None:
    """A dot and its quartiles for each comparison, with its floor and aim."""
    from sdk_builder.report.style import add_axes, house_style, new_figure, shade

    found = comparisons(files)
    if not found:
        return None
    rows = _rows(found)
    with house_style():
        height = 0.5 + len(rows) * _ROW_IN + 1.05
        note = (
            "Dot: median of the ratio. Line: its quartiles. Right of 1: better than the peer.\n"
            "Upright: the floor; dotted: the aim. Red: floor missed, blue: met, green: aim met."
        )
        figure = new_figure(height, TITLE, note)
        axes = add_axes(figure, 0.45, len(rows) * _ROW_IN, left=_LEFT_IN, right=_RIGHT_IN)
        axes.set_xscale("log", base=2)
        axes.axvline(1.0, color=shade("soft"), linewidth=1.0)
        for index, row in enumerate(rows):
            if not isinstance(row, str):
                _draw_row(axes, row, index)
        _scales(axes, rows)
    caption = (
        "How much better each measure is than the peer's, from pairs measured in turn: the ratio, "
        "or one over it where less is better, with its quartiles; floors and aims are what was set "
        "beforehand."
    )
    return Drawing("beside", TITLE, caption, figure)


def _draw_row(axes: Axes, one: Comparison, index: int) -> None:
    from sdk_builder.report.style import gid, shade

    colour = shade(_SHADES[one.verdict])
    ends = sorted((one.advantage(one.low), one.advantage(one.high)))
    (line,) = axes.plot(ends, [index, index], color=colour, linewidth=1.8, solid_capstyle="butt")
    line.set_gid(gid("beside", one.model, one.measure))
    axes.plot([one.advantage(one.ratio)], [index], marker="o", markersize=5, color=colour)
    for limit, style in ((one.floor, "-"), (one.aim, ":")):
        if limit is not None:
            at = one.advantage(limit)
            axes.plot(
                [at, at], [index - 0.34, index + 0.34], style, color=shade("ink"), linewidth=1
            )
    axes.text(
        1.02,
        index,
        f"{one.ratio:.2f} ×",
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8,
        color=shade("ink"),
    )


def _rows(found: Sequence[Comparison]) -> list[Comparison | str]:
    """The comparisons, a heading before each model's where there are several."""
    models = dict.fromkeys(one.model for one in found)
    if len(models) == 1:
        return [*found]
    rows: list[Comparison | str] = []
    for model in models:
        rows += [model, *(one for one in found if one.model == model)]
    return rows


def _scales(axes: Axes, rows: Sequence[Comparison | str]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from sdk_builder.report.style import shade, short

    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)))
    labels = [row if isinstance(row, str) else row.title for row in rows]
    axes.set_yticklabels([short(label, _LONGEST_LABEL) for label in labels], fontsize=7)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if isinstance(row, str) else "normal")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=shade("grid"), linewidth=0.8)
    axes.set_xlabel("better than the peer by", fontsize=8, labelpad=2)

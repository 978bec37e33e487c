"""Small multiples, one panel a device: lines over an axis, or every sample over the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdk_builder.report.style import WIDTH_IN, add_axes, gid, new_figure, shade, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_IN, GAP_IN = 1.4, 0.58  # a panel's height, and what is between two of them
TITLE_IN, LEGEND_ROW_IN = 0.42, 0.2
LEFT_IN, RIGHT_IN = 0.62, 0.2


@dataclass(frozen=True)
class Point:
    """What is at one x: `value` on the line with its interval, and the samples behind it."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None
    samples: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """One series; `crossed` are (x, y) of its samples that do not count."""

    label: str
    colour: str
    marker: str
    points: tuple[Point, ...]
    crossed: tuple[tuple[float, float], ...] = ()
    marker_pt: float = 4.2


@dataclass(frozen=True)
class Facet:
    """One panel. `limit` is a horizontal line with its text."""

    heading: str
    lines: tuple[Line, ...]
    limit: tuple[float, str] | None = None


@dataclass(frozen=True)
class Axis:
    """What the panels have in common; `ticks` None lets the data choose."""

    x: str
    y: str
    from_zero: bool = True
    ticks: tuple[float, ...] | None = None
    whole_x: bool = False


def draw(title: str, note: str, axis: Axis, facets: Sequence[Facet], crosses: str = "") -> Figure:
    """The figure; `crosses` is what crosses mean in its legend."""
    entries = _entries(facets, crosses)
    columns = _columns(entries)
    rows = -(-len(entries) // columns)
    note_in = 0.08 + 0.16 * (note.count("\n") + 1) + 0.1
    legend_in = TITLE_IN + rows * LEGEND_ROW_IN + 0.34
    height = legend_in + len(facets) * (PANEL_IN + GAP_IN) - 0.2 + note_in
    figure = new_figure(height, title, note)
    _legend(figure, entries, columns)
    for index, facet in enumerate(facets):
        top = legend_in + index * (PANEL_IN + GAP_IN)
        axes = add_axes(figure, top, PANEL_IN, left=LEFT_IN, right=RIGHT_IN)
        _draw_facet(axes, facet, axis)
        if index == len(facets) - 1:
            axes.set_xlabel(axis.x, fontsize=8, labelpad=2)
    return figure


def _entries(facets: Sequence[Facet], crosses: str) -> list[Line | str]:
    """Each label once, in order of appearance; then what a cross is, if one is there."""
    lines = {line.label: line for facet in facets for line in facet.lines}
    entries: list[Line | str] = list(lines.values())
    if crosses and any(line.crossed for facet in facets for line in facet.lines):
        entries.append(crosses)
    return entries


def _columns(entries: Sequence[Line | str]) -> int:
    """As many as the legend's texts leave room for."""
    longest = max(len(e if isinstance(e, str) else short(e.label, 34)) for e in entries)
    letters = sum(len(e if isinstance(e, str) else short(e.label, 34)) + 6 for e in entries)
    return len(entries) if letters <= 72 else max(1, 72 // (longest + 6))


def _legend(figure: Figure, entries: Sequence[Line | str], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker="x", color=shade("bad"), label=entry)
        if isinstance(entry, str)
        else Line2D(
            [],
            [],
            linewidth=1.5,
            marker=entry.marker,
            markersize=5,
            color=entry.colour,
            label=short(entry.label, 34),
        )
        for entry in entries
    ]
    height = figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.06 / WIDTH_IN, 1 - (TITLE_IN - 0.06) / height),
        ncol=columns,
        frameon=False,
        fontsize=8,
        labelcolor=shade("ink"),
        handlelength=1.8,
        columnspacing=1.4,
        borderpad=0.1,
        labelspacing=0.35,
    )


def _draw_facet(axes: Axes, facet: Facet, axis: Axis) -> None:
    axes.set_gid(gid("facet", facet.heading))
    axes.text(
        -LEFT_IN / (WIDTH_IN - LEFT_IN - RIGHT_IN) * 0.8,
        1.06,
        short(facet.heading, 62),
        transform=axes.transAxes,
        ha="left",
        va="bottom",
        fontsize=8.5,
        fontweight="bold",
        color=shade("ink"),
    )
    for line in facet.lines:
        _draw_line(axes, line)
    _scales(axes, facet, axis)
    if facet.limit:
        _limit(axes, *facet.limit)


def _draw_line(axes: Axes, line: Line) -> None:
    for point in line.points:
        if point.low is not None and point.high is not None:
            axes.plot([point.x] * 2, [point.low, point.high], color=line.colour, linewidth=1.4)
        axes.plot(
            [point.x] * len(point.samples),
            point.samples,
            linestyle="none",
            marker="o",
            markersize=2.4,
            markerfacecolor="none",
            markeredgecolor=line.colour,
            markeredgewidth=0.6,
            zorder=3,
        )
    axes.plot(
        [point.x for point in line.points],
        [point.value for point in line.points],
        linewidth=1.3,
        marker=line.marker,
        markersize=line.marker_pt,
        color=line.colour,
        label=line.label,
        zorder=4,
    )
    if line.crossed:
        xs, ys = zip(*line.crossed, strict=True)
        # The format's own mark below the cross says whose sample it was.
        axes.plot(
            xs,
            ys,
            linestyle="none",
            marker=line.marker,
            markersize=line.marker_pt + 1.5,
            markerfacecolor="none",
            markeredgecolor=line.colour,
            zorder=5,
        )
        axes.plot(
            xs,
            ys,
            linestyle="none",
            marker="x",
            markersize=5.5,
            markeredgewidth=1.5,
            color=shade("bad"),
            label="invalid",
            zorder=6,
        )


def _scales(axes: Axes, facet: Facet, axis: Axis) -> None:
    values = [
        v
        for line in facet.lines
        for p in line.points
        for v in (p.value, p.low, p.high, *p.samples)
        if v is not None
    ]
    values += [y for line in facet.lines for _, y in line.crossed]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if axis.from_zero:
        axes.set_ylim(0, high * 1.08 or 1.0)
    else:
        room = max((high - low) * 0.12, 1.0)
        axes.set_ylim(low - room, high + room)
    if axis.ticks is not None:
        axes.set_xticks(axis.ticks)
        spread = (max(axis.ticks) - min(axis.ticks)) or 1.0
        axes.set_xlim(min(axis.ticks) - 0.04 * spread, max(axis.ticks) + 0.04 * spread)
    elif axis.whole_x:
        axes.locator_params(axis="x", integer=True)
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y", color=shade("grid"), linewidth=0.8)
    axes.set_ylabel(axis.y, fontsize=8)


def _limit(axes: Axes, value: float, text: str) -> None:
    """A limit is drawn where it is in sight, else it is only named at the upper edge."""
    if value <= axes.get_ylim()[1]:
        axes.axhline(value, color=shade("bad"), linewidth=1.0, linestyle=(0, (4, 2)))
        axes.text(
            1.0,
            value,
            text,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="bottom",
            fontsize=7,
            color=shade("bad"),
        )

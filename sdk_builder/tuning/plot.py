"""The front as a figure in the house style: perplexity over size. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdk_builder.report.style import (
    WIDTH_IN,
    add_axes,
    format_colour,
    format_marker,
    house_style,
    new_figure,
    shade,
    short,
)
from sdk_builder.tuning.choice import Limits, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

_TOP_IN, _AXES_IN, _FOOT_IN = 0.78, 3.1, 1.0
_ROOM = 0.07  # beside the outermost points, as a share of their spread
_LABEL_LETTERS = 30


def draw_front(model: str, rows: Sequence[Row], recommended: Row | None, limits: Limits) -> Figure:
    """Every measured candidate, the front as a line, the limits; at least one is measured."""
    points = [row for row in rows if row.measured is not None]
    front = sorted((row for row in points if row.on_front), key=lambda row: row.size_bytes)
    note = (
        "Up and to the right is worse. Filled: on the front, where no other candidate is\n"
        "both smaller and better; hollow: beaten. Perplexity of the program on the text,\n"
        "over the float model's, with its standard error."
    )
    with house_style():
        figure = new_figure(
            _TOP_IN + _AXES_IN + _FOOT_IN, f"{short(model)}: size and quality", note
        )
        axes = add_axes(figure, _TOP_IN, _AXES_IN, left=0.62, right=0.2)
        _scales(axes, points, limits)
        axes.step(
            [_mb(row) for row in front],
            [row.ratio or 0.0 for row in front],
            where="post",
            color=shade("soft"),
            linewidth=1.0,
            zorder=2,
        )
        for row in points:
            _point(axes, row, ringed=row is recommended)
        _labels(axes, front, points)
        _limits(axes, limits)
        _legend(figure, points, recommended)
    return figure


def _mb(row: Row) -> float:
    return row.size_bytes / 1e6


def _scales(axes: Axes, points: Sequence[Row], limits: Limits) -> None:
    """Around the points, and the limits where they are near."""
    xs = [_mb(row) for row in points]
    ys = [row.ratio or 0.0 for row in points]
    axes.set_xlim(*_around(xs, limits.size_bytes and limits.size_bytes / 1e6))
    axes.set_ylim(*_around(ys, limits.ratio))
    axes.grid(color=shade("grid"), linewidth=0.8)
    axes.set_xlabel("model.pte, MB", fontsize=8, labelpad=2)
    axes.set_ylabel("perplexity ÷ float model's", fontsize=8)


def _around(values: Sequence[float], limit: float | None) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    if limit is not None and low - spread <= limit <= high + spread:
        low, high = min(low, limit), max(high, limit)
    return low - _ROOM * spread, high + _ROOM * spread


def _point(axes: Axes, row: Row, *, ringed: bool) -> None:
    quant = row.planned.candidate.quant
    colour = format_colour(quant)
    at = ([_mb(row)], [row.ratio or 0.0])
    if ringed:
        axes.plot(
            *at,
            linestyle="none",
            marker="o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor=shade("ink"),
            markeredgewidth=1.2,
            zorder=3,
        )
    error = (row.measured and row.measured.ratio_stderr) or 0.0
    y = row.ratio or 0.0
    axes.plot(at[0] * 2, [y - error, y + error], color=colour, linewidth=1.2, zorder=3)
    axes.plot(
        *at,
        linestyle="none",
        marker=format_marker(quant),
        markersize=5.5,
        markerfacecolor=colour if row.on_front else shade("paper"),
        markeredgecolor=colour,
        markeredgewidth=1.2,
        zorder=4,
    )


def _labels(axes: Axes, front: Sequence[Row], points: Sequence[Row]) -> None:
    """Names of the front's candidates, each at the corner of its point that hides least."""
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    marks = [axes.transData.transform((_mb(row), row.ratio or 0.0)) for row in points]
    taken: list[Bbox] = []
    for row in front:
        label = axes.annotate(
            short(row.planned.candidate.name, _LABEL_LETTERS),
            (_mb(row), row.ratio or 0.0),
            xytext=_CORNERS[0][:2],
            textcoords="offset points",
            fontsize=7,
            color=shade("ink"),
            path_effects=[withStroke(linewidth=2.5, foreground=shade("paper"))],
            zorder=5,
        )
        found: list[tuple[int, int, Bbox]] = []
        for index, corner in enumerate(_CORNERS):
            _put(label, corner)
            box = label.get_window_extent()
            hidden = sum(box.contains(*mark) for mark in marks) + sum(map(box.overlaps, taken))
            outside = not (axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1)
            found.append((hidden + 10 * outside, index, box))
        _, index, box = min(found, key=lambda one: one[:2])
        _put(label, _CORNERS[index])
        taken.append(box)


# Offsets in points, and which edges of the text are there.
_CORNERS = (
    (6, 5, "left", "bottom"),
    (-6, -5, "right", "top"),
    (6, -5, "left", "top"),
    (-6, 5, "right", "bottom"),
    (6, 14, "left", "bottom"),
    (-6, -14, "right", "top"),
)


def _put(label: Annotation, corner: tuple[float, float, str, str]) -> None:
    x, y, horizontal, vertical = corner
    label.set(position=(x, y), horizontalalignment=horizontal, verticalalignment=vertical)


def _limits(axes: Axes, limits: Limits) -> None:
    """Dashed where they are in sight."""
    style: dict[str, Any] = {"color": shade("bad"), "linewidth": 1.0, "linestyle": (0, (4, 2))}
    words: dict[str, Any] = {"color": shade("bad"), "fontsize": 7}
    low, high = axes.get_xlim()
    if limits.size_bytes is not None and low <= limits.size_bytes / 1e6 <= high:
        x = limits.size_bytes / 1e6
        axes.axvline(x, **style)
        axes.text(x, 1.0, "limit", transform=axes.get_xaxis_transform(), ha="center", **words)
    low, high = axes.get_ylim()
    if limits.ratio is not None and low <= limits.ratio <= high:
        axes.axhline(limits.ratio, **style)
        right = axes.get_yaxis_transform()
        axes.text(1.0, limits.ratio, "limit", transform=right, ha="right", va="bottom", **words)


def _legend(figure: Figure, points: Sequence[Row], recommended: Row | None) -> None:
    from matplotlib.lines import Line2D

    def handle(label: str, marker: str, colour: str, size: float, *, filled: bool) -> Line2D:
        return Line2D(
            [],
            [],
            linestyle="none",
            marker=marker,
            markersize=size,
            markerfacecolor=colour if filled else "none",
            markeredgecolor=colour,
            label=label,
        )

    quants = dict.fromkeys(row.planned.candidate.quant for row in points)
    handles = [
        handle(quant, format_marker(quant), format_colour(quant), 5.5, filled=True)
        for quant in quants
    ]
    if recommended is not None:
        handles.append(handle("recommended", "o", shade("ink"), 9, filled=False))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.06 / WIDTH_IN, 1 - 0.36 / figure.get_figheight()),
        ncol=len(handles),
        frameon=False,
        fontsize=8,
        labelcolor=shade("ink"),
        columnspacing=1.4,
        handletextpad=0.2,
        borderpad=0.1,
    )

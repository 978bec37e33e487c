"""Horizontal bars in groups: a median, its interval, and every sample behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sdk_builder.report.style import (
    LEFT_IN,
    RIGHT_IN,
    add_axes,
    gid,
    new_figure,
    shade,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_IN, GROUP_IN = 0.25, 0.3
TOP_IN, AXIS_IN, PANEL_TITLE_IN = 0.45, 0.5, 0.42
BAR = 0.7  # of a row
LONGEST, LETTER_IN = 18, 0.075  # a row label's letters, and what one takes
Fill = Literal["solid", "hollow", "empty"]
_WORDS_PT = 58  # what the words of a row without a value take
# Behind text, so that no line of the grid runs through it.
_PATCH = {"facecolor": shade("paper"), "edgecolor": "none", "pad": 1.0}


@dataclass(frozen=True)
class Bar:
    """One row: `value` as a bar, low..high as a line, `samples` as dots.

    `text` is the value in words and `remark` what stands behind it ("n=5").
    hollow: not measured here; drawn hatched, without a fill. empty: there is no value; `text`
    says so where the bar would be.
    """

    label: str
    value: float
    text: str
    remark: str
    colour: str
    low: float | None = None
    high: float | None = None
    samples: tuple[float, ...] = ()
    fill: Fill = "solid"


@dataclass(frozen=True)
class Group:
    """Rows under a heading."""

    heading: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Reference:
    """A vertical line across one group at `value`, explained by `text`."""

    group: int
    value: float
    text: str


@dataclass(frozen=True)
class Panel:
    """Groups on one axis."""

    name: str
    unit: str
    groups: tuple[Group, ...]
    title: str = ""
    references: tuple[Reference, ...] = ()

    @property
    def height_in(self) -> float:
        """Height of its axes."""
        rows = sum(len(group.bars) for group in self.groups)
        return rows * ROW_IN + len(self.groups) * GROUP_IN + 0.08


def draw(title: str, note: str, panels: Sequence[Panel]) -> Figure:
    """The figure of these panels, one below the other, each on a scale from 0."""
    note_in = 0.16 * (note.count("\n") + 1) + 0.1
    titles = sum(PANEL_TITLE_IN for panel in panels if panel.title)
    height = TOP_IN + titles + note_in + sum(panel.height_in + AXIS_IN for panel in panels)
    figure = new_figure(height, title, note)
    longest = max(len(short(b.label, LONGEST)) for p in panels for g in p.groups for b in g.bars)
    left = max(LEFT_IN, 0.2 + longest * LETTER_IN)
    top = TOP_IN
    for panel in panels:
        if panel.title:
            _panel_title(figure, top, panel.title)
            top += PANEL_TITLE_IN
        axes = add_axes(figure, top, panel.height_in, left=left, right=RIGHT_IN)
        _draw_panel(axes, panel, left)
        top += panel.height_in + AXIS_IN
    return figure


def _panel_title(figure: Figure, top_in: float, text: str) -> None:
    height = figure.get_figheight()
    figure.text(
        0.12 / figure.get_figwidth(),
        1 - (top_in + 0.1) / height,
        text,
        ha="left",
        va="top",
        fontsize=9,
        fontstyle="italic",
        color=shade("ink"),
    )


def _draw_panel(axes: Axes, panel: Panel, left_in: float) -> None:
    """Rows are one unit high, the first at the top; y grows downwards."""
    y = 0.0
    axes.set_gid(gid("panel", panel.name))
    for index, group in enumerate(panel.groups):
        y += GROUP_IN / ROW_IN
        _heading(axes, y, group.heading, left_in)
        first = y
        for bar in group.bars:
            _draw_bar(axes, y + 0.5, bar)
            y += 1.0
        for reference in panel.references:
            if reference.group == index:
                _draw_reference(axes, reference, group.bars[-1], first, y)
    reach = [v for g in panel.groups for b in g.bars for v in (b.value, b.high, *b.samples) if v]
    axes.set_xlim(0, 1.04 * max(reach, default=1.0))
    axes.set_ylim(y + 0.15, 0)
    axes.set_yticks([])
    axes.grid(axis="x", color=shade("grid"), linewidth=0.8)
    axes.set_xlabel(panel.unit, fontsize=8)
    if reach:
        axes.locator_params(axis="x", nbins=6)
    else:
        axes.set_xticks([])  # a scale of nothing


def _heading(axes: Axes, y: float, text: str, left_in: float) -> None:
    axes.text(
        -(left_in - 0.12) / _width_in(axes),
        y - 0.2,
        short(text, 58),
        transform=axes.get_yaxis_transform(),
        ha="left",
        va="bottom",
        fontsize=8.5,
        fontweight="bold",
        color=shade("ink"),
        bbox=_PATCH,
        zorder=6,
    )


def empty_bar(label: str, text: str = "not measured") -> Bar:
    """A row without a value, said in words."""
    return Bar(label, 0.0, text, "", shade("soft"), fill="empty")


def _draw_empty(axes: Axes, y: float, bar: Bar) -> None:
    inches = _width_in(axes)
    for place_in, align, text, style in (
        (-0.07, "right", short(bar.label, LONGEST), "normal"),
        (0.07, "left", bar.text, "italic"),
    ):
        axes.text(
            place_in / inches,
            y,
            text,
            transform=axes.get_yaxis_transform(),
            ha=align,
            va="center",
            fontsize=8,
            fontstyle=style,
            color=shade("ink" if align == "right" else "soft"),
            bbox=None if align == "right" else _PATCH,
            gid=None if align == "right" else gid("empty", bar.label),
            zorder=5,
        )


def _draw_bar(axes: Axes, y: float, bar: Bar) -> None:
    if bar.fill == "empty":
        _draw_empty(axes, y, bar)
        return
    hollow = bar.fill == "hollow"
    drawn = axes.barh(
        y,
        bar.value,
        height=BAR,
        color="none" if hollow else bar.colour,
        edgecolor=bar.colour,
        linewidth=1.0,
        hatch="////" if hollow else None,
        label=bar.label,
    )
    drawn[0].set_gid(gid("bar", bar.label))
    _draw_spread(axes, y, bar)
    inches = _width_in(axes)
    for place_in, align, text in (
        (-0.07, "right", short(bar.label, LONGEST)),
        (inches + 0.45, "right", bar.text),
        (inches + 0.53, "left", bar.remark),
    ):
        axes.text(
            place_in / inches,
            y,
            text,
            transform=axes.get_yaxis_transform(),
            ha=align,
            va="center",
            fontsize=8,
            color=shade("ink"),
        )


def _draw_spread(axes: Axes, y: float, bar: Bar) -> None:
    """The interval in the upper half of the bar, the samples in the lower: neither hides one."""
    if bar.low is not None and bar.high is not None:
        upper = y - BAR * 0.22
        axes.plot([bar.low, bar.high], [upper] * 2, color=shade("ink"), linewidth=1.5)
        for end in (bar.low, bar.high):
            axes.plot([end] * 2, [upper - 0.12, upper + 0.12], color=shade("ink"), linewidth=1.2)
    count = len(bar.samples)
    axes.plot(
        bar.samples,
        [y + BAR * (0.06 + 0.36 * (i + 0.5) / count) for i in range(count)],
        linestyle="none",
        marker="o",
        markersize=2.6,
        markerfacecolor=shade("paper"),
        markeredgecolor=shade("ink"),
        markeredgewidth=0.6,
        zorder=4,
        gid="samples",
    )


def _draw_reference(axes: Axes, reference: Reference, last: Bar, top: float, bottom: float) -> None:
    """A dashed line over a group's rows; its text stands behind the last bar, or its words."""
    axes.plot(
        [reference.value] * 2,
        [top, bottom],
        color=shade("ink"),
        linewidth=1.3,
        linestyle=(0, (3, 2)),
        zorder=3,
    )
    axes.annotate(
        reference.text,
        (max(reference.value, last.value), bottom - 0.5),
        xytext=(_WORDS_PT if last.fill == "empty" else 5, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=7.5,
        fontstyle="italic",
        color=shade("soft"),
        bbox=_PATCH,
    )


def _width_in(axes: Axes) -> float:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().width * figure.get_figwidth())

"""Figures 1 to 6 of the paper, with what was measured here.

A solid bar was measured here, a hatched one is the paper's, and words stand where there is neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sdk_builder.evaluation.results import Metric
from sdk_builder.report import bars, figures, paper
from sdk_builder.report.drawing import Drawing
from sdk_builder.report.numbers import MIB, show
from sdk_builder.report.paper_inputs import Inputs, Series, Sized
from sdk_builder.report.paper_size_speed import SIZE_FORMATS, fp32_bytes
from sdk_builder.report.paper_tables import in_percent, number, task_of
from sdk_builder.report.paper_values import (
    FIGURES,
    METRICS,
    NOT_RECORDED,
    PEERS,
    TABLE_3,
    Measure,
    PaperFigure,
    PaperTable,
)
from sdk_builder.report.style import format_colour, house_style, lines_of, shade

_SOLID = "Solid: measured here. Line: its confidence interval. n: items."
_HALF = len(PEERS) // 2


def draw_all(inputs: Inputs) -> tuple[Drawing, ...]:
    """All six figures, and Table 3 as one; each is there whatever was measured."""
    with house_style():
        benchmarks = [benchmark(figure, inputs.series) for figure in FIGURES]
        title = "Figure 6: tokens/s by hardware"
        speed = figures.decode(inputs.dataset, title=title, always=True)
        assert speed is not None  # always
        named = replace(speed, name="paper-figure-6", title=title)
        return (*benchmarks, sizes(inputs.sizes), named, accuracy(TABLE_3, inputs.series))


# --- Figures 1 to 4 ---------------------------------------------------------------------------


def benchmark(figure: PaperFigure, series: Sequence[Series]) -> Drawing:
    """One of Figures 1 to 4: a bar a bundle under each of lm-eval's tasks."""
    groups: list[bars.Group] = []
    missing: list[bars.Bar] = []
    for task in figure.tasks:
        names = sorted(
            {
                metric.group
                for one in series
                for metric in one.metrics("lm-eval")
                if task_of(metric.group) == (figure.number, task)
            }
        )
        groups += [group for name in names for group in _task_group(task.title, name, series)]
        if not names:
            missing.append(bars.empty_bar(task.title))
    if missing:
        groups.append(bars.Group("Not measured here", tuple(missing)))
    note = lines_of(
        [
            _SOLID,
            f"The paper's models ({NOT_RECORDED}):",
            f"Shakti, {', '.join(PEERS[:_HALF])},",
            f"{', '.join(PEERS[_HALF:])}.",
        ]
    )
    drawn = bars.draw(figure.title, note, [bars.Panel(figure.name, "%", tuple(groups))])
    caption = (
        f"{figure.title}. Solid bars were measured here by lm-eval. The paper's values are not "
        f"drawn: {NOT_RECORDED}. Which benchmarks stand in this figure is chosen here."
    )
    return Drawing(figure.name, figure.title, caption, drawn)


def _task_group(title: str, task: str, series: Sequence[Series]) -> Iterator[bars.Group]:
    """The bars of one of lm-eval's tasks; nothing where no bundle has a value."""
    found = [(one, metric) for one in series if (metric := _chosen_metric(one, task))]
    if found:
        names = " or ".join(dict.fromkeys(metric.metric for _, metric in found))
        yield bars.Group(f"{title}: {task}, {names}", tuple(_bar(*pair) for pair in found))


def _chosen_metric(series: Series, task: str) -> Metric | None:
    """The metric that a task's bar is of: the first of METRICS that it has, else its first."""
    there = [
        metric
        for metric in series.metrics("lm-eval")
        if metric.group == task and metric.value is not None
    ]

    def rank(metric: Metric) -> int:
        name = metric.metric.split(" ")[0]
        return METRICS.index(name) if name in METRICS else len(METRICS)

    return min(there, key=rank, default=None)


def _bar(series: Series, metric: Metric) -> bars.Bar:
    assert metric.value is not None  # so it was chosen
    times = 100.0 if in_percent(metric) else 1.0
    low, high = (None if end is None else end * times for end in (metric.low, metric.high))
    return bars.Bar(
        # In front: a long name is cut at its end.
        f"{series.scheme} · {series.label.replace(f' {series.scheme}', '', 1)}",
        metric.value * times,
        number(metric.value * times),
        f"n={metric.items}",
        format_colour(series.scheme),
        # A normal interval of few items may reach below 0, where there is no accuracy.
        None if low is None else max(0.0, low),
        high,
    )


# --- Table 3 as a figure ------------------------------------------------------------------------


def accuracy(table: PaperTable, series: Sequence[Series]) -> Drawing:
    """A table of the paper whose measures are all in percent, as bars."""
    groups = tuple(
        bars.Group(measure.title.removesuffix(", %"), tuple(_both(table, measure, series)))
        for measure in table.measures
    )
    note = lines_of([_SOLID, f"Hatched: {paper.MARK} ({paper.SOURCE}, Table {table.number})."])
    drawn = bars.draw(table.title, note, [bars.Panel(table.name, "%", groups)])
    caption = (
        f"{table.title}. Hatched: published by the paper, without an interval. Solid: measured "
        "here, with its interval and its number of items."
    )
    return Drawing(table.name, table.title, caption, drawn)


def _both(table: PaperTable, measure: Measure, series: Sequence[Series]) -> Iterator[bars.Bar]:
    for model in table.models:
        value = table.value(model, measure)
        if value is not None:
            yield bars.Bar(model, value, f"{value:g}", "paper", shade("soft"), fill="hollow")
    found = [
        (one, metric)
        for one in series
        if (metric := one.find(measure.suite, measure.metric, measure.group))
    ]
    yield from (_bar(*pair) for pair in found)
    if not found:
        yield bars.empty_bar("ours")


# --- Figure 5 -------------------------------------------------------------------------------------


def sizes(found: Sequence[Sized]) -> Drawing:
    """Figure 5: each model's program in FP32, Q8, Q5 and Q4, and the paper's claim as a line."""
    models = list(dict.fromkeys((one.model, one.parameters) for one in found))
    groups: list[bars.Group] = []
    references: list[bars.Reference] = []
    for model, parameters in models:
        own = [one for one in found if (one.model, one.parameters) == (model, parameters)]
        fp32 = fp32_bytes(own) / MIB
        claim = fp32 / paper.Q4_TIMES_SMALLER
        references.append(bars.Reference(len(groups), claim, "paper's Q4: about FP32 / 8"))
        heading = f"{model}, {parameters / 1e6:.1f} M parameters"
        groups.append(bars.Group(heading, tuple(_size_bars(own, fp32))))
    if not groups:
        nothing = tuple(map(bars.empty_bar, SIZE_FORMATS.values()))
        groups.append(bars.Group("No bundle was given", nothing))
    panel = bars.Panel("sizes", "MiB", tuple(groups), references=tuple(references))
    note = lines_of(
        [
            "Solid: size of the program file, measured here; exact, n = 1. ×: times smaller than",
            "FP32, which is 4 bytes a parameter where no FP32 bundle was given.",
            f"Dashed: {paper.MARK}: Q4 about 8× smaller",
            f"({paper.SOURCE}, Figure 5).",
        ]
    )
    title = "Figure 5: size by format"
    caption = (
        "Figure 5: size of the program file in each format (exact). The dashed line is published "
        "by the paper, not measured here: Q4 about 8 times smaller than FP32."
    )
    return Drawing("paper-figure-5", title, caption, bars.draw(title, note, [panel]))


def _size_bars(own: Sequence[Sized], fp32: float) -> Iterator[bars.Bar]:
    """The four formats in the paper's order, then any others."""
    others = [one.scheme for one in own if one.scheme not in SIZE_FORMATS]
    for scheme in dict.fromkeys((*SIZE_FORMATS, *others)):
        label = SIZE_FORMATS.get(scheme, scheme)
        there = [one for one in own if one.scheme == scheme]
        if not there:
            yield bars.empty_bar(label)
        for one in there:
            mib = one.size_bytes / MIB
            times = "FP32" if scheme == "none" else f"{fp32 / mib:.1f}×"
            mark = f" [{one.identity[:8]}]" if len(there) > 1 else ""
            yield bars.Bar(f"{label}{mark}", mib, show(mib), times, format_colour(scheme))

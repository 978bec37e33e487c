"""The tables of a report beside the paper. Each row is of one series, and each cell is marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdk_builder.benchmark.analysis.energy import NotMeasured
from sdk_builder.evaluation.results import ALL, Metric
from sdk_builder.report import paper
from sdk_builder.report.content import Cell, Column, Table
from sdk_builder.report.dataset import Dataset, Result
from sdk_builder.report.fields import CaseRow
from sdk_builder.report.numbers import headline_case, show
from sdk_builder.report.paper_inputs import Inputs, Series
from sdk_builder.report.paper_values import (
    FIGURES,
    NOT_RECORDED,
    PEERS,
    Measure,
    PaperTable,
    Task,
)

NOT_MEASURED = Cell("not measured", "", "missing")
NOT_IN_PAPER = Cell("no number recorded", "", "missing")


def paper_table(table: PaperTable, series: Sequence[Series]) -> Table:
    """The paper's rows, then a row a bundle; at least one, that says that nothing was measured."""
    shown = [m for m in table.measures if _any_value(table, m, series)]
    quoted = tuple(_published_row(table, model, shown) for model in table.models)
    ours = tuple(
        (
            Cell(one.label, f"measured here: {one.detail}"),
            *(_measured(one, m) for m in shown),
        )
        for one in series
    )
    nothing = ((Cell("Ours", "no evaluation was given"), *[NOT_MEASURED] * len(shown)),)
    return Table(
        table.name,
        table.title,
        (Column("Model"), *(Column(m.title, "number") for m in shown)),
        (*quoted, *(ours or nothing)),
        table.note,
    )


def _any_value(table: PaperTable, measure: Measure, series: Sequence[Series]) -> bool:
    return any(table.value(model, measure) is not None for model in table.models) or any(
        one.find(measure.suite, measure.metric, measure.group) for one in series
    )


def _published_row(table: PaperTable, model: str, shown: Sequence[Measure]) -> tuple[Cell, ...]:
    values = [table.value(model, measure) for measure in shown]
    return (
        Cell(model, f"the paper, Table {table.number}"),
        *(
            NOT_IN_PAPER if value is None else Cell(f"{value:g}", "", "published")
            for value in values
        ),
    )


def _measured(series: Series, measure: Measure) -> Cell:
    found = series.find(measure.suite, measure.metric, measure.group)
    return NOT_MEASURED if found is None else metric_cell(found, measure.scale == "percent")


def metric_cell(found: Metric, percent: bool) -> Cell:
    """A metric that was measured here, with its interval and n."""
    if found.value is None:
        return Cell("not measured", f"n={found.items}", "missing")
    times = 100.0 if percent else 1.0
    written = number if found.unit in ("share", "score") else fine
    spread = (
        "no interval"
        if found.low is None or found.high is None
        else f"{written(found.low * times)} to {written(found.high * times)}"
    )
    return Cell(written(found.value * times), f"{spread}\nn={found.items}", "measured")


def fine(value: float) -> str:
    """A ratio or nats for people: three digits that count, since these may be small."""
    text = show(value)
    return text.removeprefix("-") if float(text) == 0 else text


def number(value: float) -> str:
    """A score for people: two digits after the point below 10, else one; never a minus zero."""
    text = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text


def in_percent(metric: Metric) -> bool:
    """Whether a metric is shown times 100."""
    return metric.unit == "share"


# --- by category ----------------------------------------------------------------------------

BBQ_METRICS = {
    "accuracy": "Accuracy, %",
    "accuracy_ambiguous": "Ambiguous: accuracy, %",
    "accuracy_disambiguated": "Disambiguated: accuracy, %",
    "bias_ambiguous": "Ambiguous: bias",
    "bias_disambiguated": "Disambiguated: bias",
}
CROWS_METRICS = {
    "stereotype_share": "Stereotypes, %",
    "likelihood_difference": "Likelihood difference, nats",
}


def by_category(suite: str, series: Sequence[Series]) -> Table:
    """A suite's metrics in each of its groups, bundle after bundle; `suite` is of two."""
    titles = BBQ_METRICS if suite == "bbq" else CROWS_METRICS
    name = "BBQ" if suite == "bbq" else "CrowS-Pairs"
    rows = tuple(
        (
            Cell(one.label),
            Cell(group),
            *(_category(one, suite, metric, group) for metric in titles),
        )
        for one in series
        for group in _groups(one, suite)
    )
    note = "No number of the paper by category is recorded here." + (
        " Bias: from -1 to 1, above 0 where answers agree with a stereotype; 0 is best."
        if suite == "bbq"
        else " 50 % and 0 are best."
    )
    return Table(
        f"paper-{suite}-categories",
        f"{name} by category",
        (
            *(Column("Model"), Column("Category", "code")),
            *(Column(title, "number") for title in titles.values()),
        ),
        rows,
        note,
        f"Not measured: no result of {name} was given. No number of the paper by category is "
        "recorded here, either.",
    )


def _groups(series: Series, suite: str) -> list[str]:
    """The suite's groups, the one of everything first."""
    found = dict.fromkeys(one.group for one in series.metrics(suite))
    return sorted(found, key=lambda group: (group != ALL, group))


def _category(series: Series, suite: str, metric: str, group: str) -> Cell:
    found = series.find(suite, metric, group)
    if found is None:
        return NOT_MEASURED
    return metric_cell(found, metric.startswith("accuracy") or metric == "stereotype_share")


# --- Figures 1 to 4 ---------------------------------------------------------------------------


def task_of(name: str) -> tuple[int, Task] | None:
    """The figure and the benchmark that a task of lm-eval belongs to; the first that fits."""
    return next(
        ((figure.number, task) for figure in FIGURES for task in figure.tasks if task.holds(name)),
        None,
    )


def scores(series: Sequence[Series]) -> Table:
    """Every score of lm-eval, with the figure that it is drawn in."""
    columns = (
        *(Column("Task", "code"), Column("Metric", "code"), Column("Model")),
        *(Column("Measured", "number"), Column("Stands in")),
    )
    rows = sorted(
        (
            (place[0] if (place := task_of(metric.group)) else 9, metric.group, metric.metric, i)
            for i, one in enumerate(series)
            for metric in one.metrics("lm-eval")
        ),
    )
    return Table(
        "paper-scores",
        "Figures 1 to 4: every lm-eval score",
        columns,
        tuple(_score_row(series[i], group, metric, place) for place, group, metric, i in rows),
        "A share is shown in percent.",
        "Not measured: no lm-eval result was given.",
    )


def _score_row(series: Series, group: str, name: str, place: int) -> tuple[Cell, ...]:
    metric = next(
        one for one in series.metrics("lm-eval") if (one.group, one.metric) == (group, name)
    )
    percent = in_percent(metric)
    return (
        Cell(group),
        Cell(name + (", %" if percent else "")),
        Cell(series.label),
        metric_cell(metric, percent),
        Cell(f"Figure {place}" if place < 9 else "no figure of the paper"),
    )


def peers(inputs: Inputs) -> Table:
    """The models of the paper's Figures 1 to 4, and whether one of ours is the same."""
    rows = []
    for model in ("Shakti-100M", "Shakti-250M", "Shakti-500M", *PEERS):
        ours = [
            one.label
            for one in inputs.series
            if one.metrics("lm-eval") and _plain(one.results[0].name).startswith(_plain(model))
        ]
        measured = Cell(", ".join(ours), "", "measured") if ours else NOT_MEASURED
        rows.append((Cell(model), Cell(NOT_RECORDED, "", "missing"), measured))
    return Table(
        "paper-peers",
        "Figures 1 to 4: the paper's models",
        (Column("Model"), Column("In the paper"), Column("Here, by lm-eval")),
        tuple(rows),
        "The values of these figures were not at hand as numbers, so none is shown. A model of "
        "ours is the same by its name.",
    )


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


# --- energy -------------------------------------------------------------------------------------

_KINDS = {"phone": "Any phone", "host": "This machine"}


def energy(dataset: Dataset, rows: Sequence[CaseRow]) -> Table:
    """J/token and g CO2e of 1,000 tokens of each run's headline decode; phones and hosts."""
    found = [_energy_row(dataset, result, rows) for result in dataset.results]
    there = {result.run.device.kind for result in dataset.results}
    for kind, name in _KINDS.items():
        if kind not in there:
            reason = f"no benchmark result of a {kind} was given"
            missing = Cell("not measured", reason, "missing")
            found.append((Cell(name), missing, NOT_MEASURED))
    grid = f" ({rows[0].grid_g_per_kwh:g} g/kWh)" if rows else ""
    return Table(
        "paper-energy",
        "Energy and carbon",
        (
            Column("Device and bundle"),
            Column("Energy, J/token", "number"),
            Column(f"CO2e, g per 1,000 tokens{grid}", "number"),
        ),
        tuple(found),
        "While decoding, the whole device: its screen, too. Losses while charging come on top. The "
        "paper speaks of energy and carbon as a reason for small models; no number of it is "
        "recorded here.",
    )


def _energy_row(dataset: Dataset, result: Result, rows: Sequence[CaseRow]) -> tuple[Cell, ...]:
    label = Cell(dataset.label(result))
    series = headline_case(result, "decode")
    row = next((one for one in rows if one.series == series), None)
    if row is None:
        return label, Cell("not measured", "no valid decode sample", "missing"), NOT_MEASURED
    if isinstance(row.energy, NotMeasured):
        return label, Cell("not measured", row.energy.reason, "missing"), NOT_MEASURED
    assert row.co2e_g is not None  # the energy is measured
    how = f"{row.energy.method.replace('_', ' ')}, no interval\nn={row.energy.samples}"
    return (
        label,
        Cell(show(row.energy.mj_per_token / 1000), how, "measured"),
        Cell(show(row.co2e_g / 1000), f"n={row.energy.samples}", "measured"),
    )


# --- what there is --------------------------------------------------------------------------------


def overview(inputs: Inputs, tables: Sequence[PaperTable]) -> Table:
    """One row for each table and figure of the paper: what is published, what was measured."""
    series = inputs.series
    rows: list[tuple[Cell, ...]] = []
    for table in tables:
        count = sum(
            one.find(m.suite, m.metric, m.group) is not None
            for one in series
            for m in table.measures
        )
        published = Cell(_values(len(table.published)), ", ".join(table.models), "published")
        rows.append((Cell(table.title), published, _counted(count)))
    for figure in FIGURES:
        count = sum(_of_figure(one, figure.number) for one in series)
        unknown = Cell("value not recorded here", "", "missing")
        rows.append((Cell(figure.title), unknown, _counted(count)))
    rows += _figures_5_and_6(inputs)
    return Table(
        "paper-overview",
        "What is compared",
        (Column("In the paper"), Column("Published values"), Column("Measured here")),
        tuple(rows),
        "Every value says whose it is; no row or bar mixes them. Drawn, the paper's are hatched "
        "and ours are solid; where there is neither, words say so.",
    )


def _of_figure(series: Series, number_of: int) -> int:
    places = (task_of(metric.group) for metric in series.metrics("lm-eval"))
    return sum(place is not None and place[0] == number_of for place in places)


def _figures_5_and_6(inputs: Inputs) -> Iterator[tuple[Cell, ...]]:
    claim = f"Q4 about {paper.Q4_TIMES_SMALLER:g} times smaller than FP32"
    sizes, runs = inputs.sizes, inputs.dataset.results
    yield Cell("Figure 5: size by format"), Cell(claim, "", "published"), _counted(len(sizes))
    rates = sum(headline_case(result, "decode") is not None for result in runs)
    models = ", ".join(dict.fromkeys(rate.model for rate in paper.FIGURE_6))
    yield (
        Cell("Figure 6: tokens/s by hardware"),
        Cell(_values(len(paper.FIGURE_6)), models, "published"),
        _counted(rates),
    )


def _counted(count: int) -> Cell:
    return Cell(_values(count), "", "measured") if count else NOT_MEASURED


def _values(count: int) -> str:
    return f"{count} value" if count == 1 else f"{count} values"

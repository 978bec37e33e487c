"""Every value of a report beside the paper as one row of paper.csv, marked as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdk_builder.evaluation.results import ALL
from sdk_builder.report import paper
from sdk_builder.report.content import Mark
from sdk_builder.report.fields import Field
from sdk_builder.report.numbers import headline_case, summary_of
from sdk_builder.report.paper_inputs import Inputs, Series
from sdk_builder.report.paper_size_speed import SIZE_FORMATS
from sdk_builder.report.paper_tables import task_of
from sdk_builder.report.paper_values import FIGURES, TABLES, PaperTable
from sdk_builder.report.quantization_table import Judged

_TABLE_OF = {(m.suite, m.metric, m.group): table for table in TABLES for m in table.measures}
_CSV_MARKS: dict[Mark, str] = {
    "": "",
    "measured": "measured here",
    "published": "published by the paper",
    "missing": "not measured",
}


@dataclass(frozen=True)
class Record:
    """One value; `unit` is that of value, low and high."""

    place: str  # in the paper: "Table 2"; "" where it has none
    mark: Mark
    model: str
    scheme: str = ""
    identity: str = ""
    where: str = ""  # device or hardware
    suite: str = ""
    metric: str = ""
    group: str = ALL
    value: float | None = None
    low: float | None = None
    high: float | None = None
    items: int | None = None
    unit: str = ""


FIELDS: tuple[Field[Record], ...] = (
    Field("place", "", "text", "Table or figure of the paper", lambda r: r.place),
    Field("mark", "", "text", "Whose value it is", lambda r: _CSV_MARKS[r.mark]),
    Field("model", "", "text", "The model", lambda r: r.model),
    Field("scheme", "", "text", "Its format", lambda r: r.scheme),
    Field("identity", "", "text", "The bundle's identity", lambda r: r.identity),
    Field("where", "", "text", "Device or hardware", lambda r: r.where),
    Field("suite", "", "text", "Suite of the metric", lambda r: r.suite),
    Field("metric", "", "text", "What was measured", lambda r: r.metric),
    Field("group", "", "text", "Domain, category or task", lambda r: r.group),
    Field("value", "as unit says", "number", "The value", lambda r: r.value),
    Field("low", "as unit says", "number", "Its interval's lower end", lambda r: r.low),
    Field("high", "as unit says", "number", "Its interval's upper end", lambda r: r.high),
    Field("items", "", "integer", "How many items or samples", lambda r: r.items),
    Field("unit", "", "text", "Unit of the value", lambda r: r.unit),
)
JUDGED_FIELDS: tuple[Field[Judged], ...] = (
    Field("suite", "", "text", "Suite of the metric", lambda j: j.found.suite),
    Field("metric", "", "text", "What was compared", lambda j: j.found.metric),
    Field("group", "", "text", "Category or task", lambda j: j.found.group),
    Field("of", "", "text", "The first bundle", lambda j: j.found.of),
    Field("against", "", "text", "The second", lambda j: j.found.against),
    Field(
        *("difference", "as unit says", "number", "First minus second"),
        lambda j: j.found.difference,
    ),
    Field("low", "as unit says", "number", "Its lower end", lambda j: j.found.low),
    Field("high", "as unit says", "number", "Its upper end", lambda j: j.found.high),
    Field("p_value", "", "number", "Of no difference", lambda j: j.found.p_value),
    Field("p_holm", "", "number", "Adjusted for all tests", lambda j: j.adjusted),
    Field("items", "", "integer", "Items of both", lambda j: j.found.items),
    Field("changed", "", "integer", "Items that differ", lambda j: j.found.changed),
    Field("unit", "", "text", "Unit of the difference", lambda j: j.found.unit),
    Field("verdict", "", "text", "What it says", lambda j: j.verdict),
)


def records(inputs: Inputs) -> Iterator[Record]:
    """All of them: the paper's, ours, and what was not measured."""
    for table in TABLES:
        yield from _published(table)
    for series in inputs.series:
        yield from _measured(series)
    yield from _missing(inputs)
    yield from _sizes(inputs)
    yield from _rates(inputs)


def _published(table: PaperTable) -> Iterator[Record]:
    for one in table.published:
        m = one.measure
        # Whether the paper's likelihood difference is in nats is not known.
        unit = {"score": "score", "percent": "percent", "nats": "not recorded"}[m.scale]
        place = f"Table {table.number}"
        yield Record(
            *(place, "published", one.model),
            suite=m.suite,
            metric=m.metric,
            group=m.group,
            value=one.value,
            unit=unit,
        )


def _measured(series: Series) -> Iterator[Record]:
    for suite in dict.fromkeys(result.suite for result in series.results):
        for one in series.metrics(suite):
            mark: Mark = "missing" if one.value is None else "measured"
            yield Record(
                *(_place(suite, one.metric, one.group), mark, series.results[0].name),
                scheme=series.scheme,
                identity=series.identity,
                suite=suite,
                metric=one.metric,
                group=one.group,
                value=one.value,
                low=one.low,
                high=one.high,
                items=one.items,
                unit=one.unit,
            )


def _place(suite: str, metric: str, group: str) -> str:
    if suite == "lm-eval":
        found = task_of(group)
        return "" if found is None else f"Figure {found[0]}"
    table = _TABLE_OF.get((suite, metric, group))
    return "" if table is None else f"Table {table.number}"


def _missing(inputs: Inputs) -> Iterator[Record]:
    """Places of the paper where no bundle has a value."""
    for table in TABLES:
        for m in table.measures:
            if not any(one.find(m.suite, m.metric, m.group) for one in inputs.series):
                place = f"Table {table.number}"
                yield Record(place, "missing", "", suite=m.suite, metric=m.metric, group=m.group)
    measured = {task_of(m.group) for one in inputs.series for m in one.metrics("lm-eval")}
    for figure in FIGURES:
        for task in figure.tasks:
            if (figure.number, task) not in measured:
                place = f"Figure {figure.number}"
                yield Record(place, "missing", "", suite="lm-eval", group=task.title)
    for scheme in SIZE_FORMATS:
        if not any(one.scheme == scheme for one in inputs.sizes):
            yield Record("Figure 5", "missing", "", scheme=scheme, metric="program_size")
    if not any(headline_case(result, "decode") for result in inputs.dataset.results):
        yield Record("Figure 6", "missing", "", metric="decode_rate")


def _sizes(inputs: Inputs) -> Iterator[Record]:
    yield Record(
        *("Figure 5", "published", ""),
        scheme="q4",
        metric="times_smaller_than_fp32",
        value=paper.Q4_TIMES_SMALLER,
        unit="about",
    )
    for one in inputs.sizes:
        yield Record(
            *("Figure 5", "measured", one.model, one.scheme, one.identity),
            metric="program_size",
            value=float(one.size_bytes),
            items=1,
            unit="bytes",
        )


def _rates(inputs: Inputs) -> Iterator[Record]:
    for rate in paper.FIGURE_6:
        yield Record(
            *("Figure 6", "published", rate.model, rate.scheme.lower(), "", rate.hardware),
            metric="decode_rate",
            value=rate.rate,
            unit="tokens/s",
        )
    for result in inputs.dataset.results:
        series = headline_case(result, "decode")
        numbers = summary_of(series) if series else None
        if numbers is None:
            continue
        bundle, device = result.run.bundle, inputs.dataset.device_name(result)
        yield Record(
            *("Figure 6", "measured", bundle.model, bundle.scheme, bundle.identity, device),
            metric="decode_rate",
            value=numbers.median,
            low=numbers.low,
            high=numbers.high,
            items=numbers.n,
            unit="tokens/s",
        )

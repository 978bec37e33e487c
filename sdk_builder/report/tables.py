"""The tables of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sdk_builder.benchmark.analysis.comparison import CaseComparison, Measured, compare
from sdk_builder.benchmark.analysis.energy import NotMeasured
from sdk_builder.benchmark.analysis.statistics import median
from sdk_builder.errors import InputError
from sdk_builder.report import paper
from sdk_builder.report.content import Cell, Column, Table
from sdk_builder.report.dataset import Dataset, Result, unit_of, value_of
from sdk_builder.report.fields import CaseRow
from sdk_builder.report.numbers import (
    MIB,
    headline_case,
    join,
    peak_memory,
    show,
    show_range,
    summary_of,
    when,
)

NO_SAMPLE = Cell("none", "no valid sample")


def headline(dataset: Dataset, rows: Sequence[CaseRow]) -> Table:
    """How fast, how big, how sure: one row a device and bundle."""
    columns = (
        Column("Device and bundle"),
        Column("Decode, tokens/s", "number"),
        Column("Prefill, tokens/s", "number"),
        Column("First token, ms", "number"),
        Column("Load, ms", "number"),
        Column("Peak memory, MiB", "number"),
        Column("File, MiB", "number"),
        Column("Energy, J/token", "number"),
        Column("CO2e, g per million tokens", "number"),
    )
    return Table(
        "summary",
        "How fast, how big, how sure",
        columns,
        tuple(_headline_row(dataset, result, rows) for result in dataset.results),
        "Medians of the valid samples; below each its interval and the number of samples n. An "
        "interval covers 95 % at best, with 5 samples 93.8 %, with 3 only 75 %. Energy is the "
        "whole device's while it decodes, screen included.",
    )


def _headline_row(dataset: Dataset, result: Result, rows: Sequence[CaseRow]) -> tuple[Cell, ...]:
    what = join(
        dataset.bundle_name(result),
        dataset.run_mark(result),
        "untrained weights" if result.run.bundle.untrained else "",
    )
    peaks = peak_memory(result)
    memory = (
        Cell(show(max(peaks)), f"largest of n={len(peaks)}")
        if peaks
        else Cell("not measured", "" if result.valid else "no valid sample")
    )
    return (
        Cell(dataset.device_name(result), what),
        *(_measured(result, kind) for kind in ("decode", "prefill", "ttft", "load")),
        memory,
        Cell(show(result.run.bundle.program_size_bytes / MIB), "exact"),
        *_energy(result, rows),
    )


def _measured(result: Result, kind: str) -> Cell:
    series = headline_case(result, kind)
    numbers = summary_of(series) if series else None
    if series is None or numbers is None:
        planned = any(case.kind == kind for case in result.run.plan.cases)
        return NO_SAMPLE if planned else Cell("not measured", "not in the plan")
    count = f"n={numbers.n}" if kind == "load" else f"n={numbers.n}, {series.case.id}"
    return Cell(show(numbers.median), f"{show_range(numbers.low, numbers.high)}\n{count}")


def _energy(result: Result, rows: Sequence[CaseRow]) -> tuple[Cell, Cell]:
    """J/token and g CO2e of the decode case in the headline."""
    series = headline_case(result, "decode")
    row = next((r for r in rows if r.series == series), None)
    if row is None:
        return NO_SAMPLE, NO_SAMPLE
    if isinstance(row.energy, NotMeasured):
        return Cell("not measured", row.energy.reason), Cell("not measured")
    method = row.energy.method.replace("_", " ")
    assert row.co2e_g is not None  # the energy is measured
    return (
        Cell(show(row.energy.mj_per_token / 1000), f"{method}\nn={row.energy.samples}"),
        Cell(show(row.co2e_g), f"{row.grid_g_per_kwh:g} g/kWh"),
    )


def cases(dataset: Dataset, rows: Iterable[CaseRow]) -> Table:
    """Every planned case of every run."""
    names = ("n", "Median", "Interval of the median", "Covers", "Trimmed mean", "Quartiles")
    columns = (Column("Device and bundle"), Column("Case", "code"))
    return Table(
        "cases",
        "Every case",
        (*columns, *(Column(name, "number") for name in names), Column("Unit", "code")),
        tuple(_case_row(dataset, row) for row in rows),
        "Case: kind-tokens, @ tokens in the KV cache before, / threads. Trimmed mean: without the "
        "lowest and the highest fifth. The interval is a bootstrap's; it covers the true median in "
        "that share of cases at best.",
    )


def _case_row(dataset: Dataset, row: CaseRow) -> tuple[Cell, ...]:
    series, numbers = row.series, row.summary
    planned = series.result.run.plan.rounds
    count = Cell(str(len(series.valid)), f"of {planned}" if len(series.valid) < planned else "")
    label = Cell(dataset.label(series.result))
    unit = Cell(unit_of(series.case))
    if numbers is None:
        return label, Cell(series.case.id), count, *[Cell("none")] * 5, unit
    return (
        label,
        Cell(series.case.id),
        count,
        Cell(show(numbers.median)),
        Cell(show_range(numbers.low, numbers.high)),
        Cell(f"{numbers.coverage:.1%}"),
        Cell(show(numbers.trimmed_mean)),
        Cell(show_range(numbers.q25, numbers.q75)),
        unit,
    )


def invalid(dataset: Dataset) -> Table:
    """The samples that do not count, with their reasons."""
    found = tuple(
        (
            Cell(dataset.label(result)),
            Cell(sample.case.id),
            Cell(str(sample.round + 1)),
            Cell(f"{show(value_of(sample))} {unit_of(sample.case)}"),
            Cell(sample.invalid_reason or ""),
            Cell(when(sample.at)),
        )
        for result in dataset.results
        for sample in result.invalid
    )
    columns = (
        *(Column("Device and bundle"), Column("Case", "code"), Column("Round", "number")),
        *(Column("Measured", "number"), Column("Why it does not count"), Column("At", "code")),
    )
    title = "Invalid samples"
    return Table("invalid", title, columns, found, "Kept here, counted nowhere.", "None.")


def failures(dataset: Dataset) -> Table:
    """What went wrong."""
    found = tuple(
        (
            Cell(dataset.label(result)),
            Cell(failure.cause),
            Cell(failure.message),
            Cell(failure.case.id if failure.case else ""),
            Cell(str(failure.round + 1)),
            Cell(when(failure.at)),
        )
        for result in dataset.results
        for failure in result.failures
    )
    columns = (
        *(Column("Device and bundle"), Column("Cause", "code"), Column("Message")),
        *(Column("Case", "code"), Column("Round", "number"), Column("At", "code")),
    )
    return Table("failures", "Failures", columns, found, "", "None.")


def missing(dataset: Dataset) -> Table:
    """The planned samples that nobody measured."""
    found = tuple(
        (
            Cell(dataset.label(result)),
            Cell(series.case.id),
            Cell(f"{len(series.missing_rounds)} of {result.run.plan.rounds}"),
            Cell(", ".join(str(index + 1) for index in series.missing_rounds)),
        )
        for result in dataset.results
        for series in result.series
        if series.missing_rounds
    )
    columns = (
        *(Column("Device and bundle"), Column("Case", "code")),
        *(Column("Missing", "number"), Column("Rounds")),
    )
    note = "The same shakti-sdk bench command goes on with its result file and measures these."
    return Table("missing", "Missing samples", columns, found, note if found else "", "None.")


def quoted() -> Table:
    """The paper's rates, for the text and apart from what was measured."""
    rows = tuple(
        (Cell(r.hardware), Cell(r.label), Cell(f"{r.rate:g}"), Cell(paper.MARK))
        for r in paper.FIGURE_6
    )
    columns = (Column("Hardware"), Column("Model"), Column("tokens/s", "number"), Column("Source"))
    note = f"{paper.SOURCE}, Figure 6. Other hardware and other models; no spread is given."
    return Table("paper", "The paper's speeds", columns, rows, note)


# --- against a baseline -----------------------------------------------------------------


def baseline(dataset: Dataset, base: Dataset) -> tuple[Table, tuple[str, ...]]:
    """Each result against the base results of the same device, model and format; and warnings."""
    rows: list[tuple[Cell, ...]] = []
    warnings: list[str] = []
    for result in dataset.results:
        same = [other for other in base.results if _like(other, result)]
        if not same:
            warnings.append(f"{dataset.label(result)} has no baseline.")
            continue
        sides = [Measured(other.run, other.samples) for other in same]
        try:
            compared = compare(sides, [Measured(result.run, result.samples)])
        except InputError as error:
            warnings.append(
                f"{dataset.label(result)} cannot be compared with its baseline: {error.message}"
            )
            continue
        rows += [_compared_row(dataset.label(result), case) for case in compared.cases]
    columns = (
        *(Column("Device and bundle"), Column("Case", "code"), Column("Base, ms", "number")),
        *(Column("Now, ms", "number"), Column("Now / base", "number"), Column("Verdict")),
    )
    note = (
        "Durations: a ratio above 1 is slower. A verdict is a test at 95 % confidence, 3 % margin."
    )
    table = Table("baseline", "Against the baseline", columns, tuple(rows), note, "Nothing.")
    return table, tuple(warnings)


def _like(base: Result, new: Result) -> bool:
    def key(result: Result) -> tuple[str, ...]:
        run = result.run
        return (run.device.kind, run.device.id, run.bundle.model, run.bundle.scheme)

    return key(base) == key(new)


def _compared_row(label: str, case: CaseComparison) -> tuple[Cell, ...]:
    interval = show_range(case.low, case.high) if case.low and case.high else ""
    return (
        Cell(label),
        Cell(case.case.id),
        _side(case.base_ms),
        _side(case.new_ms),
        Cell(f"{case.ratio:.3f}" if case.ratio else "none", interval),
        Cell(case.verdict.replace("_", " ")),
    )


def _side(values: Sequence[float]) -> Cell:
    return Cell(show(median(values)) if values else "none", f"n={len(values)}")

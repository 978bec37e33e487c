"""A report that sets results beside the Shakti paper's, in the paper's own arrangement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH, GRID_SOURCE
from sdk_builder.evaluation.results import SuiteResult
from sdk_builder.report import paper, remarks
from sdk_builder.report.content import Content, Provenance, Warned
from sdk_builder.report.fields import CASE_FIELDS, SAMPLE_FIELDS, CaseRow, case_rows, sample_rows
from sdk_builder.report.numbers import counted
from sdk_builder.report.paper_inputs import Inputs, Series, read_inputs
from sdk_builder.report.paper_records import FIELDS, JUDGED_FIELDS, records
from sdk_builder.report.paper_size_speed import size_table, speed_table
from sdk_builder.report.paper_tables import (
    by_category,
    energy,
    overview,
    paper_table,
    peers,
    scores,
)
from sdk_builder.report.paper_values import CHOSEN, TABLES
from sdk_builder.report.quantization_table import SHOWN, Judged, against_float, judge, quantization
from sdk_builder.report.records_out import to_csv
from sdk_builder.report.write import (
    FORMATS,
    Written,
    check_target,
    check_wishes,
    matplotlib_needed,
    put,
)

if TYPE_CHECKING:
    from sdk_builder.report.drawing import Drawing

TITLE = "Beside the Shakti paper"


def write_paper_report(
    results: Sequence[Path],
    output: Path,
    *,
    formats: Collection[str] = FORMATS,
    title: str | None = None,
    grid_g_per_kwh: float = DEFAULT_GRID_G_PER_KWH,
    force: bool = False,
) -> Written:
    """Write the report of `results` into the folder `output`.

    results: evaluations, benchmark results, bundles, and folders of these. grid_g_per_kwh: grams
    of CO2 equivalent of a kWh. Files appear all at the end; an earlier report there is replaced.
    Raises UsageError for an unknown format or a negative grid factor, InputError for a file that
    is none of these, TargetExistsError for a folder with anything else in it unless `force`,
    ToolchainError without matplotlib, OutputError.
    """
    check_wishes(formats, grid_g_per_kwh)
    check_target(output, force=force)
    inputs = read_inputs(results)
    rows = tuple(case_rows(inputs.dataset, grid_g_per_kwh))
    judged = judge(inputs.comparisons)
    drawn = bool({"html", "png", "svg"} & set(formats))
    content = make_content(inputs, rows, judged, title or TITLE, grid_g_per_kwh, drawn=drawn)
    return put(content, output, formats, lambda: _csv(inputs, rows, judged))


def make_content(
    inputs: Inputs,
    rows: Sequence[CaseRow],
    judged: Sequence[Judged],
    title: str,
    grid_g_per_kwh: float,
    *,
    drawn: bool = True,
) -> Content:
    """All that the pages say; figures only if `drawn`. Raises ToolchainError."""
    series, dataset = inputs.series, inputs.dataset
    table_2, table_3, table_4 = (paper_table(table, series) for table in TABLES)
    return Content(
        title=title,
        lead=(*_lead(inputs), *_shown(judged)),
        headline=overview(inputs, TABLES),
        warnings=_warnings(inputs),
        drawings=_draw(inputs) if drawn else (),
        tables=(
            table_2,
            table_3,
            by_category("bbq", series),
            table_4,
            by_category("crows-pairs", series),
            scores(series),
            peers(inputs),
            size_table(inputs.sizes),
            speed_table(dataset),
            quantization(judged),
            against_float(series),
            energy(dataset, rows),
        ),
        method=_method(inputs, grid_g_per_kwh),
        provenance=(
            _the_paper(),
            *map(_provenance, series),
            *_bundles(inputs),
            *remarks.provenance(dataset),
        ),
    )


def _draw(inputs: Inputs) -> tuple[Drawing, ...]:
    with matplotlib_needed():
        from sdk_builder.report.paper_figures import draw_all

        return draw_all(inputs)


def _csv(
    inputs: Inputs, rows: Sequence[CaseRow], judged: Sequence[Judged]
) -> Iterator[tuple[str, bytes]]:
    yield "paper.csv", to_csv(FIELDS, records(inputs))
    yield "comparisons.csv", to_csv(JUDGED_FIELDS, judged)
    if inputs.dataset.results:
        yield "results.csv", to_csv(SAMPLE_FIELDS, sample_rows(inputs.dataset))
        yield "summary.csv", to_csv(CASE_FIELDS, rows)


# --- words ------------------------------------------------------------------------------------


def _lead(inputs: Inputs) -> tuple[str, ...]:
    suites = dict.fromkeys(result.suite for result in inputs.results)
    return (
        f"What was measured here beside what the paper says ({paper.SOURCE}), in its own tables "
        "and figures.",
        f"Given: {counted(len(inputs.series), 'evaluated bundle')}"
        + (f" ({', '.join(suites)})" if suites else "")
        + f", {counted(len(inputs.dataset.results), 'benchmark run')}, "
        f"{counted(len(inputs.sizes), 'program size')}. Shakti's weights are not public: no "
        "difference to the paper's numbers tells of this kit, since models, prompts, judges and "
        "hardware are others.",
    )


def _shown(judged: Sequence[Judged]) -> Iterator[str]:
    """What all comparisons come to, in one sentence."""
    count = sum(one.verdict == SHOWN for one in judged)
    if judged:
        yield (
            f"Between formats, {count} of {counted(len(judged), 'comparison')} showed a "
            "difference, all tests taken together."
        )


def _warnings(inputs: Inputs) -> tuple[Warned, ...]:
    found = [Warned(text) for text in inputs.warnings]
    parts = tuple(
        f"{one.label}, {result.suite}: {data.items} of {data.of}"
        for one in inputs.series
        for result in one.results
        for data in result.data
        if data.items < data.of
    )
    if parts:
        found.append(Warned("Only a part of a suite's items was asked, drawn by a seed.", parts))
    untrained = {one.identity for one in inputs.sizes if one.untrained}
    empty = tuple(one.label for one in inputs.series if one.identity in untrained)
    if empty:
        found.append(Warned("Untrained weights: the quality is that of chance.", empty))
    return (*found, *(remarks.warnings(inputs.dataset) if inputs.dataset.results else ()))


def _method(inputs: Inputs, grid_g_per_kwh: float) -> tuple[str, ...]:
    default = grid_g_per_kwh == DEFAULT_GRID_G_PER_KWH
    speed = (
        remarks.method(inputs.dataset, grid_g_per_kwh)
        if inputs.dataset.results
        else (
            f"CO2e is energy times {grid_g_per_kwh:g} g per kWh"
            + (f" ({GRID_SOURCE})." if default else "."),
        )
    )
    levels = sorted({result.confidence for result in inputs.results}) or [0.95]
    covers = " or ".join(f"{level * 100:g} %" for level in levels)
    return (
        "Every suite ran on the bundle's program itself, the bytes that a phone runs. An interval "
        f"covers the true value with confidence {covers}: it is over the items of the suite, not "
        "over other prompts or other judges.",
        "The paper's numbers are quoted. None of them has an interval or n here.",
        CHOSEN,
        *speed,
    )


def _the_paper() -> Provenance:
    return Provenance(
        "The paper",
        (
            ("Source", paper.SOURCE),
            ("Quoted", "Tables 2, 3 and 4; Figure 5's statement on Q4; Figure 6"),
            ("Not recorded", "the values of Figures 1 to 4, and the sizes of Figure 5"),
        ),
    )


def _provenance(series: Series) -> Provenance:
    one = series.results[0]
    facts = [
        ("Bundle", f"{Path(one.bundle).name}, identity {one.identity}"),
        ("Format", f"{one.scheme}, {one.bits_per_weight:g} bits a weight"),
        ("Program", f"SHA-256 {one.program_sha256}"),
    ]
    facts += [(result.suite, _ran(result)) for result in series.results]
    return Provenance(series.label, tuple(facts))


def _ran(result: SuiteResult) -> str:
    data = "; ".join(
        f"{one.source}, {one.items} of {one.of} items"
        + (f" (seed {one.seed})" if one.items < one.of else "")
        + f", SHA-256 {one.sha256}"
        + (f", {one.licence}" if one.licence else "")
        for one in result.data
    )
    tools = ", ".join(f"{name} {version}" for name, version in sorted(result.tools.items()))
    return "; ".join(part for part in (data, tools) if part) or "no more is known"


def _bundles(inputs: Inputs) -> Iterator[Provenance]:
    """Bundles whose size is shown and of which nothing else is."""
    known = {one.identity for one in inputs.series}
    known |= {result.run.bundle.identity for result in inputs.dataset.results}
    for one in inputs.bundles:
        if one.identity not in known:
            facts = (
                ("Identity", one.identity),
                ("Program", f"{one.size_bytes:,} bytes"),
            )
            yield Provenance(f"{one.model} {one.scheme}", facts)

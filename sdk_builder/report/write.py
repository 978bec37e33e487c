"""Write a report: pages, tables and plots from result files, in one folder."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH
from sdk_builder.benchmark.side_by_side import SideBySide
from sdk_builder.errors import (
    TargetExistsError,
    ToolchainError,
    UsageError,
    output_errors,
)
from sdk_builder.report import beside, remarks, tables
from sdk_builder.report.content import Content, Table, Warned
from sdk_builder.report.dataset import Dataset
from sdk_builder.report.fields import CASE_FIELDS, SAMPLE_FIELDS, CaseRow, case_rows, sample_rows
from sdk_builder.report.html import to_html
from sdk_builder.report.loading import load
from sdk_builder.report.markdown import to_markdown
from sdk_builder.report.records_out import to_csv, to_json

if TYPE_CHECKING:
    from sdk_builder.report.drawing import Drawing

FORMATS = ("html", "md", "csv", "png", "svg")
TITLE = "Benchmark report"
_NAME = re.compile(r"(plots/)?[a-z0-9_.-]+")
MARK = ".shakti-report"  # lists what a report wrote, so that the next one may replace it


@dataclass(frozen=True)
class Written:
    """The files of a report, in the order of `FORMATS`, and what its reader should know."""

    paths: tuple[Path, ...]
    warnings: tuple[str, ...]


def write_report(
    results: Sequence[Path],
    output: Path,
    *,
    formats: Collection[str] = FORMATS,
    title: str | None = None,
    grid_g_per_kwh: float = DEFAULT_GRID_G_PER_KWH,
    base: Sequence[Path] = (),
    force: bool = False,
) -> Written:
    """Write the report of `results` into the folder `output`; `base`: results to compare with.

    grid_g_per_kwh: grams of CO2 equivalent of a kWh. Files appear all at the end; an earlier
    report there is replaced, other files stay. Raises UsageError for an unknown format or a
    negative grid factor, InputError for a file that is no result file, TargetExistsError for a
    folder with anything else in it unless `force`, ToolchainError without matplotlib, OutputError.
    """
    check_wishes(formats, grid_g_per_kwh)
    check_target(output, force=force)
    runs, others = beside.separate(results)
    dataset = load(runs) if runs or not others else Dataset(())
    rows = tuple(case_rows(dataset, grid_g_per_kwh))
    drawn = bool({"html", "png", "svg"} & set(formats))
    heading = title or TITLE
    if dataset.results:
        content = make_content(dataset, rows, heading, grid_g_per_kwh, base, others, drawn=drawn)
    else:
        content = _only_beside(others, heading, drawn=drawn)
    return put(content, output, formats, lambda: _tables(content, dataset, rows, others))


def check_wishes(formats: Collection[str], grid_g_per_kwh: float) -> None:
    """Raise UsageError for a format that there is not, and for an impossible grid factor."""
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        said = f"No report format {', '.join(unknown)}." if unknown else "No report format."
        raise UsageError(said, f"Choose of {', '.join(FORMATS)}.")
    if not 0 <= grid_g_per_kwh < float("inf"):
        raise UsageError(f"A grid factor is a number of at least 0, not {grid_g_per_kwh:g}.")


def make_content(
    dataset: Dataset,
    rows: Sequence[CaseRow],
    title: str,
    grid_g_per_kwh: float,
    base: Sequence[Path] = (),
    others: Sequence[SideBySide] = (),
    *,
    drawn: bool = True,
) -> Content:
    """All that the pages say; figures only if `drawn`. Raises InputError, ToolchainError."""
    compared: tuple[Table, ...] = ()
    said: tuple[str, ...] = ()
    if base:
        table, said = tables.baseline(dataset, load(base))
        compared = (table,)
    if others:
        compared = (beside.table(others), *compared)
    return Content(
        title=title,
        lead=(*remarks.lead(dataset), *beside.lead(others)),
        headline=tables.headline(dataset, rows),
        warnings=(*remarks.warnings(dataset), *map(Warned, said), *beside.warnings(others)),
        drawings=(*_draw_beside(others), *_draw(dataset)) if drawn else (),
        tables=(
            *compared,
            tables.cases(dataset, rows),
            tables.invalid(dataset),
            tables.failures(dataset),
            tables.missing(dataset),
            tables.quoted(),
        ),
        method=(
            *remarks.method(dataset, grid_g_per_kwh),
            *([beside.METHOD] if others else []),
        ),
        provenance=(*remarks.provenance(dataset), *beside.provenance(others)),
    )


def _only_beside(others: Sequence[SideBySide], title: str, *, drawn: bool) -> Content:
    """A report of side-by-side results alone."""
    return Content(
        title=title,
        lead=beside.lead(others),
        headline=beside.table(others),
        warnings=beside.warnings(others),
        drawings=_draw_beside(others) if drawn else (),
        tables=(),
        method=(beside.METHOD,),
        provenance=beside.provenance(others),
    )


def _draw(dataset: Dataset) -> tuple[Drawing, ...]:
    from sdk_builder.report.figures import draw_all

    with matplotlib_needed():
        return draw_all(dataset)


def _draw_beside(others: Sequence[SideBySide]) -> tuple[Drawing, ...]:
    with matplotlib_needed():
        drawing = beside.draw(others)
    return (drawing,) if drawing else ()


@contextmanager
def matplotlib_needed() -> Iterator[None]:
    """Turn its absence into a ToolchainError."""
    try:
        yield
    except ImportError as error:
        raise ToolchainError(
            f"Figures need matplotlib: {error}.",
            "pip install matplotlib, or leave out the formats html, png and svg.",
        ) from error


def put(
    content: Content,
    output: Path,
    formats: Collection[str],
    tables: Callable[[], Iterable[tuple[str, bytes]]],
) -> Written:
    """Write a report's files, all at the end. `tables`: the files of the format csv.

    Raises OutputError.
    """
    files = dict(_files(content, formats, tables))
    with output_errors(output):
        _put(output, files)
    paths = tuple(output / PurePosixPath(name) for name in files)
    return Written(paths, tuple(map(str, content.warnings)))


def _files(
    content: Content,
    formats: Collection[str],
    tables: Callable[[], Iterable[tuple[str, bytes]]],
) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file, in the order of FORMATS."""
    from sdk_builder.report.style import to_png, to_svg

    svgs: dict[str, bytes] = {}
    if {"html", "svg"} & set(formats):
        svgs = {d.name: to_svg(d.figure, d.name) for d in content.drawings}
    if "html" in formats:
        yield "report.html", to_html(content, svgs)
    if "md" in formats:
        images = next((ending for ending in ("png", "svg") if ending in formats), "")
        yield "report.md", to_markdown(content, images)
    if "csv" in formats:
        yield from tables()
    if "png" in formats:
        for drawing in content.drawings:
            yield f"plots/{drawing.name}.png", to_png(drawing.figure)
    if "svg" in formats:
        for name, svg in svgs.items():
            yield f"plots/{name}.svg", svg


def _tables(
    content: Content,
    dataset: Dataset,
    rows: Sequence[CaseRow],
    others: Sequence[SideBySide],
) -> Iterator[tuple[str, bytes]]:
    yield "results.csv", to_csv(SAMPLE_FIELDS, sample_rows(dataset))
    yield "summary.csv", to_csv(CASE_FIELDS, rows)
    yield "summary.json", to_json(content, rows)
    if others:
        yield "beside.csv", to_csv(beside.FIELDS, beside.comparisons(others))


# --- the folder -------------------------------------------------------------------------


def check_target(output: Path, *, force: bool) -> None:
    """Raise TargetExistsError where the folder is somebody else's."""
    with output_errors(output):
        if not os.path.lexists(output):
            return
        if not output.is_dir():
            raise TargetExistsError(f"{output} is a file.", "Name a folder for the report.")
        names = [name for name in os.listdir(output) if not name.startswith(MARK)]
    if names and not force and not (output / MARK).is_file():
        raise TargetExistsError(
            f"{output} has other files in it and is no report.",
            "Name another folder, or pass --force to write the report beside them.",
        )


def _put(output: Path, files: Mapping[str, bytes]) -> None:
    """Write all under other names, then give each its own. Raises OSError."""
    output.mkdir(parents=True, exist_ok=True)
    before = _earlier(output)
    listed = json.dumps(sorted(files), indent=1).encode() + b"\n"
    written: list[tuple[Path, Path]] = []
    try:
        for name, data in (*files.items(), (MARK, listed)):
            target = output / PurePosixPath(name)
            target.parent.mkdir(exist_ok=True)
            new = target.with_name(f"{MARK}-{secrets.token_hex(4)}")
            written.append((new, target))
            new.write_bytes(data)
        for new, target in written:
            os.replace(new, target)
    finally:
        for new, _ in written:
            new.unlink(missing_ok=True)
    for name in before - set(files):
        with suppress(OSError):
            (output / PurePosixPath(name)).unlink()


def _earlier(output: Path) -> set[str]:
    """The files that an earlier report wrote, as its mark lists them."""
    try:
        listed = json.loads((output / MARK).read_bytes())
    except (OSError, ValueError):
        return set()
    if not isinstance(listed, list):
        return set()
    return {n for n in listed if isinstance(n, str) and _NAME.fullmatch(n)}

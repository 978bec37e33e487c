"""Write the section "Beside other tools" of docs/performance.md from side-by-side results.

    python benchmarks/performance_doc.py RESULT.json ... [--check]

What stands between the two marks in the page is replaced; all else stays. --check only says, by its
exit code, whether the page is what the results give.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdk_builder.benchmark.side_by_side import Comparison, SideBySide, read
from sdk_builder.errors import InputError, output_errors
from sdk_builder.report.beside import comparisons
from sdk_builder.report.numbers import show, when

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN = "<!-- beside other tools: written by benchmarks/performance_doc.py, not by hand -->"
FEW_PAIRS = 10
END = "<!-- end of beside other tools -->"


def section(files: Sequence[SideBySide]) -> str:
    """The Markdown between the marks: a table a model, then what it was measured on."""
    found = comparisons(files)
    models = dict.fromkeys(one.model for one in found)
    blocks = [block for model in models for block in _model(model, found)]
    timed = (one for one in found if not one.measure.startswith("export"))
    few = any(1 < one.repetitions < FEW_PAIRS for one in timed)
    if few:
        blocks.append(
            f"**A first look**: some rows have fewer than {FEW_PAIRS} pairs, and other work ran on "
            "the machine."
        )
    return "\n\n".join([*blocks, "Measured by:", "\n".join(map(_origin, files))])


def _model(model: str, found: Sequence[Comparison]) -> Iterator[str]:
    yield f"### {model}"
    lines = [
        "| measure | ours | peer | ours / peer [quartiles] | n | floor | aim | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *(_row(one) for one in found if one.model == model),
    ]
    yield "\n".join(lines)
    told = dict.fromkeys(
        f"{name}: {value}"
        for one in found
        if one.model == model
        for name, value in one.conditions.items()
    )
    yield "Conditions: " + "; ".join(told) + "."


def _row(one: Comparison) -> str:
    spread = "" if one.low == one.high else f" [{one.low:.2f}, {one.high:.2f}]"
    sign = "≤" if one.better == "lower" else "≥"
    limits = ("" if value is None else f"{sign} {value:g}" for value in (one.floor, one.aim))
    verdict = "" if one.verdict == "no target" else one.verdict
    cells = (
        one.title,
        f"{show(one.ours)} {one.unit}",
        f"{show(one.peer)} ({one.peer_name})",
        f"{one.ratio:.3f}{spread}",
        str(one.repetitions),
        *limits,
        verdict,
    )
    return f"| {' | '.join(cells)} |"


def _origin(file: SideBySide) -> str:
    programs = ", ".join(f"{name} {number}" for name, number in file.versions.items())
    others = "" if file.busy_share is None else f"; others used {file.busy_share:.0%} of it"
    warning = " (too much for its speeds to be trusted)" if file.busy else ""
    return (
        f"- `benchmarks/{file.script}`, {when(file.started_at)}, {file.duration_s:.0f} s, on "
        f"{file.machine}{others}{warning}; {programs}"
    )


def replaced(page: str, text: str) -> str:
    """The page with `text` between its marks. Raises InputError for a page without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError("The page has no place for the section.", f"Add {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    new = replaced(page, section([read(path) for path in options.results]))
    if options.check:
        sys.exit(0 if new == page else f"{options.page} is not what the results give.")
    temporary = options.page.with_name(f".{options.page.name}.part")
    with output_errors(options.page):
        temporary.write_text(new, encoding="utf-8")
        os.replace(temporary, options.page)


if __name__ == "__main__":
    main()

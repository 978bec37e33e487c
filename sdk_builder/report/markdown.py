"""The report as Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sdk_builder.report.content import Cell, Content, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$#!&])")


def escape(text: str) -> str:
    """The text on one line, shown as it is: nothing in it is Markdown, HTML or a table's bar."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _SPECIAL.sub(r"\\\1", line)


def to_markdown(content: Content, image_ending: str = "") -> bytes:
    """The whole report; `image_ending` is "png" or "svg" where plots are written beside it."""
    return ("\n\n".join(_blocks(content, image_ending)) + "\n").encode("utf-8")


def _blocks(content: Content, image_ending: str) -> Iterator[str]:
    yield f"# {escape(content.title)}"
    yield from (escape(sentence) for sentence in content.lead)
    yield from _table(content.headline)
    if content.warnings:
        yield "## Warnings"
        yield "\n".join(f"- {escape(str(warned))}" for warned in content.warnings)
    if image_ending and content.drawings:
        yield "## Figures"
        for drawing in content.drawings:
            yield f"![{escape(drawing.title)}](plots/{drawing.name}.{image_ending})"
            yield escape(drawing.caption)
    for table in content.tables:
        yield from _table(table)
    yield "## How it was measured"
    yield from (escape(paragraph) for paragraph in content.method)
    yield "## Where the numbers come from"
    for entry in content.provenance:
        yield f"### {escape(entry.label)}"
        yield "\n".join(f"- {term}: {escape(value)}" for term, value in entry.facts)


def _table(table: Table) -> Iterator[str]:
    yield f"## {escape(table.title)}"
    yield grid(table)
    if table.rows and table.note:
        yield escape(table.note)


def grid(table: Table) -> str:
    """The table alone, without its title and note; what is said instead where it has no rows."""
    if not table.rows:
        return escape(table.empty)
    return "\n".join(
        [
            _row([escape(column.name) for column in table.columns]),
            _row(["---:" if column.numeric else "---" for column in table.columns]),
            *(_row([_cell(cell) for cell in row]) for row in table.rows),
        ]
    )


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    detail = ", ".join(part for part in (cell.whose, cell.detail.replace("\n", ", ")) if part)
    return f"{escape(cell.text)} ({escape(detail)})" if detail else escape(cell.text)

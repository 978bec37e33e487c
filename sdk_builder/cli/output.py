"""How results look: sizes, rates, aligned tables, JSON documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def json_text(document: Any) -> str:
    """A document as --json prints it: readable, in the order of its fields."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def human_bytes(size: int) -> str:
    """A size in decimal units: ``812 B``, ``72.7 MB``, ``1.24 GB``."""
    if size < 1000:
        return f"{size} B"
    for factor, unit, digits in ((10**3, "kB", 1), (10**6, "MB", 1), (10**9, "GB", 2)):
        if size < factor * 1000 or unit == "GB":
            return f"{size / factor:.{digits}f} {unit}"
    raise AssertionError("the last unit takes any size")


def human_count(count: int) -> str:
    """A number of parameters: ``92.9 M``, ``1.24 B``."""
    if count >= 10**9:
        return f"{count / 10**9:.2f} B"
    if count >= 10**6:
        return f"{count / 10**6:.1f} M"
    return f"{count:,}"


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), right: str = "") -> str:
    """Aligned columns, two spaces apart and indented by two.

    `right` has one character a column: "r" aligns it to the right, anything else to the left.
    """
    lines = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    flags = right.ljust(len(widths))
    return "\n".join(
        "  "
        + "  ".join(
            cell.rjust(width) if flag == "r" else cell.ljust(width)
            for cell, width, flag in zip(line, widths, flags, strict=True)
        ).rstrip()
        for line in lines
    )

"""The report as data: results.csv, summary.csv and summary.json, all from the field tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

from sdk_builder.report.content import Content
from sdk_builder.report.fields import CASE_FIELDS, CaseRow, Field, Value

SUMMARY_SCHEMA = 1
Row = TypeVar("Row")


def to_csv(fields: Sequence[Field[Row]], rows: Iterable[Row]) -> bytes:
    """One line of names, then one a row; UTF-8. Numbers are written so that they read back.

    Not known is an empty field; a truth is ``true`` or ``false``.
    """
    out = io.StringIO(newline="")
    # CRLF is what RFC 4180 says, and what keeps a bare newline within a text apart from it.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(field.name for field in fields)
    for row in rows:
        writer.writerow(_text(field.value(row)) for field in fields)
    return out.getvalue().encode("utf-8")


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def to_json(content: Content, rows: Iterable[CaseRow]) -> bytes:
    """summary.json: what the fields mean, every case, the warnings, and the provenance."""
    document = {
        "schema_version": SUMMARY_SCHEMA,
        "title": content.title,
        "fields": [
            {"name": f.name, "unit": f.unit, "type": f.type, "meaning": f.meaning}
            for f in CASE_FIELDS
        ],
        "cases": [{field.name: field.value(row) for field in CASE_FIELDS} for row in rows],
        "warnings": [{"text": w.text, "where": list(w.where)} for w in content.warnings],
        "provenance": [
            {"label": entry.label, "facts": dict(entry.facts)} for entry in content.provenance
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

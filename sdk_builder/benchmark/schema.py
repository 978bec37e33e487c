"""The protocol's records as JSON Schema: docs/benchmark-protocol.schema.json.

Run ``python -m sdk_builder.benchmark.schema`` in the checkout after changing a record.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from sdk_builder.benchmark.protocol import PROTOCOL, RoundPlan
from sdk_builder.benchmark.records import (
    Failure,
    Heartbeat,
    RoundEnd,
    RoundStart,
    Run,
    Sample,
)

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "benchmark-protocol.schema.json"
LINES = (Run, RoundStart, Sample, Failure, RoundEnd, Heartbeat)


def schema() -> dict[str, Any]:
    """One schema with a definition a record; `plan_file` and `line` are the two entry points."""
    _, document = models_json_schema(
        [(record, "validation") for record in (RoundPlan, *LINES)], ref_template="#/$defs/{model}"
    )
    definitions = document["$defs"]
    for record in LINES:
        # the tag has a default in Python only; in a file it must be there
        definitions[record.__name__].setdefault("required", []).append("type")
    definitions["plan_file"] = {"$ref": "#/$defs/RoundPlan"}
    definitions["line"] = {"oneOf": [{"$ref": f"#/$defs/{record.__name__}"} for record in LINES]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"shakti-sdk benchmark protocol {PROTOCOL}",
        "description": "A plan file is a plan_file; each line of a result file is a line.",
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8", newline="\n")

"""What goes over the wire between the SDK and the app: fixtures that both sides' tests read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from sdk_builder.benchmark.protocol import Case, Plan, RoundPlan, bench_token
from sdk_builder.benchmark.records import RoundEnd, Sample, decode_line, encode_line
from sdk_builder.benchmark.schema import SCHEMA_FILE, schema_text
from sdk_builder.errors import InputError

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "protocol"
PLANS = sorted(FIXTURES.glob("plan*.json"))
OUTPUTS = sorted(FIXTURES.glob("output-*.jsonl"))


def check(value: Any, entry: str) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.validate(value, {**schema, "$ref": f"#/$defs/{entry}"})


def test_there_are_fixtures():
    assert len(PLANS) >= 2
    assert len(OUTPUTS) >= 4


def test_schema_in_docs_is_that_of_the_records():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m sdk_builder.benchmark.schema"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_plan_fixture_is_what_the_sdk_writes(path: Path):
    document = json.loads(path.read_text(encoding="utf-8"))
    check(document, "plan_file")
    plan = RoundPlan.model_validate_json(path.read_bytes())
    assert plan.model_dump(mode="json") == document


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.stem)
def test_output_fixture_is_read_and_fits_the_schema(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    for line in lines:
        check(json.loads(line), "line")
    records = [decode_line(line) for line in lines]
    assert isinstance(records[-1], RoundEnd)
    assert [decode_line(encode_line(record)) for record in records] == records


def test_null_and_absent_are_the_same():
    full = (FIXTURES / "output-complete.jsonl").read_text(encoding="utf-8").splitlines()
    lean = (FIXTURES / "output-without-nulls.jsonl").read_text(encoding="utf-8").splitlines()
    assert any("null" in line for line in full)
    assert not any("null" in line for line in lean)
    assert list(map(decode_line, full)) == list(map(decode_line, lean))


def test_example_in_the_document_is_a_plan_file():
    text = (ROOT / "docs" / "benchmark-protocol.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    check(json.loads(block.replace("…64 digits…", "0" * 64)), "plan_file")


def test_document_names_every_key_of_the_instrumentation():
    from sdk_builder.benchmark import protocol

    text = (ROOT / "docs" / "benchmark-protocol.md").read_text(encoding="utf-8")
    keys = [value for name, value in vars(protocol).items() if name.startswith("KEY_")]
    assert len(keys) == 11
    assert [key for key in keys if f"`{key}`" not in text] == []
    assert protocol.INSTRUMENTATION in text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "EOF"),
        ("{}", "type"),
        ("[]", "an object"),
        ('{"type": "sampl"}', "sampl"),
        ('{"type": "heartbeat", "at": 5}', "at"),
        ('{"type": "heartbeat", "at": "x", "extra": 1}', "extra"),
    ],
)
def test_line_that_is_no_record_is_refused_by_name(line: str, says: str):
    with pytest.raises(InputError, match=says):
        decode_line(line)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "load", "tokens": 1},
        {"kind": "load", "depth": 1},
        {"kind": "decode"},
        {"kind": "prefill", "tokens": -1},
        {"kind": "encode", "tokens": 1},
        {"kind": "decode", "tokens": 1, "threads": 0},
    ],
)
def test_case_that_means_nothing_is_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        Case(**fields)


def test_plan_with_a_case_twice_is_refused():
    case = Case(kind="decode", tokens=8)
    with pytest.raises(ValidationError, match="decode-8"):
        Plan(cases=(case, case))


def test_plans_that_differ_anywhere_differ_in_hash():
    case = Case(kind="decode", tokens=8)
    plans = [
        Plan(cases=(case,)),
        Plan(cases=(case,), rounds=6),
        Plan(cases=(Case(kind="decode", tokens=9),)),
        Plan(cases=(Case(kind="decode", tokens=8, threads=1),)),
    ]
    assert len({plan.hash for plan in plans}) == len(plans)
    assert Plan(cases=(case,)).hash == plans[0].hash


def test_rate_is_tokens_over_seconds():
    line = (FIXTURES / "output-complete.jsonl").read_text(encoding="utf-8").splitlines()[5]
    sample = decode_line(line)
    assert isinstance(sample, Sample)
    assert sample.case.id == "decode-4"
    assert sample.rate == pytest.approx(4 / 0.0315)
    assert sum(sample.token_ms) == pytest.approx(sample.duration_ms)


def test_prompt_tokens_are_the_documented_ones_and_inside_the_vocabulary():
    vocab_size = 49152
    ids = [bench_token(position, vocab_size) for position in range(4096)]
    # 2654435761 mod 2**32 = 2654435761, and so on by hand for the first three
    assert ids[:3] == [1, 1 + 2654435761 % 49151, 1 + (2 * 2654435761 - 2**32) % 49151]
    assert min(ids) >= 1
    assert max(ids) < vocab_size
    assert len(set(ids)) > 3500

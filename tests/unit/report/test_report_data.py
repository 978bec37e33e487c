"""results.csv and summary.csv read back to the very values that were measured."""

from __future__ import annotations

import csv
import io
import json
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH
from sdk_builder.benchmark.records import Line
from sdk_builder.report.fields import (
    CASE_FIELDS,
    SAMPLE_FIELDS,
    Field,
    case_rows,
    sample_rows,
)
from sdk_builder.report.loading import load
from sdk_builder.report.records_out import to_csv
from sdk_builder.report.write import write_report
from tests.unit.report.results import (
    DECODE,
    LOAD,
    bundle,
    complete,
    conditions,
    device,
    run,
    sample,
    write,
)

DURATIONS = [1000.0, 1013.7, 991.25, 1102.5, 1000.1]


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def parsed(field: Field, text: str):
    """The value of a CSV field, by the type that its field states."""
    if text == "" and field.type != "text":
        return None
    if field.type == "boolean":
        return {"true": True, "false": False}[text]
    return {"integer": int, "number": float}.get(field.type, str)(text)


# A text as pydantic takes it in: no lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(name=TEXT, soc=TEXT, reason=st.none() | TEXT, duration=st.floats(1e-3, 1e7))
def test_every_sample_reads_back(tmp_path_factory, name, soc, reason, duration):
    this = run([DECODE], device=device(model=name or "x", soc=soc))
    one = sample(DECODE, duration, invalid_reason=reason, before=conditions(charging=None))
    path = write(tmp_path_factory.mktemp("csv") / "a.jsonl", [this, one])
    rows = tuple(sample_rows(load([path])))
    (back,) = read(to_csv(SAMPLE_FIELDS, rows))
    assert list(back) == [field.name for field in SAMPLE_FIELDS]
    for field in SAMPLE_FIELDS:
        expected = field.value(rows[0])
        if field.type == "text":
            expected = expected or ""
        assert parsed(field, back[field.name]) == expected, field.name
    assert back["device_model"] == (name or "x")
    assert float(back["duration_ms"]) == duration
    assert back["before_charging"] == ""
    assert back["valid"] == ("true" if reason is None else "false")
    assert tuple(map(float, back["token_ms"].split())) == one.token_ms


def test_values_have_the_type_that_the_table_states(tmp_path):
    types: dict[str, Any] = {
        "text": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "numbers": str,
    }
    path = write(tmp_path / "a.jsonl", complete(run([LOAD, DECODE]), {DECODE: DURATIONS}))
    dataset = load([path])
    tables: list[tuple[tuple[Field, ...], Any]] = [
        (SAMPLE_FIELDS, sample_rows(dataset)),
        (CASE_FIELDS, case_rows(dataset, 400.0)),
    ]
    for fields, rows in tables:
        names = [field.name for field in fields]
        assert len(set(names)) == len(names)
        for row in rows:
            for field in fields:
                value = field.value(row)
                assert value is None or isinstance(value, types[field.type]), field.name


def test_summary_holds_the_median_and_what_is_missing(tmp_path):
    this = run([LOAD, DECODE], rounds=7)
    lines = [*complete(this, {DECODE: DURATIONS}), sample(DECODE, 2000.0, invalid_reason="hot")]
    write_report([write(tmp_path / "a.jsonl", lines)], tmp_path / "out", formats=["csv"])
    load_row, decode_row = read((tmp_path / "out" / "summary.csv").read_bytes())
    rates = [128_000 / duration for duration in DURATIONS]
    assert float(decode_row["median"]) == pytest.approx(statistics.median(rates))
    low, high = float(decode_row["low"]), float(decode_row["high"])
    assert min(rates) * 0.999999 <= low < high <= max(rates) * 1.000001
    assert [decode_row[k] for k in ("n", "missing", "invalid")] == ["5", "2", "1"]
    assert (load_row["n"], load_row["median"], load_row["missing"]) == ("0", "", "7")


def test_summary_json_has_every_field_with_its_meaning(tmp_path):
    lines = complete(run([DECODE], bundle=bundle(untrained=True)), {DECODE: DURATIONS})
    write_report([write(tmp_path / "a.jsonl", lines)], tmp_path / "out", formats=["csv"])
    document = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    names = [field["name"] for field in document["fields"]]
    assert all(list(case) == names for case in document["cases"])
    assert all(field["meaning"] for field in document["fields"])
    assert document["cases"][0]["untrained"] is True
    assert any("Untrained" in warning["text"] for warning in document["warnings"])


def test_energy_and_co2e_come_from_the_battery_and_the_grid_factor(tmp_path):
    # 1 mAh at 4 V is 14.4 J; 128 tokens a sample.
    def look(uah: int):
        return conditions(charge_counter_uah=uah, battery_voltage_mv=4000)

    lines: list[Line] = [run([DECODE])]
    for i in range(5):
        start = 3_000_000 - 1001 * i  # 1 between two samples: a fine counter
        lines.append(sample(DECODE, 1000.0, round=i, before=look(start), after=look(start - 1000)))
    dataset = load([write(tmp_path / "a.jsonl", lines)])
    (row,) = case_rows(dataset, 500.0)
    values = {field.name: field.value(row) for field in CASE_FIELDS}
    assert values["energy_method"] == "charge_counter"
    assert values["energy_mj_per_token"] == pytest.approx(14_400 / 128)
    # 112.5 kJ a million tokens = 0.03125 kWh
    assert values["co2e_g_per_million_tokens"] == pytest.approx(0.03125 * 500)


def test_energy_that_is_not_measured_says_why(tmp_path):
    lines: list[Line] = [run([DECODE]), sample(DECODE, 1.0, before=conditions(charging=True))]
    (row,) = case_rows(load([write(tmp_path / "a.jsonl", lines)]), DEFAULT_GRID_G_PER_KWH)
    values = {field.name: field.value(row) for field in CASE_FIELDS}
    assert values["energy_mj_per_token"] is None
    assert values["energy_method"] == "charging"

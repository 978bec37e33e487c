from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sdk_builder.cli.requests import ProfileOptions
from sdk_builder.errors import SessionError
from tests.unit.cli.fakes import FakeLibrary, failing


def test_options_reach_the_library(shakti):
    library = FakeLibrary()
    line = "profile b --tokens 64 --depth 8 --threads 2 --repetitions 3 --bandwidth 20"
    outcome = shakti(*line.split(), library=library)
    assert outcome.code == 0, outcome.stderr
    assert library.profiled == [ProfileOptions(Path("b"), 64, 8, 2, 3, 20.0)]


def test_tables_show_parts_layers_operators_and_the_bandwidth(shakti):
    text = shakti("profile", "b", "--bandwidth", "6").stdout
    for wanted in ("By part", "By layer", "By operator", "feed-forward", "75.0%", "50% of 6 GB/s"):
        assert wanted in text


def test_top_leaves_the_rest_in_one_line(shakti):
    text = shakti("profile", "b", "--top", "1").stdout
    assert "and 1 more" in text
    assert "slice_copy" not in text


def test_document_holds_the_same_numbers_as_the_table(shakti):
    phase = shakti("profile", "b", "--json").document["phases"][0]
    assert phase["traced_ms"] == sum(row["ms"] for row in phase["parts"]) == 4.0
    assert phase["gb_per_s"] == pytest.approx(3.0)
    assert phase["matrix_gb_per_s"] == pytest.approx(2.0)
    assert phase["bandwidth_share"] is None


def test_csv_has_a_row_for_each_place(shakti, tmp_path):
    path = tmp_path / "profile.csv"
    outcome = shakti("profile", "b", "-o", str(path))
    assert outcome.code == 0, outcome.stderr
    rows = list(csv.DictReader(path.open()))
    assert [(row["part"], row["layer"], row["ms"]) for row in rows] == [
        ("feed-forward", "0", "3.0"),
        ("head", "", "1.0"),
    ]
    assert [item.name for item in tmp_path.iterdir()] == ["profile.csv"]


def test_unwritable_csv_is_one_line(shakti, tmp_path):
    outcome = shakti("profile", "b", "-o", str(tmp_path / "none" / "profile.csv"))
    assert outcome.code == 9
    assert "Cannot write" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_failure_is_one_line(shakti):
    outcome = shakti("profile", "b", library=failing(SessionError("no trace", "try again")))
    assert outcome.code == 10
    assert "no trace" in outcome.stderr


@pytest.mark.parametrize(
    "wrong", [("--repetitions", "0"), ("--tokens", "-1"), ("--bandwidth", "0")]
)
def test_impossible_numbers_are_refused(shakti, wrong):
    assert shakti("profile", "b", *wrong).code == 2

"""Cells of the report beside the paper: what they say, and whose value each is marked as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.records import Line
from sdk_builder.report.content import Cell, Table
from sdk_builder.report.dataset import Dataset
from sdk_builder.report.fields import case_rows
from sdk_builder.report.loading import load
from sdk_builder.report.paper_inputs import Inputs, Sized, series_of
from sdk_builder.report.paper_tables import (
    by_category,
    energy,
    fine,
    metric_cell,
    number,
    overview,
    paper_table,
    peers,
    scores,
)
from sdk_builder.report.paper_values import TABLE_2, TABLE_3, TABLE_4, TABLES
from tests.unit.report.evaluations import metric, near, result
from tests.unit.report.results import (
    DECODE,
    complete,
    conditions,
    device,
    round_start,
    run,
    sample,
    write,
)

MISSING = Cell("not measured", "", "missing")


def series(*results):
    return series_of(results)


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def marks(table: Table) -> list[list[str]]:
    return [[cell.mark for cell in row] for row in table.rows]


# --- Tables 2 to 4 --------------------------------------------------------------------------


def test_without_results_each_of_our_cells_says_not_measured():
    for table in TABLES:
        made = paper_table(table, ())
        published = len(table.models)
        assert made.rows[published][0] == Cell("Ours", "no evaluation was given")
        assert set(made.rows[published][1:]) == {MISSING}
        assert {cell.mark for row in made.rows[:published] for cell in row[1:]} == {"published"}


def test_table_2_has_the_paper_in_one_row_and_each_bundle_in_its_own():
    ours = series(
        result("domain", [near("answer_relevancy", 0.6, 0.05, group="healthcare", items=40)]),
        result("domain", [near("summarization", 0.5, 0.1, group="finance")], scheme="none"),
    )
    made = paper_table(TABLE_2, ours)
    assert [c.name for c in made.columns] == [
        "Model",
        "Answer relevancy, healthcare",
        "Answer relevancy, legal",
        "Answer relevancy, finance",
        "Summarization, legal",
        "Summarization, finance",
        "Factual, finance",
    ]
    paper, full, q4 = made.rows
    assert [c.text for c in paper] == [
        *("Shakti-250M", "0.85", "0.81", "0.86", "0.86"),
        *("no number recorded", "0.83"),
    ]
    assert [c.mark for c in paper[1:]] == [*["published"] * 4, "missing", "published"]
    assert q4[1] == Cell("0.60", "0.55 to 0.65\nn=40", "measured")
    assert set(q4[2:]) == {MISSING}
    assert full[0].text == "SmolLM2-135M-Instruct none"
    assert full[5] == Cell("0.50", "0.40 to 0.60\nn=100", "measured")
    assert {*full[1:5], full[6]} == {MISSING}


def test_table_3_shows_shares_in_percent_as_the_paper_does():
    ours = series(
        result("bbq", [near("accuracy", 0.336, 0.04, items=500)]),
        result("toxigen", [metric("accuracy", 0.5, items=8)]),
    )
    made = paper_table(TABLE_3, ours)
    assert texts(made) == [
        ["Shakti-250M", "50.2", "47.5", "63"],
        ["Shakti-500M", "54.08", "51.5", "69.04"],
        ["SmolLM2-135M-Instruct q4", "33.6", "50.0", "not measured"],
    ]
    assert marks(made) == [
        ["", "published", "published", "published"],
        ["", "published", "published", "published"],
        ["", "measured", "measured", "missing"],
    ]
    assert made.rows[2][1].detail == "29.6 to 37.6\nn=500"
    assert made.rows[2][2].detail == "no interval\nn=8"
    assert "4.55 bits" in made.rows[2][0].detail


def test_table_4_has_nats_as_they_are_and_the_share_in_percent():
    ours = series(
        result(
            "crows-pairs",
            [
                near("likelihood_difference", 3.4, 0.2, unit="nats", items=1508),
                near("stereotype_share", 0.58, 0.025, items=1508),
                near("stereotype_share", 0.99, 0.01, group="age", items=87),
            ],
        )
    )
    made = paper_table(TABLE_4, ours)
    assert texts(made) == [
        ["Shakti-250M", "3.11", "52.07"],
        ["Shakti-500M", "3.02", "51.9"],
        ["SmolLM2-135M-Instruct q4", "3.40", "58.0"],
    ]
    assert made.rows[2][1].detail == "3.20 to 3.60\nn=1508"
    assert "Blodgett" in made.note


def test_metric_without_a_value_is_not_measured():
    assert metric_cell(metric("accuracy", None, items=0), percent=True).mark == "missing"
    (one,) = series(result("bbq", [metric("accuracy", None)]))
    assert one.find("bbq", "accuracy") is None
    assert paper_table(TABLE_3, (one,)).rows[2][1] == MISSING


def test_of_a_suite_measured_twice_the_most_items_are_shown():
    small = result("bbq", [metric("accuracy", 0.9, items=10)])
    large = result("bbq", [metric("accuracy", 0.4, items=1000)])
    for order in ((small, large), (large, small)):
        (one,) = series(*order)
        found = one.find("bbq", "accuracy")
        assert found is not None
        assert found.value == 0.4


def test_equal_labels_of_different_bundles_are_told_apart():
    first, second = series(
        result("bbq", [], identity="a" * 64), result("bbq", [], identity="b" * 64)
    )
    assert first.label == "SmolLM2-135M-Instruct q4 [aaaaaaaa]"
    assert second.label == "SmolLM2-135M-Instruct q4 [bbbbbbbb]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "0.12"), (9.999, "10.0"), (33.33, "33.3"), (-0.001, "0.00"), (-0.5, "-0.50")],
)
def test_scores_for_people(value, text):
    assert number(value) == text


def test_small_nats_keep_their_digits():
    assert [fine(v) for v in (0.00123, 1.1534, -0.0)] == ["0.00123", "1.15", "0.00"]


# --- by category ------------------------------------------------------------------------------


def test_bbq_by_category_begins_with_all():
    ours = series(
        result(
            "bbq",
            [
                near("accuracy", 0.3, 0.1, group="Age", items=50),
                near("accuracy", 0.4, 0.02),
                metric("bias_ambiguous", -0.25, group="Age", items=20, unit="score"),
            ],
        )
    )
    made = by_category("bbq", ours)
    assert [[c.text for c in row[1:3]] for row in made.rows] == [["all", "40.0"], ["Age", "30.0"]]
    assert made.rows[1][5] == Cell("-0.25", "no interval\nn=20", "measured")
    assert made.rows[0][3:] == (MISSING,) * 4


def test_crows_pairs_by_category_and_without_results():
    ours = series(result("crows-pairs", [near("stereotype_share", 0.6, 0.1, group="age")]))
    (row,) = by_category("crows-pairs", ours).rows
    assert [c.text for c in row] == ["SmolLM2-135M-Instruct q4", "age", "60.0", "not measured"]
    nothing = by_category("crows-pairs", ())
    assert nothing.rows == ()
    assert nothing.empty.startswith("Not measured")


# --- lm-eval ------------------------------------------------------------------------------------


def test_every_score_is_listed_with_its_figure():
    ours = series(
        result(
            "lm-eval",
            [
                near("acc", 0.5, 0.05, group="pubmedqa"),
                near("f1", 44.5, 1.0, group="squadv2", unit="score"),
                near("acc", 0.25, 0.05, group="arc_easy"),
            ],
        )
    )
    rows = texts(scores(ours))
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        ("squadv2", "f1", "44.5", "Figure 1"),
        ("pubmedqa", "acc, %", "50.0", "Figure 3"),
        ("arc_easy", "acc, %", "25.0", "no figure of the paper"),
    ]
    assert {row[3].mark for row in scores(ours).rows} == {"measured"}


def test_peers_have_no_invented_number():
    made = peers(Inputs())
    assert {cell.mark for row in made.rows for cell in row[1:]} == {"missing"}
    assert {row[1].text for row in made.rows} == {"published in the paper, value not recorded here"}
    assert len(made.rows) == 13


# --- energy ----------------------------------------------------------------------------------


def energies(tmp_path, lines):
    dataset = load([write(tmp_path / "a.jsonl", lines)])
    return energy(dataset, tuple(case_rows(dataset, 473.0)))


def test_energy_is_of_the_headline_decode(tmp_path):
    this = run([DECODE], rounds=10)
    lines: list[Line] = [this]
    for index in range(10):
        lines.append(round_start(this, index, index))
        # 1,000,000 nWh are 3.6 J: over 128 tokens, 28.125 mJ each.
        before = conditions(index, energy_counter_nwh=9_000_000_000 - 1_000_000 * 2 * index)
        after = conditions(index, energy_counter_nwh=9_000_000_000 - 1_000_000 * (2 * index + 1))
        lines.append(sample(DECODE, 1000.0, round=index, before=before, after=after))
    made = energies(tmp_path, lines)
    assert made.rows[0][1] == Cell("0.0281", "energy counter, no interval\nn=10", "measured")
    # 28,125 J for a million tokens is 7.8125 Wh, times 0.473 g: 3.695 g; of a thousand, 1/1000.
    assert made.rows[0][2] == Cell("0.0037", "n=10", "measured")


def test_energy_says_why_it_is_not_measured(tmp_path):
    this = run([DECODE])
    lines = complete(this, {DECODE: [1000.0] * 5})
    (phone, host) = energies(tmp_path, lines).rows
    assert phone[1].text == "not measured"
    assert "no energy counter" in phone[1].detail
    assert [c.mark for c in phone[1:]] == ["missing", "missing"]
    assert host[1] == Cell("not measured", "no benchmark result of a host was given", "missing")


def test_energy_without_any_run_names_both_kinds():
    rows = energy(Dataset(()), ()).rows
    assert [row[0].text for row in rows] == ["Any phone", "This machine"]
    assert {cell.mark for row in rows for cell in row[1:]} == {"missing"}


def test_energy_of_a_run_without_a_decode(tmp_path):
    this = run([DECODE], device=device(kind="host"))
    end = round_start(this, 0)
    rows = energies(tmp_path, [this, end]).rows
    assert rows[0][1].detail == "no valid decode sample"


# --- overview --------------------------------------------------------------------------------


def test_overview_counts_what_there_is():
    size = Sized("tiny", 1000, "q4", "q4", 768, "a" * 64)
    made = overview(Inputs(bundles=(size,)), TABLES)
    assert [row[0].text.split(":")[0] for row in made.rows] == [
        *("Table 2", "Table 3", "Table 4"),
        *("Figure 1", "Figure 2", "Figure 3", "Figure 4", "Figure 5", "Figure 6"),
    ]
    assert [row[2].text for row in made.rows] == [*["not measured"] * 7, "1 value", "not measured"]
    assert [row[1].mark for row in made.rows] == [
        *["published"] * 3,
        *["missing"] * 4,
        *["published"] * 2,
    ]


@given(st.text(max_size=40))
def test_any_name_is_one_row(name):
    ours = series(result("bbq", [near("accuracy", 0.4, 0.1, group=name)], name=name))
    assert len(by_category("bbq", ours).rows) == 1
    assert len(paper_table(TABLE_3, ours).rows) == 3

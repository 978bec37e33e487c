"""Figures 5 and 6 as tables: the paper's values to the digit, ours with their marks."""

from __future__ import annotations

from sdk_builder.report.content import Cell
from sdk_builder.report.dataset import Dataset
from sdk_builder.report.loading import load
from sdk_builder.report.paper_inputs import Sized
from sdk_builder.report.paper_size_speed import fp32_bytes, size_table, speed_table
from tests.unit.report.results import DECODE, complete, round_start, run, write

MIB = 1024 * 1024
MISSING = Cell("not measured", "", "missing")
FAST = [1000.0, 1000.0, 1000.0, 1000.0, 1280.0]


def sized(scheme: str, size_bytes: int, identity: str = "a") -> Sized:
    return Sized("tiny", 25 * MIB, scheme, scheme, size_bytes, identity * 64)


def test_sizes_beside_the_papers_statement():
    made = size_table([sized("q8", 25 * MIB, "b"), sized("q4", 16 * MIB)])
    quoted, ours = made.rows
    assert quoted[4] == Cell("about 8× smaller than FP32", "", "published")
    assert {cell.mark for cell in quoted[1:4]} == {"missing"}
    assert ours == (
        Cell("tiny", "26,214,400 parameters"),
        MISSING,
        Cell("25.0", "4.0×, n=1, identity bbbbbbbb", "measured"),
        MISSING,
        # 4 bytes for each of 25 Mi parameters are 100 MiB.
        Cell("16.0", "6.2×, n=1, identity aaaaaaaa", "measured"),
    )


def test_fp32_is_the_bundles_where_there_is_one():
    own = [sized("none", 110 * MIB), sized("q4", 11 * MIB, "b")]
    assert fp32_bytes(own) == 110 * MIB
    assert fp32_bytes(own[1:]) == 100 * MIB
    row = size_table(own).rows[1]
    assert row[1] == Cell("110", "n=1, identity aaaaaaaa", "measured")
    assert row[4] == Cell("11.0", "10.0×, n=1, identity bbbbbbbb", "measured")


def test_two_bundles_of_one_format_are_both_shown():
    row = size_table([sized("q4", 16 * MIB), sized("q4", 20 * MIB, "b")]).rows[1]
    assert row[4].text == "16.0 or 20.0"
    assert row[4].detail.count("n=1") == 2


def test_without_bundles_nothing_is_measured():
    assert size_table([]).rows[1] == (Cell("Ours", "no bundle was given"), *[MISSING] * 4)


def test_speeds_of_the_paper_are_quoted_to_the_digit(tmp_path):
    file = write(tmp_path / "a.jsonl", complete(run([DECODE]), {DECODE: FAST}))
    rows = speed_table(load([file])).rows
    quoted = [row for row in rows if row[2].mark == "published"]
    assert len(quoted) == 9
    assert (quoted[7][0].text, quoted[7][2].text) == ("NVIDIA L40s", "583.88")
    (ours,) = [row for row in rows if row[2].mark == "measured"]
    assert [cell.text for cell in ours] == ["Pixel 8", "SmolLM2-135M-Instruct q4", "128"]
    assert ours[2].detail.endswith("n=5, decode-128")


def test_run_without_a_valid_sample_is_not_measured(tmp_path):
    this = run([DECODE])
    file = write(tmp_path / "a.jsonl", [this, round_start(this, 0)])
    assert speed_table(load([file])).rows[-1][2] == Cell(
        "not measured", "no valid decode sample", "missing"
    )


def test_without_benchmarks_nothing_is_measured():
    assert speed_table(Dataset(())).rows[-1] == (
        Cell("Ours", "no benchmark result was given"),
        Cell(""),
        MISSING,
    )

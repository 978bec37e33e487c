"""The page's section that is written from results."""

from __future__ import annotations

import pytest

from benchmarks.performance_doc import BEGIN, END, PAGE, replaced, section
from sdk_builder.benchmark.side_by_side import read
from sdk_builder.errors import InputError
from tests.unit.benchmark.test_side_by_side import comparison, result


def test_only_what_stands_between_the_marks_changes():
    page = f"# Page\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n"
    new = replaced(page, "new")
    assert new == f"# Page\n\n{BEGIN}\n\nnew\n\n{END}\n\nafter\n"
    assert replaced(new, "new") == new


@pytest.mark.parametrize("page", ["nothing", BEGIN, END], ids=["none", "no end", "no beginning"])
def test_page_without_the_marks_is_refused(page):
    with pytest.raises(InputError, match="no place"):
        replaced(page, "new")


def test_the_real_page_is_what_the_kept_results_give():
    results = sorted((PAGE.parents[1] / "benchmarks" / "results").glob("*.json"))
    page = PAGE.read_text(encoding="utf-8")
    assert len(results) >= 6
    assert replaced(page, section([read(path) for path in results])) == page


def test_each_model_has_a_table_with_its_measures_conditions_and_origin():
    lower = comparison(model="other", better="lower", floor=1.1)
    text = section([result(comparison(floor=1.0, aim=1.5), lower)])
    assert text.index("### other") < text.index("### tiny")
    start = "| decode | 12.0 tokens/s | 10.0 (llama.cpp) | 1.200 [1.10, 1.30] | 12 | "
    rows = [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]
    assert rows == ["≤ 1.1 |  | floor missed |", "≥ 1 | ≥ 1.5 | floor met |"]
    assert "Conditions: threads: 2." in text
    assert "artifact_vs_peers.py`, 2026-11-26 10:00:00 UTC, 62 s, on a processor, 2 cores" in text

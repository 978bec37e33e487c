"""The report beside the paper as files: what it reads, draws, says and refuses."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.benchmark.records import RuntimeFacts
from sdk_builder.errors import BundleError, InputError, TargetExistsError, UsageError
from sdk_builder.report.html import to_html
from sdk_builder.report.markdown import to_markdown
from sdk_builder.report.paper_figures import benchmark, draw_all, sizes
from sdk_builder.report.paper_inputs import Inputs, Sized, read_inputs, series_of
from sdk_builder.report.paper_report import make_content, write_paper_report
from sdk_builder.report.paper_values import FIGURES
from sdk_builder.report.style import house_style, to_svg
from sdk_builder.report.write import FORMATS, MARK, write_report
from tests.unit.benchmark.bench_fakes import make_bundle
from tests.unit.report.evaluations import (
    MODEL,
    comparison,
    metric,
    near,
    result,
    write_file,
    write_set,
)
from tests.unit.report.results import DECODE, complete, run, write

FAST = [1000.0, 1013.7, 991.25, 1102.5, 1000.1]
ODD = '<script>alert("1")</script>|`*_[x](javascript:1)'


def svg_of(drawing) -> str:
    return to_svg(drawing.figure, drawing.name).decode()


def bars_of(svg: str) -> list[str]:
    return re.findall(r'id="bar-([^"]*)"', svg)


def empties_of(svg: str) -> list[str]:
    return re.findall(r'id="empty-([^"]*)"', svg)


def cells_of(page: str, mark: str) -> list[str]:
    return re.findall(rf'<td role="cell" class="[^"]*\b{mark}\b.*?</td>', page, re.DOTALL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A report of everything, and the folder it is in."""
    folder = tmp_path_factory.mktemp("paper")
    files = write_set(folder / "eval")
    speed = write(folder / "speed.jsonl", complete(run([DECODE]), {DECODE: FAST}))
    bundle = make_bundle(folder / "bundle")
    written = write_paper_report([*files, speed, bundle.path], folder / "out")
    return folder / "out", written


# --- the files ------------------------------------------------------------------------------


def test_all_files_are_written(whole):
    out, written = whole
    names = {path.relative_to(out).as_posix() for path in written.paths}
    plots = {*(f"paper-figure-{n}" for n in range(1, 7)), "paper-table-3"}
    assert names == {
        *("report.html", "report.md", "paper.csv", "comparisons.csv"),
        *("results.csv", "summary.csv"),
        *(f"plots/{name}.{ending}" for name in plots for ending in ("png", "svg")),
    }
    assert (out / MARK).is_file()


def test_page_asks_for_nothing_and_marks_each_value(whole):
    page = (whole[0] / "report.html").read_text()
    assert not re.search(r'(?:src|href)="https?:', page)
    for kind in ("measured", "published"):
        cells = re.findall(
            rf'<td role="cell" class="[^"]*\b{kind}\b[^"]*".*?</td>', page, re.DOTALL
        )
        words = {"measured": "measured here", "published": "published by the paper"}[kind]
        assert cells
        assert all(words in cell for cell in cells)
    missing = cells_of(page, "missing")
    assert missing
    assert all(re.search("not measured|not recorded|no number recorded", cell) for cell in missing)


def test_markdown_marks_each_value_in_words(whole):
    text = (whole[0] / "report.md").read_text()
    assert "| Shakti-250M (the paper, Table 3) | 50.2 (published by the paper)" in text
    assert "| 36.0 (measured here, 32.0 to 40.0, n=500) | 49.0 (measured here" in text
    assert "Blodgett et al. 2021" in text


def test_csv_tells_published_from_measured_and_missing(whole):
    rows = list(csv.DictReader(io.StringIO((whole[0] / "paper.csv").read_text())))
    assert {row["mark"] for row in rows} == {
        *("measured here", "published by the paper", "not measured"),
    }
    for row in rows:
        assert (row["value"] == "") == (row["mark"] == "not measured")
        if row["mark"] == "published by the paper":
            assert row["identity"] == row["low"] == row["items"] == ""
        elif row["mark"] == "measured here":
            assert len(row["identity"]) == 64
            assert int(row["items"]) > 0
    bbq = [r for r in rows if (r["suite"], r["metric"], r["group"]) == ("bbq", "accuracy", "all")]
    assert [(r["place"], r["model"], float(r["value"]), r["unit"]) for r in bbq] == [
        ("Table 3", "Shakti-250M", 50.2, "percent"),
        ("Table 3", "Shakti-500M", 54.08, "percent"),
        ("Table 3", MODEL, 0.36, "share"),
        ("Table 3", MODEL, pytest.approx(0.34), "share"),
    ]


def test_comparisons_are_written_with_their_verdict(whole):
    rows = list(csv.DictReader(io.StringIO((whole[0] / "comparisons.csv").read_text())))
    assert [(r["suite"], r["of"], r["against"]) for r in rows] == [
        (suite, f"{MODEL} q4", f"{MODEL} none") for suite in ("bbq", "toxigen", "crows-pairs")
    ]
    assert float(rows[0]["p_holm"]) == pytest.approx(0.027)
    assert rows[1]["verdict"] == "nothing was shown: the interval includes 0"


def test_a_part_of_the_items_is_a_warning(whole):
    assert any("bbq: 500 of 58492" in warning for warning in whole[1].warnings)


def test_lead_says_how_many_differences_were_shown(whole):
    assert "1 of 3 comparisons showed a difference" in (whole[0] / "report.md").read_text()


def test_report_of_nothing_measured_stands_nevertheless(tmp_path):
    empty = write_file(tmp_path / "e.json", [result("bbq", [metric("accuracy", None)])])
    written = write_paper_report([empty], tmp_path / "out", formats=FORMATS)
    assert not any("results.csv" in str(path) for path in written.paths)
    tables = [
        line
        for line in (tmp_path / "out" / "report.md").read_text().splitlines()
        if line.startswith("|") and not line.startswith(f"| {MODEL}")
    ]
    assert not any("(measured here" in line for line in tables)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "paper.csv").read_text())))
    assert "measured here" not in {row["mark"] for row in rows}


def test_same_input_gives_the_same_bytes(tmp_path):
    files = write_set(tmp_path / "eval")
    for name in ("a", "b"):
        write_paper_report(files, tmp_path / name)
    for path in sorted((tmp_path / "a").rglob("*.*")):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), path.name


# --- the figures ------------------------------------------------------------------------------


def test_figures_without_results_have_no_measured_bar():
    drawings = draw_all(Inputs())
    assert [d.name for d in drawings] == [
        *(f"paper-figure-{n}" for n in range(1, 7)),
        "paper-table-3",
    ]
    for drawing in drawings[:5]:
        assert bars_of(svg_of(drawing)) == []
    assert len(empties_of(svg_of(drawings[0]))) == len(FIGURES[0].tasks)
    assert empties_of(svg_of(drawings[4])) == ["fp32", "q8", "q5", "q4"]
    assert len(bars_of(svg_of(drawings[5]))) == 9  # the paper's, hatched
    assert empties_of(svg_of(drawings[5])) == ["decode"]
    assert len(bars_of(svg_of(drawings[6]))) == 6
    assert empties_of(svg_of(drawings[6])) == ["ours"] * 3


def test_benchmark_has_a_bar_a_bundle_and_names_the_peers():
    ours = series_of(
        [
            result("lm-eval", [near("acc_norm", 0.4, 0.05, group="piqa")], scheme=scheme)
            for scheme in ("q4", "none")
        ]
    )
    with house_style():
        drawing = benchmark(FIGURES[1], ours)
        svg = svg_of(drawing)
    assert bars_of(svg) == ["none-smollm2-135m-instruct", "q4-smollm2-135m-instruct"]
    assert "boolq" in empties_of(svg)
    assert "piqa" not in empties_of(svg)
    for words in ("value not recorded here", "Boomer-634M", "OPT-2.7B", "PIQA: piqa, acc_norm"):
        assert words in svg
    assert "chosen here" in drawing.caption


def test_bar_is_of_the_usual_metric():
    ours = series_of(
        [
            result(
                "lm-eval",
                [
                    metric("acc", 0.1, group="piqa"),
                    metric("acc_norm (x)", 0.2, group="piqa"),
                    metric("odd", 0.3, group="boolq"),
                ],
            )
        ]
    )
    with house_style():
        svg = svg_of(benchmark(FIGURES[1], ours))
    assert "acc_norm (x)" in svg
    assert ">20.0<" in svg
    assert ">10.0<" not in svg
    assert ">30.0<" in svg


def test_sizes_have_the_papers_four_formats_and_its_claim():
    found = [
        Sized("tiny", 1_000_000, "q4", "q4", 600_000, "a" * 64),
        Sized("tiny", 1_000_000, "q8", "q8", 1_000_000, "b" * 64),
    ]
    with house_style():
        svg = svg_of(sizes(found))
    assert bars_of(svg) == ["q8", "q4"]
    assert empties_of(svg) == ["fp32", "q5"]
    # 4,000,000 bytes of FP32 over 600,000.
    assert "6.7×" in svg
    assert "4.0×" in svg
    assert "paper's Q4: about FP32 / 8" in svg or "paper&apos;s Q4" in svg


# --- what it reads ----------------------------------------------------------------------------


def test_folder_means_its_results_and_bundles(tmp_path):
    write_set(tmp_path / "all")
    write(tmp_path / "all" / "speed.jsonl", complete(run([DECODE]), {DECODE: FAST}))
    make_bundle(tmp_path / "all" / "bundle")
    (tmp_path / "all" / "notes.json").write_text("{}")
    inputs = read_inputs([tmp_path / "all"])
    assert len(inputs.evaluations) == 6
    assert len(inputs.dataset.results) == 1
    assert [(one.model, one.size_bytes) for one in inputs.bundles] == [("tiny", 768)]
    assert [one.model for one in inputs.sizes] == [MODEL, "tiny"]


def test_sizes_are_of_bundles_and_not_of_other_tools_files(tmp_path):
    peer = RuntimeFacts(name="llama.cpp", protocol=1)
    file = write(tmp_path / "a.jsonl", complete(run([DECODE], runtime=peer), {DECODE: FAST}))
    inputs = read_inputs([file])
    assert len(inputs.dataset.results) == 1
    assert inputs.sizes == ()


def test_results_that_were_given_twice_count_once(tmp_path):
    one = result("bbq", [metric("accuracy", 0.4)])
    files = [
        write_file(tmp_path / name, [one], [comparison("accuracy", 0.1)]) for name in ("a", "b")
    ]
    inputs = read_inputs([*files, files[0]])
    assert len(inputs.results) == 1
    assert len(inputs.comparisons) == 1
    assert inputs.warnings == ()


def test_bundles_of_a_comparison_have_labels_for_their_paths(tmp_path):
    results = [result("bbq", [metric("accuracy", 0.5)], scheme=one) for one in ("none", "q4")]
    file = write_file(tmp_path / "a.json", results, [comparison("accuracy", -0.1)])
    (found,) = read_inputs([file]).comparisons
    assert (found.of, found.against) == (f"{MODEL} q4", f"{MODEL} none")


def test_comparison_of_unknown_bundles_keeps_their_names(tmp_path):
    one = comparison("accuracy", 0.1, of="this", against="that")
    file = write_file(tmp_path / "a.json", [result("bbq", [])], [one])
    (found,) = read_inputs([file]).comparisons
    assert (found.suite, found.of, found.against) == ("bbq", "this", "that")


def test_results_that_differ_are_a_warning(tmp_path):
    files = [
        write_file(tmp_path / f"{value}", [result("bbq", [metric("accuracy", value)])])
        for value in (0.4, 0.5)
    ]
    (warning,) = read_inputs(files).warnings
    assert "several results of bbq that differ" in warning


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{}", "no evaluation result"),
        ("a.json", "nonsense", "not JSON"),
        ("a.jsonl", "nonsense\n", "a.jsonl"),
        ("a.json", '{"schema": "shakti-side-by-side/1"}', "side-by-side"),
        ("a.zip", "nonsense", "a.zip"),
    ],
)
def test_what_is_no_result_is_refused_by_name(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        write_paper_report([tmp_path / name], tmp_path / "out")
    assert name in caught.value.message
    assert not (tmp_path / "out").exists()


def test_missing_empty_and_damaged_are_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_inputs([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no results and no bundles"):
        read_inputs([tmp_path / "empty"])
    (tmp_path / "empty" / "manifest.json").write_text("{}")
    with pytest.raises(BundleError):
        read_inputs([tmp_path / "empty"])


def test_evaluation_without_paper_says_what_to_add(tmp_path):
    file = write_file(tmp_path / "e.json", [result("bbq", [])])
    with pytest.raises(InputError, match=r"e\.json is an evaluation result") as caught:
        write_report([file], tmp_path / "out")
    assert "--paper" in caught.value.hint


def test_wrong_wishes_are_refused(tmp_path):
    with pytest.raises(UsageError):
        write_paper_report([], tmp_path / "out", formats=("pdf",))
    with pytest.raises(UsageError):
        write_paper_report([], tmp_path / "out", grid_g_per_kwh=-1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    with pytest.raises(TargetExistsError):
        write_paper_report([], tmp_path / "mine")


# --- odd names ----------------------------------------------------------------------------------


def test_odd_names_are_shown_as_they_are(tmp_path):
    odd = result("bbq", [near("accuracy", 0.4, 0.1, group=ODD)], name=ODD)
    file = write_file(tmp_path / "e.json", [odd], [comparison("accuracy", 0.1, of=ODD, group=ODD)])
    write_paper_report([file], tmp_path / "out", formats=("html", "md"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in (tmp_path / "out" / "report.md").read_text().replace("\\<", "")


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_any_name_makes_a_page(name):
    shown = result("lm-eval", [near("acc", 0.4, 0.1, group=name)], name=name)
    path = Path("e.json")
    from sdk_builder.evaluation.results import ResultFile

    inputs = Inputs((ResultFile(path=str(path), results=(shown,)),))
    content = make_content(inputs, (), (), "t", 473.0, drawn=False)
    page, text = to_html(content, {}), to_markdown(content)
    assert b"<script" not in page
    tables = [line for line in text.decode().split("\n") if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    json.dumps(content.title)

"""`report --paper` and `card`: what they write, print and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder.bundle.manifest_file import identity
from tests.unit.benchmark.bench_fakes import make_bundle
from tests.unit.report.evaluations import near, result, write_file


@pytest.fixture
def evaluation(tmp_path) -> Path:
    return write_file(tmp_path / "bbq.json", [result("bbq", [near("accuracy", 0.36, 0.04)])])


# --- report --paper -------------------------------------------------------------------------


def test_paper_report_is_written(shakti, evaluation, tmp_path):
    bundle = make_bundle(tmp_path / "b").path
    outcome = shakti(
        *("report", "--paper", str(evaluation), str(bundle)),
        *("-o", str(tmp_path / "out"), "--format", "md", "--format", "csv", "--json"),
    )
    assert outcome.code == 0, outcome.stderr
    names = [Path(one["file"]).name for one in outcome.document["files"]]
    assert names == ["report.md", "paper.csv", "comparisons.csv"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# Beside the Shakti paper\n")
    assert "36.0 (measured here, 32.0 to 40.0, n=100)" in text


def test_title_and_grid_reach_the_paper_report(shakti, evaluation, tmp_path):
    outcome = shakti(
        *("report", "--paper", str(evaluation), "-o", str(tmp_path / "out")),
        *("--format", "md", "--title", "Ours", "--grid", "50"),
    )
    assert outcome.code == 0, outcome.stderr
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# Ours\n")
    assert "50 g per kWh" in text


def test_evaluation_without_paper_is_one_line_with_the_fix(shakti, evaluation, tmp_path):
    outcome = shakti("report", str(evaluation), "-o", str(tmp_path / "out"))
    assert outcome.code == 3
    assert "is an evaluation result." in outcome.stderr
    assert "hint: Add --paper" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_base_is_of_another_report(shakti, evaluation):
    outcome = shakti("report", "--paper", str(evaluation), "--base", str(evaluation))
    assert outcome.code == 2
    assert "--base" in outcome.stderr


def test_what_is_no_result_ends_with_3(shakti, tmp_path):
    (tmp_path / "x.json").write_text("{")
    for path in (tmp_path / "x.json", tmp_path / "none"):
        outcome = shakti("report", "--paper", str(path), "-o", str(tmp_path / "out"))
        assert outcome.code == 3
        assert path.name in outcome.stderr
        assert "Traceback" not in outcome.stderr


# --- card -------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path) -> Path:
    return make_bundle(tmp_path / "b").path


@pytest.fixture
def own(bundle, tmp_path) -> Path:
    """An evaluation of that bundle."""
    from sdk_builder.bundle.reader import Bundle

    same = identity(Bundle.open(bundle).manifest)
    scored = result("bbq", [near("accuracy", 0.36, 0.04)], identity=same)
    return write_file(tmp_path / "own.json", [scored])


def test_card_goes_to_stdout(shakti, bundle, own):
    outcome = shakti("card", str(bundle), str(own))
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.startswith("---\n")
    assert outcome.stdout.endswith(".\n")
    assert "36.0 (32.0 to 40.0, n=100)" in outcome.stdout


def test_card_goes_to_a_file_and_is_not_replaced_unasked(shakti, bundle, tmp_path):
    path = tmp_path / "README.md"
    line = ("card", str(bundle), "-o", str(path))
    outcome = shakti(*line)
    assert (outcome.code, outcome.stdout) == (0, f"{path}\n")
    assert path.read_text().startswith("---\n")
    again = shakti(*line)
    assert again.code == 9
    assert "exists" in again.stderr
    assert shakti(*line, "--force").code == 0


def test_card_as_json(shakti, bundle, tmp_path):
    text = shakti("card", str(bundle), "--json").document["card"]
    path = tmp_path / "README.md"
    document = shakti("card", str(bundle), "-o", str(path), "--json").document
    assert document == {"card": text, "file": str(path)}
    assert path.read_text() == text


def test_result_of_another_bundle_is_refused_and_nothing_is_written(
    shakti, bundle, evaluation, tmp_path
):
    path = tmp_path / "README.md"
    outcome = shakti("card", str(bundle), str(evaluation), "-o", str(path))
    assert outcome.code == 3
    assert "bbq.json is of another bundle." in outcome.stderr
    assert not path.exists()


def test_card_of_no_bundle_ends_with_3(shakti, tmp_path):
    outcome = shakti("card", str(tmp_path / "none"))
    assert outcome.code == 3
    assert "There is no bundle" in outcome.stderr

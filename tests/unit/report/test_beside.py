"""What a report says of measurements beside other tools."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from sdk_builder.benchmark.side_by_side import SideBySide, write
from sdk_builder.errors import InputError
from sdk_builder.report.beside import comparisons, draw, lead, table
from sdk_builder.report.write import FORMATS, write_report
from tests.unit.benchmark.test_side_by_side import comparison, result
from tests.unit.report import results

ODD = "<b>|`*x"


def saved(path: Path, value: SideBySide) -> Path:
    write(path, value)
    return path


def test_row_has_ratio_spread_count_targets_and_verdict():
    (row,) = table([result(comparison(floor=1.0, aim=1.5))]).rows
    texts = [f"{cell.text} {cell.detail}" for cell in row]
    assert texts[0] == "decode tiny"
    assert texts[2] == "10.0 llama.cpp"
    assert texts[3] == "1.200 1.10 to 1.30\nn=12"
    assert [text.strip() for text in texts[4:]] == ["≥ 1", "≥ 1.5", "floor met"]


def test_exact_measure_shows_no_spread():
    exact = comparison(low=1.2, high=1.2, repetitions=1, better="lower", floor=2.0)
    row = table([result(exact)]).rows[0]
    assert row[3].detail == "n=1"
    assert row[4].text == "≤ 2"


def test_later_result_of_the_same_measure_replaces_the_earlier():
    first, second = result(comparison(ours=1.0)), result(comparison(ours=2.0))
    assert [one.ours for one in comparisons([first, second])] == [2.0]
    both = comparisons([first, result(comparison(model="other"))])
    assert sorted(one.model for one in both) == ["other", "tiny"]


def test_lead_counts_floors_and_aims():
    told = lead(
        [
            result(
                comparison(measure="a", floor=1.0, aim=1.1),
                comparison(measure="b", floor=1.0, aim=9.0),
                comparison(measure="c", floor=2.0),
                comparison(measure="d"),
            )
        ]
    )
    assert told == ("Beside other tools: 2 of 3 floors met; 1 of these reach the aim, too.",)
    assert lead([result()]) == ()


def test_figure_has_a_line_for_each_comparison_and_headings_for_several_models():
    drawn = draw([result(comparison(), comparison(model="other", better="lower", floor=1.0))])
    assert drawn is not None
    axes = drawn.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("other", "decode"),
        *("tiny", "decode"),
    ]
    lines = {line.get_gid(): line for line in axes.get_lines() if line.get_gid()}
    ends = {name: sorted(map(float, line.get_xdata())) for name, line in lines.items()}  # type: ignore[arg-type]
    assert ends["beside-tiny-decode"] == [1.1, 1.3]
    assert ends["beside-other-decode"] == pytest.approx([1 / 1.3, 1 / 1.1])


def test_report_of_side_by_side_results_alone(tmp_path):
    path = saved(tmp_path / "a.json", result(comparison(title=ODD, floor=1.0)))
    written = write_report([path], tmp_path / "out", formats=FORMATS)
    names = {one.relative_to(tmp_path / "out").as_posix() for one in written.paths}
    assert {"report.html", "report.md", "beside.csv", "plots/beside.png"} <= names
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Beside other tools" in page
    assert "<b>" not in page
    text = (tmp_path / "out" / "beside.csv").read_bytes().decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["title"], row["ratio"], row["verdict"]) == (ODD, "1.2", "floor met")


def test_report_of_runs_and_side_by_side_results(tmp_path):
    run = results.write(
        tmp_path / "a.jsonl",
        results.complete(results.run([results.DECODE]), {results.DECODE: [1000.0] * 5}),
    )
    path = saved(tmp_path / "b.json", result(comparison(floor=1.0)))
    write_report([run, path], tmp_path / "out", formats=["md"])
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    for part in ("## Beside other tools", "## Every case", "1 of 1 floor met", "2 cores"):
        assert part in text


@pytest.mark.parametrize(("share", "warned"), [(None, 0), (0.02, 0), (0.85, 1)])
def test_busy_machine_is_warned_of(tmp_path, share, warned):
    value = result().model_copy(update={"busy_share": share})
    path = saved(tmp_path / "a.json", value)
    written = write_report([path], tmp_path / "out", formats=["md"])
    assert len(written.warnings) == warned
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert text.count("85%") == 2 * warned


def test_other_json_is_refused_by_name(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(InputError, match=r"summary\.json"):
        write_report([tmp_path / "summary.json"], tmp_path / "out", formats=["md"])

"""The pages: what they say, what they escape, and the folder they are written to."""

from __future__ import annotations

import html
import os
import re
import statistics
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.records import Failure, Line
from sdk_builder.errors import InputError, TargetExistsError, UsageError
from sdk_builder.report import write as writing
from sdk_builder.report.markdown import escape
from sdk_builder.report.write import MARK, write_report
from tests.unit.report.results import (
    DECODE,
    LOAD,
    PREFILL,
    at,
    bundle,
    complete,
    conditions,
    device,
    round_start,
    run,
    sample,
    write,
)

FAST = [1000.0, 1013.7, 991.25, 1102.5, 1000.1]
ODD = '<script>alert("1")</script>|`*_[x](javascript:1)'


class Words(HTMLParser):
    """The text of a page by element, and its tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._style = False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.text += data


def page_of(folder) -> Words:
    words = Words()
    words.feed((folder / "report.html").read_text(encoding="utf-8"))
    words.text = " ".join(words.text.split())
    return words


def report(tmp_path, *files, formats=("html", "md"), **options):
    paths = [write(tmp_path / f"{i}.jsonl", lines) for i, lines in enumerate(files)]
    return write_report(paths, tmp_path / "out", formats=formats, **options)


def test_medians_intervals_and_identity_are_on_both_pages(tmp_path):
    this = run([DECODE])
    report(tmp_path, complete(this, {DECODE: FAST}))
    median = statistics.median(128_000 / ms for ms in FAST)
    page, text = page_of(tmp_path / "out").text, (tmp_path / "out" / "report.md").read_text()
    for words in (page, text):
        assert f"{median:.0f}" in words
        assert "n=5" in words
        for fact in (this.run_id, this.plan_hash, this.bundle.identity):
            assert fact in words
        assert this.bundle.program_sha256 in words
        assert "3 of 4 repeated to the token, 97.0%" in words
        assert "not measured" in words


def test_page_asks_for_nothing_and_runs_nothing(tmp_path):
    report(tmp_path, complete(run([DECODE]), {DECODE: FAST}))
    page = page_of(tmp_path / "out")
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "embed"})
    addresses = [
        value or ""
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "action", "data")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_odd_names_and_messages_are_shown_as_they_are(tmp_path):
    this = run([DECODE], device=device(ODD), bundle=bundle(model=ODD))
    failure = Failure(round=0, attempt=0, at=at(0), cause="app_crashed", message=ODD)
    report(tmp_path, [*complete(this, {DECODE: FAST}), failure], title=ODD)
    page = page_of(tmp_path / "out")
    assert page.text.count(ODD) >= 4
    assert not any(tag == "script" for tag, _ in page.tags)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "<script" not in re.sub(r"\\<", "", text)


@given(st.text())
def test_markdown_escaping_keeps_one_line_and_can_be_undone(text):
    line = escape(text)
    assert "\n" not in line
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<>`*\[\]]", line)
    undone = re.sub(r"\\(.)", r"\1", line)
    assert undone == " ".join("".join(c if c.isprintable() else " " for c in text).split())


def test_only_failures_still_give_a_report_that_says_so(tmp_path):
    this = run([LOAD, DECODE])
    failure = Failure(round=0, attempt=0, at=at(0), cause="load_failed", message="out of memory")
    written = report(tmp_path, [this, round_start(this, 0), failure], formats=writing.FORMATS)
    page = page_of(tmp_path / "out").text
    assert "Nothing was measured" in page
    assert "out of memory" in page
    assert "load_failed" in page
    assert any("Not one valid sample" in warning for warning in written.warnings)


def test_invalid_and_missing_samples_are_listed(tmp_path):
    this = run([DECODE], rounds=4)
    hot = sample(DECODE, 1600.0, round=2, invalid_reason="thermal status 2 after")
    report(tmp_path, [*complete(this, {DECODE: FAST[:2]}), hot])
    page = page_of(tmp_path / "out").text
    assert "thermal status 2 after" in page
    assert "2 of 4" in page
    assert "3, 4" in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bundle": bundle(untrained=True)}, "Untrained weights"),
        ({"before": conditions(charging=True)}, "Charging while measured"),
        ({"before": conditions(thermal_status=None)}, "does not tell all that the gate looks at"),
        ({"count": 3}, "Fewer than 5"),
        ({"golden": None}, "golden prompts were not checked"),
    ],
    ids=["untrained", "charging", "gate unknown", "few", "not golden"],
)
def test_what_weakens_a_number_is_warned_of(tmp_path, change, said):
    plain = report(tmp_path, complete(run([DECODE]), {DECODE: FAST}))
    assert not any(said in warning for warning in plain.warnings)
    this = run([DECODE], bundle=change.get("bundle"))
    values = {"before": change["before"]} if "before" in change else {}
    start = round_start(this, 0)
    lines: list[Line] = [
        this,
        start.model_copy(update={"golden": None}) if "golden" in change else start,
    ]
    for i, ms in enumerate(FAST[: change.get("count", 5)]):
        lines.append(sample(DECODE, ms, round=i, **values))
    weak = report(tmp_path, lines)
    assert [w for w in weak.warnings if said in w and "Pixel 8" in w]


def test_baseline_is_compared_case_by_case(tmp_path):
    slow = [ms * 1.5 for ms in FAST] * 2
    base = write(
        tmp_path / "base.jsonl",
        complete(run([DECODE], rounds=10, mark="base"), {DECODE: FAST * 2}),
    )
    report(tmp_path, complete(run([DECODE], rounds=10), {DECODE: slow}), base=[base])
    page = page_of(tmp_path / "out").text
    assert "Against the baseline" in page
    assert "1.500" in page


def test_result_without_baseline_is_a_warning(tmp_path):
    other = complete(run([DECODE], device=device("Other")), {DECODE: FAST})
    base = write(tmp_path / "base.jsonl", other)
    written = report(tmp_path, complete(run([DECODE]), {DECODE: FAST}), base=[base])
    assert any("Pixel 8" in w and "no baseline" in w for w in written.warnings)


def test_long_device_name_is_whole_on_the_page(tmp_path):
    name = "W" * 300
    report(tmp_path, complete(run([DECODE], device=device(name)), {DECODE: FAST}))
    assert name in html.unescape(page_of(tmp_path / "out").text)


# --- the folder -------------------------------------------------------------------------


def test_all_formats_are_written_and_listed(tmp_path):
    lines = complete(run([PREFILL, DECODE]), {PREFILL: [800.0], DECODE: FAST})
    written = report(tmp_path, lines, formats=writing.FORMATS)
    out = tmp_path / "out"
    names = {path.relative_to(out).as_posix() for path in written.paths}
    assert {"report.html", "report.md", "results.csv", "summary.csv", "summary.json"} < names
    assert {"plots/decode.png", "plots/decode.svg", "plots/size.png"} < names
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there == names | {MARK}
    images = re.findall(r"\]\((plots/[^)]+)\)", (out / "report.md").read_text())
    assert set(images) == {name for name in names if name.endswith(".png")}


def test_same_results_give_the_same_files(tmp_path):
    lines = complete(run([DECODE]), {DECODE: FAST})
    written = report(tmp_path, lines, formats=writing.FORMATS)
    first = [path.read_bytes() for path in written.paths]
    again = report(tmp_path, lines, formats=writing.FORMATS)
    assert [path.read_bytes() for path in again.paths] == first


def test_next_report_replaces_the_last_and_leaves_other_files(tmp_path):
    lines = complete(run([DECODE]), {DECODE: FAST})
    report(tmp_path, lines, formats=["md", "png"])
    notes = tmp_path / "out" / "notes.txt"
    notes.write_text("mine")
    report(tmp_path, lines, formats=["md"])
    assert notes.read_text() == "mine"
    assert not list((tmp_path / "out" / "plots").glob("*.png"))


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_report_is_not_overwritten(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
        (out / "report.html").write_text("a thesis")
    else:
        out.write_text("a thesis")
    with pytest.raises(TargetExistsError, match="out"):
        report(tmp_path, complete(run([DECODE]), {DECODE: FAST}), formats=["md"])
    kept = out / "report.html" if kind == "folder" else out
    assert kept.read_text() == "a thesis"


def test_force_writes_beside_other_files(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    report(tmp_path, complete(run([DECODE]), {DECODE: FAST}), formats=["md"], force=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"
    assert (tmp_path / "out" / "report.md").is_file()


def test_failed_write_leaves_the_last_report_whole(tmp_path, monkeypatch):
    lines = complete(run([DECODE]), {DECODE: FAST})
    written = report(tmp_path, lines, formats=["md", "csv"])
    before = {path: path.read_bytes() for path in written.paths}
    real, calls = type(tmp_path).write_bytes, []

    def full(self, data):
        calls.append(self)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(Exception, match="disk is full"):
        report_again(tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*(p.name for p in before), MARK}


def report_again(tmp_path):
    write_report([tmp_path / "0.jsonl"], tmp_path / "out", formats=["md", "csv"], title="Other")


def test_bad_input_leaves_no_folder(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("nonsense\n")
    with pytest.raises(InputError, match=r"a\.jsonl"):
        write_report([path], tmp_path / "out")
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.parametrize("options", [{"formats": ["pdf"]}, {"formats": []}, {"grid_g_per_kwh": -1}])
def test_senseless_options_are_usage_errors(tmp_path, options):
    path = write(tmp_path / "a.jsonl", complete(run([DECODE]), {DECODE: FAST}))
    with pytest.raises(UsageError):
        write_report([path], tmp_path / "out", **options)

"""`shakti-sdk eval`: what it asks of the library, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdk_builder.cli.requests import DomainOptions, HarnessOptions, PerplexityOptions, SuiteOptions
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import FakeLibrary


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("héllo", encoding="utf-8")
    return path


# --- perplexity ---------------------------------------------------------------------------


def test_eval_reads_the_text_and_prints_perplexity(text: Path, shakti: Shakti):
    library = FakeLibrary()
    limits = ["--tokens", "64", "--window", "32", "--stride", "8", "--threads", "2"]
    outcome = shakti("eval", "b", "--text", str(text), *limits, library=library)
    assert outcome.stdout == "perplexity 17.250 over 99 tokens (window 32, stride 16)\n"
    assert library.measured == [
        PerplexityOptions(
            (Path("b"),), "héllo", str(text), tokens=64, window=32, stride=8, threads=2
        )
    ]


def test_eval_against_a_model_says_how_far_it_is(text: Path, shakti: Shakti):
    outcome = shakti("eval", "b", "--text", str(text), "--against", "m")
    assert outcome.stdout.splitlines()[1:] == [
        "1.1500 ± 0.0100 × that of m (15.000)",
        "KL 0.1250 nats a token, same best token at 87.5%",
    ]


def test_several_bundles_are_side_by_side(text: Path, shakti: Shakti):
    outcome = shakti("eval", "one/a", "two/b", "--text", str(text), "--against", "m")
    header, first, second, _, where = outcome.stdout.splitlines()
    assert header.split() == [
        *("bundle", "perplexity", "nll", "±", "stderr", "ratio", "KL", "same", "best")
    ]
    assert first.split() == ["a", "17.250", "2.8478", "0.0500", "1.1500", "0.1250", "87.5%"]
    assert second.split()[0] == "b"
    assert where == "  99 tokens, window 32, stride 16; against m (15.000)"


def test_eval_json(text: Path, shakti: Shakti):
    document = shakti("eval", "b", "--text", str(text), "--json").document
    assert document["perplexity"] == 17.25
    assert document["suite"] == "perplexity"
    several = shakti("eval", "b", "c", "--text", str(text), "--json").document
    assert [one["bundle"] for one in several["results"]] == ["b", "c"]


def test_eval_of_a_missing_or_binary_text_is_an_input_error(tmp_path: Path, shakti: Shakti):
    binary = tmp_path / "binary"
    binary.write_bytes(b"ab\xff")
    missing = shakti("eval", "b", "--text", str(tmp_path / "none"))
    not_text = shakti("eval", "b", "--text", str(binary))
    assert (missing.code, not_text.code) == (3, 3)
    assert "not UTF-8 text (byte 2)" in not_text.stderr


def test_output_holds_what_json_prints(text: Path, tmp_path: Path, shakti: Shakti):
    target = tmp_path / "new" / "result.json"
    outcome = shakti("eval", "b", "--text", str(text), "--json", "-o", str(target))
    assert json.loads(target.read_text(encoding="utf-8")) == outcome.document


def test_output_that_exists_is_refused_before_any_work(text: Path, tmp_path: Path, shakti: Shakti):
    target = tmp_path / "result.json"
    target.write_text("mine")
    library = FakeLibrary()
    arguments = ("eval", "b", "--text", str(text), "-o", str(target))
    outcome = shakti(*arguments, library=library)
    assert outcome.code == 9
    assert "--force" in outcome.stderr
    assert (library.measured, target.read_text()) == ([], "mine")
    assert shakti(*arguments, "--force").code == 0
    assert json.loads(target.read_text())["suite"] == "perplexity"


# --- lm-eval ------------------------------------------------------------------------------


def test_lm_eval_passes_every_option_on(shakti: Shakti):
    library = FakeLibrary()
    arguments = ["--tasks", "arc_easy, mine.yaml", "--include-path", "d", "--limit", "7"]
    arguments += ["--fewshot", "0", "--chat", "--threads", "1", "--resume", "r"]
    outcome = shakti("eval", "a", "b", "--suite", "lm-eval", *arguments, library=library)
    assert outcome.code == 0, outcome.stderr
    assert library.harnessed == [
        HarnessOptions(
            bundles=(Path("a"), Path("b")),
            tasks=("arc_easy", "mine.yaml"),
            include=Path("d"),
            limit=7,
            fewshot=0,
            chat=True,
            threads=1,
            resume=Path("r"),
        )
    ]


def test_lm_eval_prints_a_column_a_bundle(shakti: Shakti):
    outcome = shakti("eval", "x/a", "x/b", "--suite", "lm-eval", "--tasks", "arc_easy")
    lines = [" ".join(line.split()) for line in outcome.stdout.splitlines()]
    assert lines == [
        "task n metric a b",
        "arc_easy 5 acc 0.4000 ± 0.2450 0.4000 ± 0.2450",
        "arc_easy 5 exact_match (strict) 0.2500 0.2500",
        "",
        "b against a: t acc +25.0 points [-50.0, +50.0], p 0.500; 1 of 4 items come out otherwise",
    ]


def test_lm_eval_json(shakti: Shakti):
    document = shakti("eval", "a", "--suite", "lm-eval", "--tasks", "t", "--json").document
    assert document == {"suite": "lm-eval", "results": [{"bundle": "a"}], "comparisons": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("b",), "--suite perplexity needs --text"),
        (("b", "--suite", "lm-eval"), "--suite lm-eval needs --tasks"),
        (("b", "--suite", "lm-eval", "--tasks", " , "), "--tasks names no task"),
        (("b", "--text", "t", "--fewshot", "0"), "--fewshot belongs to --suite lm-eval"),
        (("b", "--text", "t", "--chat"), "--chat belongs to --suite lm-eval"),
        (("b", "--suite", "bbq", "--tasks", "t"), "--tasks belongs to --suite lm-eval"),
        (("b", "--text", "t", "--seed", "0"), "--seed belongs to --suite crows-pairs, bbq"),
        (("b", "--suite", "lm-eval", "--tasks", "t", "--data", "d"), "--data belongs to --suite"),
        (
            ("b", "--suite", "lm-eval", "--tasks", "t", "--text", "t"),
            "--text belongs to --suite perplexity",
        ),
        (("--text", "t"), "BUNDLE"),
    ],
)
def test_contradictions_end_with_2(arguments: tuple[str, ...], said: str, shakti: Shakti):
    outcome = shakti("eval", *arguments)
    assert outcome.code == 2
    assert said in outcome.stderr


# --- suites of items ------------------------------------------------------------------------


def test_a_suite_asks_for_its_items_on_every_bundle(shakti: Shakti):
    library = FakeLibrary()
    chosen = ["--data", "a.csv", "--data", "b.csv", "--limit", "8", "--seed", "3"]
    kept = ["--resume", "r.jsonl", "--threads", "2"]
    shakti("eval", "none", "q4", "--suite", "bbq", *chosen, *kept, library=library)
    bundles = (Path("none"), Path("q4"))
    assert library.suites == [
        SuiteOptions(bundles, "bbq", ("a.csv", "b.csv"), 8, 3, 2, Path("r.jsonl"))
    ]


def test_a_suite_shows_each_metric_with_its_interval_and_what_differs(shakti: Shakti):
    outcome = shakti("eval", "none", "q4", "--suite", "toxigen", "--data", "a.csv")
    lines = [line.split() for line in outcome.stdout.splitlines() if line]
    assert lines[0] == ["metric", "n", "tiny", "none", "tiny", "q4"]
    assert lines[1][:2] == ["accuracy", "8"]
    assert " ".join(lines[1][2:]) == "50.0 % [25.0 %, 50.0 %] 37.5 % [18.8 %, 37.5 %]"
    assert lines[2] == ["bias", "8", "none", "none"]
    assert " ".join(lines[3][2:5]) == "40.000 [20.000, 40.000]"
    assert lines[4][:2] == ["accuracy", "of"]
    assert [line[0] for line in lines[5:7]] == ["age", "gender"]
    assert " ".join(lines[7]) == (
        "tiny q4 against tiny none: accuracy -12.5 points [-50.0, +25.0], p 0.625; "
        "2 of 8 items come out otherwise"
    )
    assert " ".join(lines[8]) == "95% intervals; 8 of 9 items of a.csv"


def test_outcomes_of_items_are_written_where_they_are_asked_for(tmp_path: Path, shakti: Shakti):
    wanted = tmp_path / "items.jsonl"
    shakti("eval", "b", "--suite", "bbq", "--items", str(wanted))
    assert json.loads(wanted.read_text(encoding="utf-8")) == {"where": "a.csv:2", "right": 1.0}
    again = shakti("eval", "b", "--suite", "bbq", "--items", str(wanted))
    assert (again.code, "exists" in again.stderr) == (9, True)


def test_a_result_that_is_kept_leads_to_the_report(tmp_path: Path, shakti: Shakti):
    kept = tmp_path / "bbq.json"
    outcome = shakti("eval", "b", "--suite", "bbq", "-o", str(kept))
    assert f"Next: shakti-sdk report --paper {kept}" in outcome.stderr
    assert json.loads(kept.read_text(encoding="utf-8"))["suite"] == "bbq"


def test_a_suite_as_json_is_the_whole_record(shakti: Shakti):
    document = shakti("eval", "b", "--suite", "crows-pairs", "--json").document
    assert document["suite"] == "crows-pairs"
    assert document["results"][0]["metrics"][0]["value"] == 0.5


def test_domain_quality_takes_one_file_and_a_judge(shakti: Shakti):
    library = FakeLibrary()
    given = ["--data", "mine.jsonl", "--judge", "a.b:c", "--max-tokens", "64", "--limit", "9"]
    outcome = shakti("eval", "b", "--suite", "domain", *given, library=library)
    assert outcome.code == 0, outcome.stderr
    wanted = DomainOptions((Path("b"),), Path("mine.jsonl"), limit=9, judge="a.b:c", max_tokens=64)
    assert library.domains == [wanted]
    refused = shakti("eval", "b", "--suite", "domain", "--data", "a", "--data", "c")
    assert "takes one --data" in refused.stderr

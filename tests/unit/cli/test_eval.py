"""`shakti-sdk eval`: what it asks of the library, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdk_builder.cli.requests import HarnessOptions, PerplexityOptions
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
    ]


def test_lm_eval_json(shakti: Shakti):
    document = shakti("eval", "a", "--suite", "lm-eval", "--tasks", "t", "--json").document
    assert document == {"suite": "lm-eval", "results": [{"bundle": "a"}]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("b",), "--suite perplexity needs --text"),
        (("b", "--suite", "lm-eval"), "--suite lm-eval needs --tasks"),
        (("b", "--suite", "lm-eval", "--tasks", " , "), "--tasks names no task"),
        (("b", "--text", "t", "--fewshot", "0"), "--fewshot belongs to --suite lm-eval"),
        (("b", "--text", "t", "--chat"), "--chat belongs to --suite lm-eval"),
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

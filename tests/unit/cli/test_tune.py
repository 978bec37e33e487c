"""What `tune` asks of the library, and what it prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdk_builder.cli.requests import TuneOptions
from sdk_builder.errors import Interrupted
from sdk_builder.tuning.choice import Limits, Row, judge, recommend
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import FakeLibrary, FakeTuned, failing
from tests.unit.tuning.samples import measurement, planned

DEFAULT = TuneOptions(
    model="tiny",
    text=Path("held-out.txt"),
    output=Path("build/tiny-tune"),
    max_size_bytes=None,
    max_ratio=None,
    tokens=None,
    quants=(),
    methods=(),
    group_sizes=(),
    embeddings=(),
    bits=(),
    kvs=(),
    quick=False,
    full=False,
    keep="best",
    again=False,
    exhaustive=False,
    with_speed=False,
    context_length=4096,
    seed=None,
    tokenizer=None,
    calibration=None,
)


def tuned(limits: Limits, *, method: str = "rounding") -> FakeTuned:
    """Two measured candidates, one that failed and one that was too large."""
    best = measurement(1_200_000, 11.0, method=method)
    rows = judge(
        [
            Row(planned("q4", 1), "measured", measurement(1_000_000, 12.0), 1.2),
            Row(planned("q5", 1), "measured", best, 1.1),
            Row(planned("q4 g64", 900_000), "failed", reason="rows of 96 do not divide"),
            Row(planned("q8", 9_000_000), "too large", reason="predicted 9.0 MB"),
        ],
        limits,
    )
    found = recommend(rows, limits)
    command = f"shakti-sdk export tiny --quant {found.planned.candidate.quant}" if found else ""
    return FakeTuned(rows, found, baseline="q4", command=command)


def test_tune_with_a_text_leaves_all_else_to_the_library(shakti: Shakti):
    library = FakeLibrary(tuned=tuned(Limits()))
    assert shakti("tune", "tiny", "--text", "held-out.txt", library=library).code == 0
    assert library.tunings == [DEFAULT]


def test_tune_passes_every_option_on(shakti: Shakti):
    library = FakeLibrary(tuned=tuned(Limits()))
    lists = "--quant q4,q5 --method rounding --group-size 32,64 --embedding int4,int8 --bits 4.3,5"
    others = "--kv fp32 --tokens 99 --max-size 70.5 --max-ratio 1.05 --context 64 --seed 7 -o out"
    files = "--tokenizer t --calibration c --keep none"
    switches = "--quick --full --again --exhaustive --front-speed"
    words = f"{lists} {others} {files} {switches}".split()
    assert shakti("tune", "tiny", "--text", "held-out.txt", *words, library=library).code == 0
    assert library.tunings == [
        replace(
            DEFAULT,
            output=Path("out"),
            max_size_bytes=70_500_000,
            max_ratio=1.05,
            tokens=99,
            quants=("q4", "q5"),
            methods=("rounding",),
            group_sizes=(32, 64),
            embeddings=("int4", "int8"),
            bits=(4.3, 5.0),
            kvs=("fp32",),
            quick=True,
            full=True,
            keep="none",
            again=True,
            exhaustive=True,
            with_speed=True,
            context_length=64,
            seed=7,
            tokenizer=Path("t"),
            calibration=Path("c"),
        )
    ]


def test_tune_without_a_text_says_which_one_it_needs(shakti: Shakti):
    outcome = shakti("tune", "tiny")
    assert outcome.code == 2
    assert "no text to judge by" in outcome.stderr
    assert "--text" in outcome.stderr


@pytest.mark.parametrize(
    "wrong",
    ["--group-size 33", "--embedding int3", "--bits 4.3,few", "--bits 1", "--quant none", "--kv ,"],
)
def test_a_value_that_there_is_not_is_a_usage_error(shakti: Shakti, wrong: str):
    library = FakeLibrary()
    outcome = shakti("tune", "tiny", "--text", "t", *wrong.split(), library=library)
    assert outcome.code == 2
    assert library.tunings == []


def test_table_has_a_row_for_each_candidate_and_ends_with_the_command(shakti: Shakti):
    library = FakeLibrary(tuned=tuned(Limits(ratio=1.15)))
    outcome = shakti("tune", "tiny", "--text", "t", "--max-ratio", "1.15", library=library)
    lines = outcome.stdout.splitlines()
    assert lines[0].split()[:3] == ["candidate", "bits", "MB"]
    q4, q5, failed, large = lines[1:5]
    figures = "4.50 1.0 12.000 1.2000 ± 0.0100 0.1000 1.00 2 MB front no"
    assert q4.split() == ["q4", *figures.split()]
    figures = "4.50 1.2 11.000 1.1000 ± 0.0100 0.1000 1.00 2 MB front yes ← recommended"
    assert q5.split() == ["q5", *figures.split()]
    assert failed.split(maxsplit=4)[-1] == "rows of 96 do not divide"
    assert large.endswith("predicted 9.0 MB")
    assert "Float model: perplexity 10.000." in outcome.stdout
    assert outcome.stderr.endswith("Next: shakti-sdk export tiny --quant q5\n")


def test_what_auto_chose_is_shown_where_methods_differ(shakti: Shakti):
    library = FakeLibrary(tuned=tuned(Limits(), method="better"))
    outcome = shakti("tune", "tiny", "--text", "t", library=library)
    assert "q4 (rounding)" in outcome.stdout
    assert "q5 (better)" in outcome.stdout


def test_without_a_candidate_within_the_limits_it_fails_and_names_the_nearest(shakti: Shakti):
    library = FakeLibrary(tuned=tuned(Limits(500_000, 1.05)))
    words = ("tune", "tiny", "--text", "t", "--max-size", "0.5", "--max-ratio", "1.05")
    outcome = shakti(*words, library=library)
    assert outcome.code == 5
    assert "q4 g64" in outcome.stdout
    assert "No candidate meets the limits." in outcome.stderr
    assert "best ratio is 1.1000, of q5; the smallest has 0.9 MB, q4 g64" in outcome.stderr
    document = shakti(*words, "--json", library=library).document
    assert document["recommended"] is None
    assert document["error"]["code"] == 5
    assert len(document["candidates"]) == 4


def test_where_it_stopped_early_the_way_on_is_named(shakti: Shakti):
    found = replace(tuned(Limits(ratio=1.01)), stopped="far from 1.01")
    untried = replace(found, rows=(*found.rows, Row(planned("q8 g32", 1), "not tried")))
    words = ("tune", "tiny", "--text", "t", "--max-ratio", "1.01")
    outcome = shakti(*words, library=FakeLibrary(tuned=untried))
    assert "Stopped early: far from 1.01." in outcome.stdout
    assert "--exhaustive" in outcome.stderr
    # It would change nothing where all that is possible was tried.
    assert "--exhaustive" not in shakti(*words, library=FakeLibrary(tuned=found)).stderr


def test_where_all_failed_the_table_says_why(shakti: Shakti):
    row = Row(planned("q4", 1), "failed", reason="the guardrail")
    library = FakeLibrary(tuned=FakeTuned((row,)))
    outcome = shakti("tune", "tiny", "--text", "t", library=library)
    assert outcome.code == 5
    assert "the guardrail" in outcome.stdout
    assert "No candidate could be measured." in outcome.stderr


def test_json_holds_every_candidate_with_its_options_and_figures(shakti: Shakti):
    library = FakeLibrary(tuned=tuned(Limits(ratio=1.15)))
    words = ("tune", "tiny", "--text", "t", "--max-ratio", "1.15", "--json")
    document = shakti(*words, library=library).document
    assert document["limits"] == {"max_size_bytes": None, "max_ratio": 1.15}
    assert document["recommended"] == "q5"
    assert document["command"] == "shakti-sdk export tiny --quant q5"
    q4, q5, failed, _ = document["candidates"]
    assert q5["measured"]["perplexity"] == 11.0
    assert (q4["meets_limits"], q5["meets_limits"]) == (False, True)
    assert failed["measured"] is None
    assert failed["reason"] == "rows of 96 do not divide"
    assert failed["options"]["group_size"] == 64


def test_ctrl_c_says_how_to_go_on(shakti: Shakti):
    library = failing(Interrupted("Stopped.", "Run the same command again."))
    outcome = shakti("tune", "tiny", "--text", "t", library=library)
    assert outcome.code == 130
    assert "same command again" in outcome.stderr

"""What `eval` wrote, read back as values, whatever suite it is of; and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdk_builder.errors import InputError
from sdk_builder.evaluation.results import (
    Comparison,
    Metric,
    SuiteResult,
    SuiteScores,
    is_evaluation,
    read_results,
    reference_of,
)

OF: dict[str, Any] = {
    "bundle": "build/a-q4",
    "name": "a",
    "identity": "1" * 64,
    "program_sha256": "2" * 64,
    "scheme": "q4",
    "bits_per_weight": 4.5,
}
SUITE = SuiteResult(suite="bbq", **OF, metrics=(Metric(metric="accuracy", value=0.5, items=8),))


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_suite_with_its_comparisons_comes_back(tmp_path: Path):
    compared = Comparison(
        suite="bbq", metric="accuracy", of="a q4", against="a none", difference=0.1, items=8
    )
    path = write(tmp_path / "a.json", SuiteScores((SUITE,), (compared,), ()).document)
    (found,) = read_results([path])
    assert (found.results, found.comparisons) == ((SUITE,), (compared,))
    assert is_evaluation(path)


def test_perplexity_is_metrics_with_the_interval_of_its_ratio(tmp_path: Path):
    against = {"ratio": 1.1, "ratio_stderr": 0.01, "kl": 0.2, "name": "a", "top1": 0.9}
    document = {
        **{"schema": "shakti-evaluation-1", "suite": "perplexity", **OF},
        **{"perplexity": 16.0, "tokens": 99, "window": 32, "against": against},
    }
    ((result,),) = (one.results for one in read_results([write(tmp_path / "a.json", document)]))
    ratio, divergence = result.find("perplexity_ratio"), result.find("kl")
    assert ratio is not None
    assert (ratio.low, ratio.high) == pytest.approx((1.1 - 0.0196, 1.1 + 0.0196), abs=1e-5)
    assert divergence is not None
    assert (divergence.value, divergence.unit, divergence.items) == (0.2, "nats", 99)


def test_a_score_of_lm_eval_is_a_metric_of_its_task(tmp_path: Path):
    score = {
        **{"task": "arc", "metric": "acc", "filter": "none", "value": 0.5, "stderr": 0.1},
        **{"documents": 25, "higher_is_better": True},
    }
    other = {**score, "metric": "exact_match", "filter": "strict", "stderr": None}
    document = {
        "suite": "lm-eval",
        "results": [
            {"schema": "shakti-evaluation-1", "suite": "lm-eval", **OF, "scores": [score, other]}
        ],
    }
    ((result,),) = (one.results for one in read_results([write(tmp_path / "a.json", document)]))
    accuracy = result.find("acc", "arc")
    assert accuracy is not None
    assert (accuracy.low, accuracy.high) == pytest.approx((0.304, 0.696), abs=1e-3)
    strict = result.find("exact_match (strict)", "arc")
    assert strict is not None
    assert (strict.low, strict.high) == (None, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"[]", "is no evaluation result"),
        (b"{}", "is no evaluation result of this version"),
        (b'{"schema": "shakti-evaluation-9", "suite": "bbq"}', "of this version"),
        (b'{"schema": "shakti-evaluation-1", "suite": "bbq"}', "bundle: Field required"),
        (b"\xff\xfe", "is not JSON"),
    ],
)
def test_another_file_is_one_line_that_names_it(content: bytes, said: str, tmp_path: Path):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_results([path])
    assert caught.value.message.startswith(str(path))
    assert "\n" not in caught.value.message
    assert "eval -o" in caught.value.hint


def test_a_number_that_is_none_is_refused(tmp_path: Path):
    document = SUITE.as_document()
    document["metrics"][0]["value"] = float("nan")
    with pytest.raises(InputError, match=r"metrics\.0\.value"):
        read_results([write(tmp_path / "a.json", document)])


@pytest.mark.parametrize(
    ("schemes", "which"), [(["q4", "none", "q8"], 1), (["q8", "q4"], 0), (["q4"], 0)]
)
def test_bundles_are_compared_with_the_float_one_else_the_first(schemes: list[str], which: int):
    assert reference_of(schemes) == which

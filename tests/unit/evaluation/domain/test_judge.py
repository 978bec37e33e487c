"""Judges: the metrics, and functions of the user's, whose faults are said in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdk_builder.errors import InputError
from sdk_builder.evaluation.domain import judge as judges
from sdk_builder.evaluation.domain.judge import MetricsJudge, load_judge
from tests.unit.evaluation.domain.embedders import WordEmbedder

CODE = """
VALUE = 0.5

def fine(kind, prompt, reference, answer):
    return len(answer) / 10

def some(answer, **rest):
    return True

def narrow(answer):
    return 1

def broken(kind, prompt, reference, answer):
    return 1 / 0

def wide(kind, prompt, reference, answer):
    return 7

def lost(kind, prompt, reference, answer):
    return None

async def later(kind, prompt, reference, answer):
    return 1
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my_judges.py"
    path.write_text(CODE)
    (tmp_path / "torn.py").write_text("def f(:\n")
    (tmp_path / "needy.py").write_text("import absent_package\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_judges", "torn", "needy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return path


def score(name: str) -> float:
    return load_judge(f"my_judges:{name}").score("factual", "q", "r", "abc")


def test_function_of_the_working_folder_judges():
    assert score("fine") == 0.3
    assert score("some") == 1


def test_another_file_is_another_judge(module: Path):
    before = load_judge("my_judges:fine").key
    module.write_text(CODE + "# changed\n")
    assert load_judge("my_judges:fine").key != before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_judges", "names no judge"),
        (":fine", "names no judge"),
        ("absent_module:fine", "no module absent_module"),
        ("my_judges:absent", "no function absent"),
        ("my_judges:VALUE", "no function VALUE"),
        ("my_judges:narrow", "takes other arguments"),
        ("my_judges:later", "async"),
        ("torn:f", "SyntaxError"),
        ("needy:f", "ModuleNotFoundError"),
    ],
)
def test_unusable_function_is_said(name: str, said: str):
    with pytest.raises(InputError, match=said) as caught:
        load_judge(name)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "ZeroDivisionError: division by zero .*my_judges.py:14"),
        ("wide", "returned 7 for an answer of kind factual"),
        ("lost", "returned None"),
    ],
)
def test_wrong_result_is_said(name: str, said: str):
    with pytest.raises(InputError, match=said):
        score(name)


def test_metrics_are_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(judges, "default_embedder", WordEmbedder)
    judge = load_judge(None)
    assert judge == MetricsJudge(WordEmbedder())
    assert judge.key == "metrics 1 words"
    claims = "Insulin lowers sugar.\nCoins are round."
    assert judge.score("factual", "?", claims, "Insulin lowers sugar.") == 0.5
    relevancy = judge.score("relevancy", "Are coins round?", "Coins are round.", "Yes, round.")
    assert relevancy == pytest.approx(0.5)
    assert judge.score("summarization", "Coins are round. " * 4, "Coins.", "Coins.") > 0

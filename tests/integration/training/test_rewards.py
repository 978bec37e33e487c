"""Reward functions of the user: what they are called with, and what is said when they are wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

from sdk_builder.errors import RewardError
from sdk_builder.training.rewards import EXTRA, as_extra, load_reward, load_reward_model
from tests.integration.models.builders import VOCABULARY
from tests.integration.pipeline.tiny import save_folder

FUNCTIONS = """
def length(completions):
    return [len(one) for one in completions]

def wanted(completions, answer, hint="none"):
    return [float(a == b) + (hint != "none") for a, b in zip(completions, answer)]

def everything(**given):
    return [len(given)] * len(given["completions"])

def last_question(completions, prompts):
    return (len(turns[-1]["content"]) for turns in prompts)

def unjudged(completions):
    return [None for _ in completions]

def broken(completions):
    return [1 / 0 for _ in completions]

def too_few(completions):
    return [1.0]

def words(completions):
    return completions

def endless(completions):
    return [float("inf")] * len(completions)

def nothing(completions):
    pass

def other(texts):
    return [0.0]

def by_position(completions, /):
    return [0.0]

async def later(completions):
    return [0.0]

number = 3
"""
PROMPTS = [[{"role": "user", "content": "Hi"}], [{"role": "user", "content": "Hello"}]]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_rewards.py").write_text(FUNCTIONS)
    (tmp_path / "unfinished.py").write_text("import nonexistent_package_q7\n")
    (tmp_path / "typo.py").write_text("x = 1\ndef f(:\n")
    monkeypatch.chdir(tmp_path)  # modules of the working folder are found
    yield "my_rewards"
    for name in ("my_rewards", "unfinished", "typo"):
        sys.modules.pop(name, None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


def rewarded(name: str, *extra: dict[str, Any], fields: tuple[str, ...] = ()) -> list[float | None]:
    """What trl gets for the answers "ab" and "abc"."""
    answers = [[{"role": "assistant", "content": text}] for text in ("ab", "abc")]
    return load_reward(name, fields)(
        completions=answers,
        prompts=PROMPTS,
        completion_ids=[[1], [2]],
        **{EXTRA: [as_extra(one) for one in extra or ({}, {})]},
    )


def test_function_gets_the_answers_as_texts(module):
    assert rewarded(f"{module}:length") == [2.0, 3.0]


def test_function_gets_fields_of_the_data_that_it_names(module):
    extra = ({"answer": "ab", "other": 1}, {"answer": "no"})
    assert rewarded(f"{module}:wanted", *extra, fields=("answer", "other")) == [1.0, 0.0]


def test_optional_field_is_given_where_the_data_have_it(module):
    extra = ({"answer": "ab", "hint": "x"}, {"answer": "no"})
    assert rewarded(f"{module}:wanted", *extra, fields=("answer",)) == [2.0, 1.0]


def test_function_with_keywords_gets_everything(module):
    extra = ({"answer": "ab"}, {"hint": "x"})
    assert rewarded(f"{module}:everything", *extra) == [4.0, 4.0]


def test_function_gets_conversations_and_may_yield(module):
    assert rewarded(f"{module}:last_question") == [2.0, 5.0]


def test_answer_may_stay_unjudged(module):
    assert rewarded(f"{module}:unjudged") == [None, None]


def test_exception_in_a_function_is_one_line_with_its_place(module, tmp_path):
    with pytest.raises(RewardError) as caught:
        rewarded(f"{module}:broken")
    line = next(i for i, text in enumerate(FUNCTIONS.splitlines(), 1) if "1 / 0" in text)
    assert "\n" not in caught.value.message
    assert "ZeroDivisionError: division by zero" in caught.value.message
    assert f"my_rewards.py:{line}" in caught.value.message
    assert isinstance(caught.value.__cause__, ZeroDivisionError)  # for --debug


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("too_few", "returned 1 rewards for 2 answers"),
        ("words", "no list of numbers"),
        ("endless", "not finite"),
        ("nothing", "no list of numbers"),
    ],
)
def test_rewards_that_are_none_are_told(name, message, module):
    with pytest.raises(RewardError, match=message):
        rewarded(f"{module}:{name}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_rewards", "names no function"),
        ("my_rewards:", "names no function"),
        ("absent:f", "no module absent"),
        ("my_rewards.below:f", "my_rewards"),
        ("my_rewards:lenght", "has no function lenght"),
        ("my_rewards:number", "has no function number"),
        ("my_rewards:other", "no parameter completions"),
        ("my_rewards:by_position", "by position only"),
        ("my_rewards:later", "is async"),
        ("my_rewards:wanted", "needs answer, which the data do not have"),
        ("unfinished:f", "nonexistent_package_q7"),
        ("typo:f", r"SyntaxError.*typo.py:2"),
    ],
)
def test_function_that_cannot_be_used_is_told_before_training(name, message, module):
    with pytest.raises(RewardError, match=message) as caught:
        load_reward(name, ("question",))
    assert "\n" not in caught.value.message


# --- reward models --------------------------------------------------------------------------


def save_reward_model(folder: Path, **changes: Any) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=changes.pop("num_labels", 1),
        pad_token_id=0,
    )
    save_folder(folder)  # for the tokenizer
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_reward_model_is_read_with_its_tokenizer(tmp_path):
    folder = save_reward_model(tmp_path / "judge")
    model, tokenizer = load_reward_model(str(folder))
    assert (model.config.num_labels, model.training) == (1, False)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(folder).chat_template


def test_what_is_no_reward_model_is_told(tmp_path):
    with pytest.raises(RewardError, match="there is no folder"):
        load_reward_model(str(tmp_path / "absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RewardError, match="reward_model"):
        load_reward_model(str(tmp_path / "empty"))
    with pytest.raises(RewardError, match="no weights for score.weight"):
        load_reward_model(str(save_folder(tmp_path / "language-model")))
    with pytest.raises(RewardError, match="3 outputs, not one"):
        load_reward_model(str(save_reward_model(tmp_path / "classes", num_labels=3)))

"""Rewards: what is rewarded becomes more frequent, held near the model as it was."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from sdk_builder.errors import DataLossError, RewardError, UsageError
from sdk_builder.models import load_model, open_checkpoint
from tests.integration.pipeline.tiny import save_folder
from tests.integration.training.answers import require_same_answers
from tests.integration.training.stages import (
    after_a_crash_behind_step_3,
    events,
    run,
    settings_of,
    weights,
    write_rows,
)
from tests.integration.training.test_rewards import save_reward_model

REWARDS = """
seen = []

def share_of_letters(completions, letters):
    return [sum(c in some for c in text) / (len(text) + 1) for text, some in
            zip(completions, letters)]

def fails_late(completions):
    seen.append(len(completions))
    if len(seen) > 1:
        raise ValueError("the judge is asleep")
    return [0.0] * len(completions)

def remembers(prompts, completions):
    seen.append((prompts, completions))
    return [float(len(text)) for text in completions]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    rows = [{"prompt": f"Say it, {i}", "letters": "abcdefghijklmnop"} for i in range(24)]
    return write_rows(tmp_path_factory.mktemp("data") / "rlhf.jsonl", rows)


@pytest.fixture(autouse=True)
def rewards(tmp_path, monkeypatch):
    (tmp_path / "judges.py").write_text(REWARDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("judges", None)


def rlhf(model: Path, output: Path, data: str, **changes: object):
    values = {
        "reward_functions": ["judges:share_of_letters"],
        "generations": 4,
        "batch_size": 8,
        "micro_batch_size": 8,
        "max_new_tokens": 8,
        "learning_rate": 3e-3,
        **changes,
    }
    return settings_of("rlhf", model, output, data, **values)


@pytest.mark.parametrize("lora", [None, {"rank": 8}], ids=["full", "lora"])
def test_reward_rises_and_the_distance_to_the_start_is_kept(lora, model, data, tmp_path):
    rate = 3e-3 if lora is None else 2e-2
    settings = rlhf(
        model, tmp_path / "rewarded", data, lora=lora, steps=25, beta=0.02, learning_rate=rate,
        batch_size=32, micro_batch_size=32, generations=8, schedule="constant",
    )  # fmt: skip
    run(settings)
    rewards = [one["reward"] for one in events(settings)]
    assert sum(rewards[-5:]) / 5 > 1.5 * sum(rewards[:5]) / 5
    distances = [one["kl"] for one in events(settings)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[-1] > 0.001


def test_trained_model_is_exported_and_answers_as_it_did(model, data, tmp_path):
    settings = rlhf(model, tmp_path / "rewarded", data)
    run(settings)
    require_same_answers(settings.output, ["Say it, 99", "Say"], tmp_path / "bundle")


def test_a_large_beta_holds_the_model_back(model, data, tmp_path):
    moved = []
    for beta in (0.0, 5.0):
        settings = rlhf(model, tmp_path / str(beta), data, steps=6, beta=beta)
        run(settings)
        moved.append(_distance(model, settings.output))
    assert moved[1] < moved[0]


def _distance(model: Path, other: Path) -> float:
    """Between the distributions of the next token after some bytes; nats."""
    ids = torch.randint(3, 250, (8, 24), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = (
            load_model(open_checkpoint(str(one)))(ids).logits.log_softmax(-1)
            for one in (model, other)
        )
    return float((b.exp() * (b - a)).sum(-1).mean())


def test_function_sees_the_prompts_and_answers_of_a_group(model, data, tmp_path):
    settings = rlhf(model, tmp_path / "x", data, steps=1, reward_functions=["judges:remembers"])
    run(settings)
    prompts, completions = sys.modules["judges"].seen[0]
    assert len(prompts) == len(completions) == 8
    texts = [turns[-1]["content"] for turns in prompts]
    assert all(text.startswith("Say it, ") for text in texts)
    assert len(set(texts)) == 2  # two prompts, four answers each
    mean = sum(map(len, completions)) / 8
    assert events(settings)[0]["reward"] == pytest.approx(mean)


def test_reward_model_judges_the_whole_conversation(model, data, tmp_path):
    judge = save_reward_model(tmp_path / "judge")
    settings = rlhf(
        model, tmp_path / "x", data, steps=1, reward_model=str(judge),
        reward_functions=["judges:remembers"],
    )  # fmt: skip
    run(settings)
    prompts, completions = sys.modules["judges"].seen[0]
    tokenizer = AutoTokenizer.from_pretrained(judge)
    scorer = AutoModelForSequenceClassification.from_pretrained(judge).eval()
    scores = []
    for turns, text in zip(prompts, completions, strict=True):
        chat = [*turns, {"role": "assistant", "content": text}]
        written = tokenizer.apply_chat_template(chat, tokenize=False)
        ids = tokenizer(written, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            scores.append(float(scorer(ids).logits[0, 0]))
    assert events(settings)[0]["rewards/judge/mean"] == pytest.approx(sum(scores) / 8, rel=1e-3)


def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(model, data, tmp_path):
    settings = rlhf(model, tmp_path / "rewarded", data)
    run(settings)
    before = [(one["loss"], one["reward"]) for one in events(settings)]
    whole = weights(settings.output)
    after_a_crash_behind_step_3(settings)
    assert run(settings).resumed_from == 3
    assert [(one["loss"], one["reward"]) for one in events(settings)] == before
    resumed = weights(settings.output)
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_evaluation_logs_the_rewards_of_other_prompts(model, data, tmp_path):
    held_out = write_rows(tmp_path / "x.jsonl", [{"prompt": "Again", "letters": "abc"}] * 2)
    settings = rlhf(model, tmp_path / "x", data, steps=3, eval_data=[{"source": held_out}])
    run(settings)
    assert 0 <= events(settings, "evaluation")[0]["reward"] < 1


def test_function_that_fails_ends_the_run_with_its_place(model, data, tmp_path):
    settings = rlhf(model, tmp_path / "x", data, reward_functions=["judges:fails_late"])
    with pytest.raises(RewardError, match=r"ValueError: the judge is asleep \(.*judges.py:\d+\)"):
        run(settings)
    assert not settings.output.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward_functions": []}, "Nothing gives a reward"),
        ({"generations": 3}, "not a multiple of generations"),
        ({"max_new_tokens": 64}, "no room for a prompt"),
    ],
)
def test_settings_that_cannot_be_are_a_usage_error(changes, message, model, data, tmp_path):
    with pytest.raises(UsageError, match=message):
        run(rlhf(model, tmp_path / "x", data, **changes))


def test_evaluation_of_parts_of_a_group_is_a_usage_error(model, data, tmp_path):
    settings = rlhf(model, tmp_path / "x", data, eval_data=[{"source": data}], micro_batch_size=2)
    with pytest.raises(UsageError, match="Evaluation takes 2 answers at once"):
        run(settings)


def test_prompts_without_room_for_an_answer_are_an_error(model, data, tmp_path):
    with pytest.raises(DataLossError, match="no room for an answer"):
        run(rlhf(model, tmp_path / "x", data, sequence_length=30, max_new_tokens=16))

"""Preferences: the chosen answer becomes likelier than the rejected one, compared with before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from trl import DPOConfig

from sdk_builder.errors import DataError, DataLossError, UsageError
from sdk_builder.models import open_checkpoint
from sdk_builder.training.dpo import LOSSES
from tests.integration.pipeline.tiny import save_folder
from tests.integration.training.answers import require_same_answers
from tests.integration.training.stages import (
    after_a_crash_behind_step_3,
    answer_nll,
    events,
    run,
    said,
    settings_of,
    weights,
    write_rows,
)

QUESTIONS = [f"{i}: is it?" for i in range(48)]
HELD_OUT = [f"{i}: is it?" for i in range(50, 56)]
CHOSEN, REJECTED = "Surely.", "Never!!"  # of the same length


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    rows = [{"prompt": one, "chosen": CHOSEN, "rejected": REJECTED} for one in QUESTIONS]
    return write_rows(tmp_path_factory.mktemp("data") / "dpo.jsonl", rows)


def margin(folder: Path) -> float:
    """How much likelier, by token, the chosen answer is on held-out prompts; nats."""
    chosen, rejected = (
        answer_nll(folder, [said(one, answer) for one in HELD_OUT]) for answer in (CHOSEN, REJECTED)
    )
    return rejected - chosen


@pytest.mark.parametrize("lora", [None, {"rank": 8}], ids=["full", "lora"])
def test_margin_and_accuracy_grow_on_held_out_prompts_too(lora, model, data, tmp_path):
    settings = settings_of("dpo", model, tmp_path / "preferring", data, lora=lora, steps=12)
    run(settings)
    first, last = events(settings)[0], events(settings)[-1]
    # Before the first step the model is its reference.
    assert first["rewards/margins"] == 0
    assert first["loss"] == pytest.approx(0.6931472)  # log 2
    assert last["rewards/margins"] > 0.5
    assert last["rewards/accuracies"] == 1
    assert margin(settings.output) > margin(model) + 0.5


def test_trained_model_is_exported_and_answers_as_it_did(model, data, tmp_path):
    settings = settings_of("dpo", model, tmp_path / "preferring", data)
    run(settings)
    require_same_answers(settings.output, HELD_OUT[:3], tmp_path / "bundle")


def test_logged_margin_is_that_of_the_likelihoods(model, data, tmp_path):
    settings = settings_of("dpo", model, tmp_path / "once", data, steps=2, batch_size=24,
                           micro_batch_size=24, beta=0.3)  # fmt: skip
    run(settings)
    # One step was made before the second line; what it made is the checkpoint of a run of one.
    one = settings_of("dpo", model, tmp_path / "before", data, steps=1, batch_size=24,
                      micro_batch_size=24, beta=0.3, schedule="constant")  # fmt: skip
    run(one)
    tokens = len(CHOSEN) + 1  # bytes and the end token
    # All answers have as many tokens, so that a batch's mean is near that of all pairs.
    changed = [
        answer_nll(folder, [said(q, answer) for q in QUESTIONS])
        for folder in (one.output, model)
        for answer in (REJECTED, CHOSEN)
    ]
    expected = 0.3 * tokens * ((changed[0] - changed[1]) - (changed[2] - changed[3]))
    assert events(settings)[1]["rewards/margins"] == pytest.approx(expected, rel=0.05)


def test_evaluation_logs_margin_and_accuracy_of_other_pairs(model, data, tmp_path):
    rows = [{"prompt": one, "chosen": CHOSEN, "rejected": REJECTED} for one in HELD_OUT]
    held_out = write_rows(tmp_path / "held-out.jsonl", rows)
    settings = settings_of("dpo", model, tmp_path / "x", data, eval_data=[{"source": held_out}])
    run(settings)
    last = events(settings, "evaluation")[-1]
    assert last["rewards/accuracies"] == 1
    assert last["rewards/margins"] > 0.1


@pytest.mark.parametrize("lora", [None, {"rank": 4}], ids=["full", "lora"])
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(lora, model, data, tmp_path):
    settings = settings_of("dpo", model, tmp_path / "preferring", data, lora=lora)
    run(settings)
    losses, whole = [one["loss"] for one in events(settings)], weights(settings.output)
    after_a_crash_behind_step_3(settings)
    assert run(settings).resumed_from == 3
    assert [one["loss"] for one in events(settings)] == losses
    resumed = weights(settings.output)
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_every_loss_on_offer_is_one_of_trl_s(model, data, tmp_path):
    known = DPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    assert all(f"'{loss}'" in known for loss in LOSSES)


@pytest.mark.parametrize("loss", ["ipo", "hinge", "apo_zero", "sigmoid_norm"])
def test_other_losses_prefer_the_chosen_answer_too(loss, model, data, tmp_path):
    settings = settings_of("dpo", model, tmp_path / "x", data, loss=loss, steps=4)
    run(settings)
    assert events(settings)[-1]["rewards/margins"] > 0


def test_unknown_loss_is_a_usage_error(model, data, tmp_path):
    with pytest.raises(UsageError, match="no preference loss 'sigmoids'") as caught:
        run(settings_of("dpo", model, tmp_path / "x", data, loss="sigmoids"))
    assert "sigmoid_norm" in caught.value.hint


def test_dropout_is_off_while_comparing_and_kept_in_the_result(model, data, tmp_path):
    folder = save_folder(tmp_path / "with-dropout")
    config = (folder / "config.json").read_text()
    changed = config.replace('"attention_dropout": 0.0', '"attention_dropout": 0.5')
    (folder / "config.json").write_text(changed)
    assert changed != config
    settings = settings_of("dpo", folder, tmp_path / "x", data, steps=1)
    run(settings)
    assert events(settings)[0]["rewards/margins"] == 0
    assert open_checkpoint(str(settings.output)).config.attention_dropout == 0.5


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "q", "chosen": "same", "rejected": "same"}, "chosen equals rejected"),
        ({"prompt": "q", "chosen": "a", "rejected": ""}, "empty text"),
        ({"prompt": "q", "better": "a", "worse": "b"}, "better"),
    ],
)
def test_pairs_without_a_preference_are_an_error(row, reason, model, tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", [row] * 4)
    with pytest.raises(DataError, match=reason):
        run(settings_of("dpo", model, tmp_path / "x", data))
    assert not (tmp_path / "x").exists()


def test_answers_that_become_equal_when_cut_are_dropped(model, tmp_path):
    row = {"prompt": "q", "chosen": "x" * 60 + "a", "rejected": "x" * 60 + "b"}
    data = write_rows(tmp_path / "rows.jsonl", [row] * 4)
    with pytest.raises(DataLossError, match="become so when cut"):
        run(settings_of("dpo", model, tmp_path / "x", data))

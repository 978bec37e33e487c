"""Supervised fine-tuning of a tiny model: what it learns, and what becomes of unusable data."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdk_builder.errors import DataError, DataLossError, MissingPackageError, UsageError
from sdk_builder.log import Steps
from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.training.conversations import PLAIN_TEMPLATE
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

ANSWERS = ["Yes!", "No!!", "Oh?", "Hm..."]
TRAINED = [said(f"{i}: {answer}", answer) for i in range(16) for answer in ANSWERS]
HELD_OUT = [said(f"{i}: {answer}", answer) for i in (17, 18, 19) for answer in ANSWERS]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("data") / "sft.jsonl"
    return write_rows(path, [{"messages": one} for one in TRAINED])


@pytest.fixture(scope="module")
def adapted(model, data, tmp_path_factory):
    """Settings of a finished run with LoRA."""
    output = tmp_path_factory.mktemp("lora") / "adapted"
    settings = settings_of(
        "sft", model, output, data, lora={"rank": 8, "alpha": 16}, steps=40, batch_size=8
    )
    run(settings)
    return settings


def test_held_out_answers_become_likelier(model, data, tmp_path):
    settings = settings_of("sft", model, tmp_path / "tuned", data, steps=40, batch_size=8)
    trained = run(settings)
    losses = [one["loss"] for one in events(settings)]
    assert losses[-1] < 0.5 * losses[0]
    assert trained.final_loss == losses[-1]
    assert answer_nll(settings.output, HELD_OUT) < 0.5 * answer_nll(model, HELD_OUT)


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
def test_loss_is_that_of_the_answers_alone(packing, model, tmp_path):
    data = write_rows(tmp_path / "few.jsonl", [{"messages": one} for one in TRAINED[:8]])
    size = 1 if packing else 8  # all eight fit into one packed sequence
    settings = settings_of(
        "sft", model, tmp_path / "once", data, steps=1, packing=packing, sequence_length=512,
        batch_size=size, micro_batch_size=size, learning_rate=1e-9,
    )  # fmt: skip
    run(settings)
    assert events(settings)[0]["loss"] == pytest.approx(answer_nll(model, TRAINED[:8]), rel=1e-5)


def test_evaluation_measures_answers_of_other_data(model, data, tmp_path):
    held_out = write_rows(tmp_path / "held-out.jsonl", [{"messages": one} for one in HELD_OUT])
    settings = settings_of(
        "sft", model, tmp_path / "evaluated", data, eval_data=[{"source": held_out}]
    )
    trained = run(settings)
    assert [one["step"] for one in events(settings, "evaluation")] == [3, 6]
    # Batches differ in their number of tokens: trl averages their means.
    assert trained.eval_loss == pytest.approx(answer_nll(settings.output, HELD_OUT), rel=0.05)


@pytest.mark.parametrize("changes", [{}, {"packing": True}, {"lora": {"rank": 4}}], ids=str)
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(changes, model, data, tmp_path):
    settings = settings_of("sft", model, tmp_path / "tuned", data, **changes)
    run(settings)
    losses, whole = [one["loss"] for one in events(settings)], weights(settings.output)
    after_a_crash_behind_step_3(settings)
    assert run(settings).resumed_from == 3
    assert [one["loss"] for one in events(settings)] == losses
    resumed = weights(settings.output)
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


# --- LoRA -----------------------------------------------------------------------------------


def test_merged_weights_are_base_plus_adapters(model, adapted):
    base = load_model(open_checkpoint(str(model))).state_dict()
    adapters = load_file(adapted.folder / "checkpoint-40" / "adapter_model.safetensors")
    merged = weights(adapted.output)
    changed = 0
    for name, value in merged.items():
        key = f"base_model.model.{name.removesuffix('.weight')}"
        expected = base[name]
        if f"{key}.lora_A.weight" in adapters:
            product = adapters[f"{key}.lora_B.weight"] @ adapters[f"{key}.lora_A.weight"]
            expected = expected + (16 / 8) * product
            changed += 1
            assert not torch.equal(value, base[name])
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-6)
    assert changed == 2 * 4  # the four fused matrices of both layers


def test_adapters_learn_too(model, adapted):
    assert answer_nll(adapted.output, HELD_OUT) < 0.7 * answer_nll(model, HELD_OUT)


def test_trained_model_is_exported_and_answers_as_it_did(adapted, tmp_path):
    questions = [conversation[0]["content"] for conversation in HELD_OUT[:4]]
    require_same_answers(adapted.output, questions, tmp_path / "bundle")


def test_target_that_the_model_lacks_is_a_usage_error(model, data, tmp_path):
    for target in ("q_proj", "lm_head"):
        settings = settings_of("sft", model, tmp_path / "x", data, lora={"targets": [target]})
        with pytest.raises(UsageError, match=f"no linear layer is called {target}"):
            run(settings)
    assert not (tmp_path / "x").exists()


# --- data -----------------------------------------------------------------------------------


def test_cut_and_dropped_conversations_are_counted_and_told(model, tmp_path):
    rows = [{"messages": said("q", "long " * 10)}] * 3 + [{"messages": said("q", "short")}] * 3
    rows += [{"messages": said("a question that takes all the room that there is", "a")}] * 2
    settings = settings_of(
        "sft", model, tmp_path / "x", write_rows(tmp_path / "rows.jsonl", rows),
        sequence_length=32, epochs=1, steps=None,
    )  # fmt: skip
    told = io.StringIO()
    run(settings, Steps(stream=told))
    assert "6 of 8 records" in told.getvalue()
    assert "2 dropped: no room for an answer; 3 cut to 32 tokens" in told.getvalue()


def test_conversations_that_all_have_no_room_are_an_error(model, data, tmp_path):
    settings = settings_of("sft", model, tmp_path / "x", data, sequence_length=8)
    with pytest.raises(DataLossError, match="no room for an answer") as caught:
        run(settings)
    assert "sequence_length" in caught.value.hint
    assert not settings.output.exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": said("q", "a")[:1]}, "ends with the user"),
        ({"messages": []}, "empty text"),
        ({"messages": [{"role": "user", "content": 3}]}, "wrong type"),
        ({"messages": said("q", " ")}, "empty text"),
        ({"question": "q", "reply": "a"}, "reply"),
    ],
)
def test_unusable_rows_end_the_run_before_the_model_is_loaded(row, reason, model, tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", [row] * 4)
    settings = settings_of("sft", model, tmp_path / "x", data)
    with pytest.raises(DataError, match=reason) as caught:
        run(settings)
    assert "\n" not in caught.value.message
    assert not settings.output.exists()


def test_model_without_a_template_learns_and_keeps_the_plain_one(model, tmp_path):
    bare = save_folder(tmp_path / "bare")
    path = bare / "tokenizer_config.json"
    values = json.loads(path.read_text())
    del values["chat_template"]
    path.write_text(json.dumps(values))
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "Q", "response": "A"}] * 4)
    settings = settings_of("sft", bare, tmp_path / "tuned", rows, steps=1)
    run(settings)
    assert open_checkpoint(str(settings.output)).tokenizer().chat_template == PLAIN_TEMPLATE


def test_missing_trl_is_one_line_with_the_command(model, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingPackageError) as caught:
        run(settings_of("sft", model, tmp_path / "x", data))
    assert "trl" in caught.value.message
    assert "pip install 'shakti-sdk[train]'" in caught.value.hint
    assert not (tmp_path / "x").exists()

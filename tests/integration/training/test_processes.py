"""Real processes: killed in the middle, stopped by hand, several together; and the export."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

import sdk_builder
from sdk_builder import Session
from sdk_builder.errors import Interrupted
from sdk_builder.runtime.sampling import GenerationOptions
from sdk_builder.training.checkpoints import checkpoints, is_marked, step_of
from tests.integration.training.launching import two_processes
from tests.integration.training.tiny import (
    ROOT,
    command,
    losses,
    overrides,
    run,
    save_model,
    save_texts,
)

PROMPT = "the quick brown"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("processes")
    save_model(made / "model")
    save_texts(made / "texts.jsonl")
    return made


@pytest.mark.slow
def test_run_that_is_killed_while_it_writes_a_checkpoint_goes_on_exactly(folder: Path):
    many = ("steps=16", "save_every=1", "keep_checkpoints=3")
    with command(overrides(folder, "killed", *many)) as process:
        while process.poll() is None:
            there = checkpoints(folder / "killed.run")
            if there and step_of(there[0]) > 3 and not is_marked(there[0]):
                process.kill()
                break
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "killed").exists()
    trained = run(folder, "killed", *many)
    assert trained.resumed_from is not None
    assert trained.resumed_from >= 3
    run(folder, "spared", *many)
    assert losses(folder, "killed") == losses(folder, "spared")


def test_ctrl_c_says_how_to_go_on(folder: Path):
    many = ("steps=3000", "save_every=2")
    first = folder / "stopped.run" / "checkpoint-2"

    def stop() -> None:
        while not is_marked(first):
            ended.wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    ended = threading.Event()
    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    with pytest.raises(Interrupted, match="Stopped at step") as caught:
        run(folder, "stopped", *many)
    thread.join()
    (newest, *_) = checkpoints(folder / "stopped.run")
    assert caught.value.hint == f"The same command goes on from step {step_of(newest)}."
    assert is_marked(newest)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(folder: Path, tmp_path: Path):
    save_model(tmp_path / "model", hidden_dropout=0.0)
    shutil.copy(folder / "texts.jsonl", tmp_path / "texts.jsonl")
    more = (f"eval_data.0.source={folder / 'texts.jsonl'}", "eval_sequences=4", "batch_size=8")
    with command([*overrides(tmp_path, "two", *more), "--json"], two_processes()) as process:
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert stdout.count('"final_loss"') == 1  # the first process alone prints
    run(tmp_path, "one", *more)
    assert losses(tmp_path, "two") == pytest.approx(losses(tmp_path, "one"), rel=1e-5)
    evaluated = [losses(tmp_path, name, "evaluation") for name in ("two", "one")]
    assert evaluated[0] == pytest.approx(evaluated[1], rel=1e-5)
    assert run(tmp_path, "two", *more, resume=False).steps == 6


@pytest.mark.slow
def test_trained_model_is_exported_and_says_the_same_on_the_phone_s_runtime(folder: Path):
    run(folder, "learned", "steps=60", "save_every=100", "learning_rate=1e-2")
    bundle = folder / "bundle"
    sdk_builder.export(str(folder / "learned"), bundle, quant="none", context_length=64)
    model = AutoModelForCausalLM.from_pretrained(folder / "learned").eval()
    with Session(bundle) as session, torch.no_grad():
        prompt = session.encode(PROMPT)
        expected = model(torch.tensor([prompt])).logits[0]
        assert torch.allclose(session.score(prompt), expected, atol=1e-4)
        session.reset()
        found = list(session.tokens(prompt, GenerationOptions(temperature=0.0, max_tokens=20)))
        ids = prompt
        for _ in found:
            ids = [*ids, int(model(torch.tensor([ids])).logits[0, -1].argmax())]
    assert ids[len(prompt) :] == found
    assert len(found) > 2


def test_recipe_does_what_the_command_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = folder / "run.yaml"
    config.write_text(f"output: {folder / 'recipe'}\n", encoding="utf-8")
    given = ["train_pretrain.py", str(config), *overrides(folder, "recipe")]
    monkeypatch.setattr(sys, "argv", given)
    runpy.run_path(str(ROOT / "recipes" / "train_pretrain.py"), run_name="__main__")
    assert f"Next: shakti-sdk export {folder / 'recipe'}" in capsys.readouterr().out
    run(folder, "command")
    assert losses(folder, "recipe") == losses(folder, "command")

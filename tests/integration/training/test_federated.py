"""Clients whose data stay with them: what they send, and what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sdk_builder.errors import InputError, UsageError
from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.training.federated import Update, average, client_round, merge, start_adapters
from sdk_builder.training.model import make_tokenizer, save_model
from tests.integration.training.answers import require_same_answers
from tests.integration.training.clients import HELD_OUT, client_settings, make_clients
from tests.integration.training.stages import answer_nll

FLOWER = Path(sys.prefix) / "flower"
WITH_FLOWER = Path(__file__).with_name("with_flower.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clients(tmp_path_factory.mktemp("federated"))


def update(value: float, examples: int, loss: float = 1.0, shape=(2, 3)) -> Update:
    return Update({"x.lora_A.weight": torch.full(shape, value)}, examples, loss)


def test_average_is_weighted_by_examples():
    found = average([update(1.0, 30), update(5.0, 10), update(9.0, 0)])
    assert found["x.lora_A.weight"].tolist() == [[2.0] * 3] * 2
    assert found["x.lora_A.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        ([], "nothing to average"),
        ([update(1, 0)], "nothing to average"),
        ([update(1, 1), update(1, 1, shape=(3, 3))], r"client 2 .* is \(3, 3\), not \(2, 3\)"),
        ([update(1, 1), update(float("nan"), 1)], "client 2 .* not finite"),
        ([update(1, 2), update(1, -1)], "client 2 .* -1 examples"),
        ([update(1, 1), Update({}, 1, 1.0)], "client 2 .* missing"),
    ],
)
def test_updates_that_cannot_be_averaged_are_told(updates, message):
    with pytest.raises(InputError, match=message):
        average(updates)


def test_client_sends_back_its_adapters_and_a_count(folder, tmp_path):
    settings = client_settings(folder, 2)
    start = start_adapters(settings)
    found = client_round(settings, start, tmp_path, 1)
    assert found.examples == 16
    assert {name: value.shape for name, value in found.adapters.items()} == {
        name: value.shape for name, value in start.items()
    }
    assert all(".lora_" in name for name in start)
    assert any(not torch.equal(found.adapters[name], value) for name, value in start.items())


def test_adapters_at_the_start_change_nothing(folder):
    settings = client_settings(folder, 1)
    _, model = merge(settings, start_adapters(settings))
    base = load_model(open_checkpoint(str(folder / "model"))).state_dict()
    assert all(torch.equal(value, base[name]) for name, value in model.state_dict().items())


def test_adapters_of_another_model_are_refused(folder, tmp_path):
    wider = start_adapters(client_settings(folder, 1, lora={"rank": 8}))
    with pytest.raises(InputError, match="not the model's"):
        client_round(client_settings(folder, 1), wider, tmp_path, 1)
    with pytest.raises(UsageError, match="needs adapters"):
        start_adapters(client_settings(folder, 1, lora=None))


def test_rounds_without_a_network_teach_all_clients_words_and_the_program(folder, tmp_path):
    settings = [client_settings(folder, number) for number in (1, 2, 3)]
    adapters = start_adapters(settings[0])
    for number in (1, 2, 3):
        adapters = average(
            [client_round(one, adapters, tmp_path / str(at), number)
             for at, one in enumerate(settings)]
        )  # fmt: skip
    opened, model = merge(settings[0], adapters)
    target = tmp_path / "merged"
    save_model(model, make_tokenizer(opened.assets), opened.config, torch.float32, target)
    assert answer_nll(target, HELD_OUT) < 0.6 * answer_nll(folder / "model", HELD_OUT)
    questions = [conversation[0]["content"] for conversation in HELD_OUT[:3]]
    require_same_answers(target, questions, tmp_path / "bundle")


@pytest.mark.skipif(
    not (FLOWER / "flwr").is_dir(), reason="no Flower beside this Python: bootstrap.py installs it"
)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_recipes_with_flower():
    """In a process of its own, since Flower wants older versions of packages that are loaded."""
    found = [str(FLOWER), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, found))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(WITH_FLOWER)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout

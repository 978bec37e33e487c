"""Clients whose data stay with them: what they send, and what comes of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import yaml

from sdk_builder.errors import InputError, UsageError
from sdk_builder.log import Steps
from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.training.federated import Update, average, client_round, merge, start_adapters
from sdk_builder.training.model import make_tokenizer, save_model
from tests.integration.pipeline.tiny import save_folder
from tests.integration.training.answers import require_same_answers
from tests.integration.training.stages import answer_nll, load_recipe, said, settings_of, write_rows

RECIPE = Path(__file__).parents[3] / "recipes" / "federated.py"
WORDS = ("Secretly.", "Whispered", "Unheard!!")
HELD_OUT = [said(f"{i}. {word}", word) for i in (90, 91) for word in WORDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The model, and the clients' data: each has other words, and more than the one before."""
    folder = tmp_path_factory.mktemp("federated")
    save_folder(folder / "model")
    for at, word in enumerate(WORDS, start=1):
        rows = [{"messages": said(f"{i}. {word}", word)} for i in range(8 * at)]
        write_rows(folder / f"{at}.jsonl", rows)
    return folder


def client_settings(folder: Path, number: int, **changes):
    values = {"lora": {"rank": 4}, "epochs": 1, "steps": None, "micro_batch_size": 4, **changes}
    output = values.pop("output", folder / "federated")
    return settings_of("sft", folder / "model", output, str(folder / f"{number}.jsonl"), **values)


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


# --- with Flower ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recipe():
    pytest.importorskip("flwr", reason="flwr is not installed")
    return load_recipe(RECIPE)


def test_flower_averages_as_we_do_and_no_data_travel(recipe, folder, monkeypatch):
    grids = []

    class Watched(recipe.LocalGrid):  # type: ignore[name-defined]
        def __init__(self, clients):
            super().__init__(clients)
            grids.append(self)

    monkeypatch.setattr(recipe, "LocalGrid", Watched)
    sources = [{"source": str(folder / f"{number}.jsonl")} for number in (1, 2, 3)]
    settings = client_settings(folder, 1, data=sources)
    found = recipe.federate(settings, 1, Steps.silent())

    start = start_adapters(settings)
    updates = [
        client_round(client_settings(folder, number), start, folder / f"again-{number}", 1)
        for number in (1, 2, 3)
    ]
    expected = average(updates)
    for name, value in expected.items():  # Flower answers in any order: sums are rounded otherwise
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)

    sent = grids[0].sent
    assert len(sent) == 2 * 3  # there and back for each client
    tensors = sum(value.numel() * 4 for value in start.values())
    for message in sent:
        # Little beside the tensors: names, shapes, two numbers.
        assert tensors < len(message) < tensors + 400 * len(start)
        text = message.decode("latin-1")
        assert not any(word in text for word in (*WORDS, "jsonl", str(folder)))


def test_recipe_writes_a_model_that_opens(recipe, folder, tmp_path, monkeypatch):
    config = tmp_path / "three-clients.yaml"
    sources = [{"source": str(folder / f"{number}.jsonl")} for number in (1, 2, 3)]
    settings = client_settings(folder, 1, data=sources, output=tmp_path / "merged")
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    monkeypatch.setattr(sys, "argv", ["federated.py", str(config), "--rounds", "2"])
    recipe.main()
    assert answer_nll(tmp_path / "merged", HELD_OUT) < answer_nll(folder / "model", HELD_OUT)

"""recipes/federated.py with Flower: test_federated.py runs these where Flower is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import yaml

from sdk_builder.log import Steps
from sdk_builder.training.federated import average, client_round, start_adapters
from tests.integration.training.clients import HELD_OUT, WORDS, client_settings, make_clients
from tests.integration.training.stages import answer_nll, load_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "federated.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clients(tmp_path_factory.mktemp("federated"))


@pytest.fixture(scope="module")
def recipe():
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

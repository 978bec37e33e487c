"""The recipes with Flower: test_federated.py runs these where Flower is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
import yaml
from flwr.app import ConfigRecord, Error, Message, RecordDict
from safetensors.torch import load_file

from sdk_builder.errors import InputError, ShaktiError
from sdk_builder.log import Steps
from sdk_builder.training.federated import average, client_round, start_adapters, write_merged
from sdk_builder.training.flower import Server, client_app, to_record
from tests.integration.training.clients import (
    HELD_OUT,
    WORDS,
    all_clients_settings,
    client_settings,
    make_clients,
)
from tests.integration.training.launching import free_ports
from tests.integration.training.stages import answer_nll, load_recipe

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "federated.py"
APP = ROOT / "recipes" / "federated_app"


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
    settings = all_clients_settings(folder)
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
    settings = all_clients_settings(folder, output=tmp_path / "merged")
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    monkeypatch.setattr(sys, "argv", ["federated.py", str(config), "--rounds", "2"])
    recipe.main()
    assert answer_nll(tmp_path / "merged", HELD_OUT) < answer_nll(folder / "model", HELD_OUT)


def test_client_that_fails_or_does_not_answer_ends_it(folder):
    asked = Message(RecordDict(), 1, "train")
    failed = Message(Error(0, "no such data"), reply_to=asked)
    with pytest.raises(InputError, match="Round 2 .* one client or more: no such data"):
        Server(Steps.silent(), 1).aggregate_train(2, [failed])
    adapters = to_record(start_adapters(client_settings(folder, 1)))
    came = Message(RecordDict({"arrays": adapters}), reply_to=asked)
    with pytest.raises(InputError, match=r"Round 1 has no adapters of one client or more\."):
        Server(Steps.silent(), 2).aggregate_train(1, [came])


@pytest.mark.parametrize("same_machine", [False, True])
def test_error_of_a_client_is_told_on_its_own_machine_alone(recipe, folder, tmp_path, same_machine):
    texts = tmp_path / "patients.jsonl"
    texts.write_text('{"disease": "gout"}\n')
    settings = client_settings(folder, 1, data=[{"source": str(texts)}])
    grid = recipe.LocalGrid({1: client_app(lambda context: settings, same_machine=same_machine)})
    content = RecordDict({"arrays": to_record(start_adapters(settings))})
    content["config"] = ConfigRecord({"server-round": 1})
    with pytest.raises(ShaktiError) as caught:
        grid.push_messages([grid.create_message(content, "train", 1, "")])
    assert ("disease" in str(caught.value)) == same_machine
    if not same_machine:
        assert str(caught.value) == "DataShapeError; the client's own log says more"
        assert "disease" in str(caught.value.__cause__)


# --- on a network -----------------------------------------------------------------------------


def test_app_on_a_network_learns_what_one_process_does(recipe, folder, tmp_path):
    settings = all_clients_settings(folder, output=tmp_path / "merged")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    with network(tmp_path, [f'config="{config}" client={number}' for number in (1, 2, 3)]):
        run = f'config="{config}" clients=3 rounds=1'
        flower(tmp_path, "flwr", "run", str(APP), "--run-config", run, "--stream").wait(240)
    said = (tmp_path / "flwr.log").read_text()
    assert "round 1: 3 clients" in said, said

    alone = all_clients_settings(folder, output=tmp_path / "alone")
    write_merged(alone, recipe.federate(alone, 1, Steps.silent()))
    found, expected = (
        load_file(tmp_path / one / "model.safetensors") for one in ("merged", "alone")
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)


@contextmanager
def network(folder: Path, nodes: list[str]) -> Iterator[None]:
    """A SuperLink and a SuperNode for each configuration, processes on the loopback interface."""
    port, *runtimes = free_ports(1 + len(nodes))
    address = f"127.0.0.1:{port}"
    (folder / "config.toml").write_text(
        f'[superlink]\ndefault = "test"\n[superlink.test]\naddress = "{address}"\ninsecure = true\n'
    )
    here = ("--insecure", "--host", "127.0.0.1", "--port")
    with ExitStack() as stack:
        link = flower(
            folder,
            *("flower-superlink", *here, str(port), "--disable-runtime-dependency-installation"),
        )
        stack.callback(end, link)
        wait_until_open(port, link)
        for configuration, runtime in zip(nodes, runtimes, strict=True):
            given = ("--superlink", address, "--node-config", configuration)
            stack.callback(end, flower(folder, "flower-supernode", *here, str(runtime), *given))
        yield


def flower(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A program of Flower, in a process group of its own; its output goes to FOLDER/PROGRAM.log."""
    site = Path(sys.prefix) / "flower"
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(site / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
        "FLWR_HOME": str(folder),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(site / "bin" / program), *arguments]
    with (folder / f"{program}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """It and what it started."""
    process.terminate()
    try:
        process.wait(20)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"Nothing listens on port {port}.")

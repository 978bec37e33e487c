"""Federated fine-tuning with Flower: several clients train on data that stay with them.

    pip install 'shakti-sdk[train]' -r recipes/federated-requirements.txt
    python recipes/federated.py recipes/configs/federated/smollm2-135m.yaml [--rounds 3] [KEY=VALUE]

The config is SFT's with LoRA; each of its sources of data is a client's, and no other sees it. Each
round the server sends the adapters to all clients, each client trains them on its own data
(LoRA, `sdk_builder.training.federated`), and Flower's FedAvg strategy averages what comes back,
weighted by the clients' examples. What travels is Flower's messages, here through memory and in
their wire format; `client_app` and `Server` are what a SuperNode and a SuperLink run over gRPC.
The result is merged into the model: `shakti-sdk export FOLDER` takes it.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"  # before flwr is imported: it would report its use

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity

from sdk_builder.bundle.staging import stage
from sdk_builder.log import Steps
from sdk_builder.training.federated import (
    Adapters,
    Update,
    average,
    client_round,
    merge,
    start_adapters,
)
from sdk_builder.training.model import dtype_of, make_tokenizer, save_model
from sdk_builder.training.run import require_new
from sdk_builder.training.settings import SftSettings
from sdk_builder.training.settings_file import load_settings


def federate(settings: SftSettings, rounds: int, steps: Steps) -> Adapters:
    """The adapters after `rounds` rounds with a client for each source of `settings.data`."""
    logging.getLogger("flwr").setLevel(logging.ERROR)  # our own steps say as much
    with tempfile.TemporaryDirectory() as folder:
        clients = {
            number: client_app(of_client(settings, number), Path(folder) / str(number))
            for number in range(1, len(settings.data) + 1)
        }
        server = Server(steps, min_train_nodes=len(clients), min_available_nodes=len(clients))
        result = server.start(
            grid=LocalGrid(clients),
            initial_arrays=to_record(start_adapters(settings)),
            num_rounds=rounds,
        )
    return from_record(result.arrays)


def of_client(settings: SftSettings, number: int) -> SftSettings:
    """Settings of a client, numbered from 1: it knows of no data but its own."""
    return settings.model_copy(update={"data": (settings.data[number - 1],)})


def client_app(settings: SftSettings, folder: Path) -> ClientApp:
    """What runs where the data are."""
    app = ClientApp()

    @app.train()  # type: ignore[misc]
    def train(message: Message, context: Context) -> Message:
        number = int(message.content["config"]["server-round"])
        update = client_round(settings, from_record(message.content["arrays"]), folder, number)
        metrics = MetricRecord({"num-examples": update.examples, "loss": update.loss})
        content = RecordDict({"arrays": to_record(update.adapters), "metrics": metrics})
        return Message(content=content, reply_to=message)

    return app


class Server(FedAvg):  # type: ignore[misc]
    """FedAvg that ends when a client's adapters cannot be used, where Flower would go on without
    that client."""

    def __init__(self, steps: Steps, **options: Any) -> None:
        super().__init__(fraction_evaluate=0.0, **options)
        self._steps = steps

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        updates = [to_update(one.content) for one in replies]
        adapters = average(updates)
        total = sum(one.examples for one in updates)
        loss = sum(one.loss * one.examples for one in updates) / total
        self._steps.note(f"round {server_round}: {len(updates)} clients, loss {loss:.3f}")
        return to_record(adapters), MetricRecord({"num-examples": total, "loss": loss})


class LocalGrid(Grid):  # type: ignore[misc]
    """Carries messages between apps of this process. Both ways they become bytes as on a network;
    `sent` keeps these."""

    def __init__(self, clients: Mapping[int, Callable[[Message, Context], Message]]) -> None:
        self._clients = clients
        self._replies: dict[str, Message] = {}
        # Who speaks, of which run: a SuperLink would say so to each process.
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
        self.sent: list[bytes] = []
        self._contexts = {
            number: Context(0, number, node_config={}, state=RecordDict(), run_config={})
            for number in clients
        }

    def get_node_ids(self) -> Iterable[int]:
        return list(self._clients)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        ids = []
        for message in messages:
            number = message.metadata.dst_node_id
            reply = self._clients[number](self._carry(message), self._contexts[number])
            ids.append(f"{len(self.sent)}")
            self._replies[ids[-1]] = self._carry(reply)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self._replies.pop(one) for one in message_ids]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        return self.pull_messages(self.push_messages(messages))

    def _carry(self, message: Message) -> Message:
        self.sent.append(message_to_proto(message).SerializeToString())
        return message_from_proto(ProtoMessage.FromString(self.sent[-1]))

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, group_id=group_id, ttl=ttl)

    def set_run(self, run: Any) -> None:
        self._run = run

    @property
    def run(self) -> Any:
        return self._run


def to_record(adapters: Adapters) -> ArrayRecord:
    return ArrayRecord({name: Array(value.numpy()) for name, value in adapters.items()})


def from_record(record: ArrayRecord) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(one.numpy())) for name, one in record.items()}


def to_update(content: RecordDict) -> Update:
    metrics = content["metrics"]
    return Update(
        from_record(content["arrays"]), int(metrics["num-examples"]), float(metrics["loss"])
    )


def write(settings: SftSettings, adapters: Adapters) -> None:
    """The model with the adapters merged; whole, or not at all."""
    opened, model = merge(settings, adapters)
    staging = stage(settings.output, "folder")
    try:
        tokenizer = make_tokenizer(opened.assets)
        save_model(model, tokenizer, opened.config, dtype_of(opened.source), staging.path)
        staging.publish(replace=False)
    finally:
        staging.discard()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune with clients that keep their data.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = load_settings("sft", options.config, options.overrides)
    require_new(settings, resume=True)
    steps = Steps(verbosity=1)
    with steps.step(f"{options.rounds} rounds with {len(settings.data)} clients"):
        adapters = federate(settings, options.rounds, steps)
    with steps.step(f"Writing {settings.output}"):
        write(settings, adapters)
    print(f"Next: shakti-sdk export {settings.output} --quant q4")


if __name__ == "__main__":
    main()

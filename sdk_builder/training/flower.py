"""Federated fine-tuning as Flower has it: a client's app, the server's strategy, and adapters as
Flower's arrays. Needs flwr (recipes/federated-requirements.txt), which nothing else imports."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"  # before flwr is imported: it would report its use

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from sdk_builder.errors import InputError
from sdk_builder.log import Steps
from sdk_builder.training.federated import (
    Adapters,
    Update,
    average,
    client_round,
    start_adapters,
)
from sdk_builder.training.settings import SftSettings


def client_app(
    settings_of: Callable[[Context], SftSettings], *, same_machine: bool = False
) -> ClientApp:
    """What runs where the data are.

    settings_of: the settings of the client that a context is of; their data are its own.
    same_machine: as the server's, which is told of any error then. Else it is told an error's kind
    alone, since its text may quote data.
    """
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        adapters = from_record(message.content["arrays"])
        number = int(message.content["config"]["server-round"])
        try:
            with tempfile.TemporaryDirectory() as folder:
                update = client_round(settings_of(context), adapters, Path(folder), number)
        except Exception as error:
            if same_machine:
                raise
            raise InputError(f"{type(error).__name__}; the client's own log says more") from error
        metrics = MetricRecord({"num-examples": update.examples, "loss": update.loss})
        content = RecordDict({"arrays": to_record(update.adapters), "metrics": metrics})
        return Message(content=content, reply_to=message)

    return app


class Server(FedAvg):
    """FedAvg of `clients` clients that ends when one's adapters cannot be used or do not come,
    where Flower would go on without that client."""

    def __init__(self, steps: Steps, clients: int) -> None:
        super().__init__(
            fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients
        )
        self._steps, self._clients = steps, clients

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        came = list(replies)
        failed = next((one.error for one in came if one.has_error()), None)
        if failed is not None or len(came) < self._clients:
            why = f": {failed.reason}" if failed is not None else ""
            raise InputError(
                f"Round {server_round} has no adapters of one client or more{why}.",
                "See what that client's machine says, then start again.",
            )
        updates = [to_update(one.content) for one in came]
        adapters = average(updates)
        total = sum(one.examples for one in updates)
        loss = sum(one.loss * one.examples for one in updates) / total
        self._steps.note(f"round {server_round}: {len(updates)} clients, loss {loss:.3f}")
        return to_record(adapters), MetricRecord({"num-examples": total, "loss": loss})


def adapters_after(
    rounds: int, settings: SftSettings, grid: Grid, clients: int, steps: Steps
) -> dict[str, torch.Tensor]:
    """The adapters that `clients` clients, whom the grid reaches, have learned together."""
    result = Server(steps, clients).start(
        grid=grid, initial_arrays=to_record(start_adapters(settings)), num_rounds=rounds
    )
    return from_record(result.arrays)


def to_record(adapters: Adapters) -> ArrayRecord:
    """Adapters as they travel."""
    return ArrayRecord({name: Array(value.numpy()) for name, value in adapters.items()})


def from_record(record: ArrayRecord) -> dict[str, torch.Tensor]:
    """Adapters that travelled."""
    return {name: torch.from_numpy(np.array(one.numpy())) for name, one in record.items()}


def to_update(content: RecordDict) -> Update:
    """What a client sent back."""
    metrics = content["metrics"]
    return Update(
        from_record(content["arrays"]), int(metrics["num-examples"]), float(metrics["loss"])
    )

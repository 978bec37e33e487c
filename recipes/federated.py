"""Federated fine-tuning with Flower: several clients train on data that stay with them.

    pip install 'shakti-sdk[train]' -r recipes/federated-requirements.txt
    python recipes/federated.py recipes/configs/federated/smollm2-135m.yaml [--rounds 3] [KEY=VALUE]

The config is SFT's with LoRA; each of its sources of data is a client's, and no other sees it. Each
round the server sends the adapters to all clients, each client trains them on its own data
(LoRA, `sdk_builder.training.federated`), and Flower's FedAvg strategy averages what comes back,
weighted by the clients' examples. What travels is Flower's messages, here through memory and in
their wire format; on several machines `recipes/federated_app` does the same over a network.
The result is merged into the model: `shakti-sdk export FOLDER` takes it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# First, since it sets flwr to report nothing.
from sdk_builder.training.flower import adapters_after, client_app  # isort: skip

from flwr.app import Context, Message, RecordDict
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from sdk_builder.log import Steps
from sdk_builder.training.federated import Adapters, of_client, write_merged
from sdk_builder.training.run import require_new
from sdk_builder.training.settings import SftSettings
from sdk_builder.training.settings_file import load_settings


def federate(settings: SftSettings, rounds: int, steps: Steps) -> Adapters:
    """The adapters after `rounds` rounds with a client for each source of `settings.data`."""
    logging.getLogger("flwr").setLevel(logging.ERROR)  # our own steps say as much
    app = client_app(lambda context: of_client(settings, context.node_id), same_machine=True)
    clients = dict.fromkeys(range(1, len(settings.data) + 1), app)
    return adapters_after(rounds, settings, LocalGrid(clients), len(clients), steps)


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
        write_merged(settings, adapters)
    print(f"Next: shakti-sdk export {settings.output} --quant q4")


if __name__ == "__main__":
    main()

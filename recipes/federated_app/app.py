"""Federated fine-tuning as an app of Flower, for clients on several machines.

docs/training-stages.md says how to run it. Every machine has shakti-sdk[train], flwr and a config
of SFT with LoRA, the same on all but for the paths of data: each source is a client's. The server
(`config`, `rounds` and `clients` of its run) opens none of them; a client (`config` and `client` of
its node) opens its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# First, since it sets flwr to report nothing.
from sdk_builder.training.flower import adapters_after, client_app  # isort: skip

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from sdk_builder.errors import UsageError
from sdk_builder.log import Steps
from sdk_builder.training.federated import of_client, write_merged
from sdk_builder.training.run import require_new
from sdk_builder.training.settings import SftSettings
from sdk_builder.training.settings_file import load_settings


def settings_of(given: Mapping[str, Any]) -> SftSettings:
    """Of the file that a run or a node names. Raises UsageError."""
    if not given.get("config"):
        raise UsageError("No config is named.", "Give the path of a config of SFT as config.")
    settings = load_settings("sft", Path(given["config"]), [])
    assert isinstance(settings, SftSettings)
    return settings


def settings_of_node(context: Context) -> SftSettings:
    """Of the client that a node is. Raises UsageError."""
    node = context.node_config
    return of_client(settings_of(node), int(node.get("client", 0)))


client = client_app(settings_of_node)
server = ServerApp()


@server.main()  # type: ignore[misc]
def serve(grid: Grid, context: Context) -> None:
    """All rounds, then the merged model."""
    run = context.run_config
    settings = settings_of(run)
    require_new(settings, resume=True)
    clients, rounds = int(run["clients"]), int(run["rounds"])
    adapters = adapters_after(rounds, settings, grid, clients, Steps(verbosity=1))
    write_merged(settings, adapters)

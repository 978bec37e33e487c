"""Clients of the federated tests: each has other words, and more data than the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.pipeline.tiny import save_folder
from tests.integration.training.stages import said, settings_of, write_rows

WORDS = ("Secretly.", "Whispered", "Unheard!!")
HELD_OUT = [said(f"{i}. {word}", word) for i in (90, 91) for word in WORDS]


def make_clients(folder: Path) -> Path:
    """FOLDER/model, and the clients' data in FOLDER/1.jsonl, 2.jsonl, 3.jsonl; the folder."""
    save_folder(folder / "model")
    for at, word in enumerate(WORDS, start=1):
        rows = [{"messages": said(f"{i}. {word}", word)} for i in range(8 * at)]
        write_rows(folder / f"{at}.jsonl", rows)
    return folder


def client_settings(folder: Path, number: int, **changes: Any) -> Any:
    values = {"lora": {"rank": 4}, "epochs": 1, "steps": None, "micro_batch_size": 4, **changes}
    output = values.pop("output", folder / "federated")
    return settings_of("sft", folder / "model", output, str(folder / f"{number}.jsonl"), **values)


def all_clients_settings(folder: Path, **changes: Any) -> Any:
    """With each client's data, as the recipes take them."""
    sources = [{"source": str(folder / f"{at}.jsonl")} for at in range(1, len(WORDS) + 1)]
    return client_settings(folder, 1, data=sources, **changes)

"""Kept tensors: found by everything that they depend on, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from sdk_builder.quantization.store import TensorStore, key_of

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([-8, 7], dtype=torch.int8)}
KEY = key_of(kind="test", version=1)


@pytest.fixture
def store(tmp_path: Path) -> TensorStore:
    return TensorStore(tmp_path / "kept")


def test_what_was_saved_is_found(store: TensorStore):
    assert store.find(KEY) is None
    store.save(KEY, TENSORS)
    entry = store.find(KEY)
    assert entry is not None
    assert sorted(entry.names()) == ["a", "b"]
    assert all(torch.equal(entry.tensor(name), value) for name, value in TENSORS.items())


@pytest.mark.parametrize(
    "other", [{"kind": "other", "version": 1}, {"kind": "test", "version": 2}, {"kind": "test"}]
)
def test_another_key_finds_nothing(store: TensorStore, other: dict[str, object]):
    store.save(KEY, TENSORS)
    assert store.find(key_of(**other)) is None


def test_order_of_ingredients_is_no_ingredient():
    assert key_of(kind="test", version=1) == key_of(version=1, kind="test")


@pytest.mark.parametrize("at", [0, 20, -1])
def test_a_damaged_entry_is_as_if_it_were_not_there(store: TensorStore, at: int):
    path = store.save(KEY, TENSORS).path
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
    assert store.find(KEY) is None


@pytest.mark.parametrize("record", ["", "{}", "[1]", '{"sha256": 5}', "no json"])
def test_a_damaged_record_is_as_if_it_were_not_there(store: TensorStore, record: str):
    path = store.save(KEY, TENSORS).path
    path.with_suffix(".json").write_text(record, encoding="utf-8")
    assert store.find(KEY) is None


def test_a_truncated_entry_is_replaced(store: TensorStore):
    path = store.save(KEY, TENSORS).path
    path.write_bytes(path.read_bytes()[:-3])
    store.save(KEY, TENSORS)
    assert store.find(KEY) is not None


def test_the_oldest_go_when_the_folder_is_full(store: TensorStore):
    first = store.save(KEY, TENSORS).path
    os.utime(first, (999, 999))
    size = first.stat().st_size
    small = TensorStore(store.folder, largest_bytes=2 * size)
    keys = [key_of(number=number) for number in range(3)]
    for age, key in enumerate(keys):
        path = small.save(key, TENSORS).path
        os.utime(path, (1000 + age, 1000 + age))
    assert [small.find(key) is not None for key in keys] == [False, True, True]
    assert small.find(KEY) is None
    assert len(list(store.folder.iterdir())) == 4

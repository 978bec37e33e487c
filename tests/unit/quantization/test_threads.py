"""Rows on threads of their own: all of them, in order, and torch's setting as it was."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from sdk_builder.quantization import threads
from sdk_builder.quantization.formats import INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.gptq import gptq


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "_FEWEST_ROWS", 8)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 8, 9, 17, 40])
def test_every_row_is_given_once_and_in_order(two_threads: None, rows: int):
    matrix = torch.arange(rows * 3.0).view(rows, 3)
    assert torch.equal(torch.cat(threads.map_rows(torch.clone, matrix)), matrix)


def test_each_block_has_one_thread_and_the_setting_comes_back(two_threads: None):
    def seen(part: Tensor) -> tuple[int, int]:
        return torch.get_num_threads(), threading.get_ident()

    found = threads.map_rows(seen, torch.zeros(40, 3))
    assert [count for count, _ in found] == [1, 1]
    assert threading.get_ident() not in {thread for _, thread in found}
    assert torch.get_num_threads() == 2


def test_a_failure_comes_out_and_the_setting_comes_back(two_threads: None):
    def fail(part: Tensor) -> None:
        raise ValueError("of this row")

    for rows in (4, 40):
        with pytest.raises(ValueError, match="of this row"):
            threads.map_rows(fail, torch.zeros(rows, 3))
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("weight_format", [INT4, INT4_OFFSET, INT8], ids=lambda one: one.name)
def test_blocks_of_rows_are_what_the_whole_is(two_threads: None, weight_format: WeightFormat):
    """Rows do not see each other; only the last bits of products may differ with the block."""
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(40, 64, generator=generator)
    inputs = torch.randn(256, 64, generator=generator) @ torch.randn(64, 64, generator=generator)
    moment = inputs.T @ inputs / len(inputs)
    found = gptq(weight, moment, weight_format, rounds=0).dequantize()
    alone = torch.cat(
        [gptq(part, moment, weight_format, rounds=0).dequantize() for part in weight.split(8)]
    )
    assert (found != alone).float().mean() < 0.01

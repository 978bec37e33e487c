"""The data area: each content once, aligned, in the bytes that kernels read."""

from __future__ import annotations

import hashlib
import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.lowering.constants import SEGMENT_ALIGNMENT, ConstantStore
from sdk_builder.lowering.weights import (
    pack_linear,
    pack_nibbles,
    pack_vector,
    select_rows,
    to_bytes,
)
from sdk_builder.quantization.formats import FLOAT, INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.tensors import quantize

FORMATS = [FLOAT, INT8, INT4, INT4_OFFSET]


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_each_content_lies_once_in_the_stream_at_its_aligned_place(contents: list[bytes]) -> None:
    stream = io.BytesIO()
    store = ConstantStore(stream)
    added = [store.add(content, "part") for content in contents]
    data = stream.getvalue()
    assert len(data) == store.size_bytes
    assert len(store) == len(set(contents)) == len(list(store))
    for content, constant in zip(contents, added, strict=True):
        assert constant.offset % SEGMENT_ALIGNMENT == 0
        assert data[constant.offset : constant.offset + constant.size_bytes] == content
        assert constant.key == hashlib.sha256(content).hexdigest()
    spans = sorted((one.offset, one.offset + one.size_bytes) for one in store)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    assert len(data) <= sum(len(one) for one in set(contents)) + SEGMENT_ALIGNMENT * len(store)


def test_a_twin_is_found_and_counted_under_its_first_part() -> None:
    store = ConstantStore(io.BytesIO())
    first = store.add(b"same", "embedding")
    assert store.add(memoryview(b"same"), "head") is first
    assert first.part == "embedding"


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 2**31))
def test_nibbles_hold_even_columns_low_and_odd_columns_high(
    rows: int, pairs: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(-8, 8, (rows, 2 * pairs), dtype=np.int8)
    packed = pack_nibbles(torch.from_numpy(values)).numpy()
    assert packed.dtype == np.uint8
    assert packed.shape == (rows, pairs)
    unpacked = np.empty_like(values)
    unpacked[:, 0::2] = (packed & 0x0F).astype(np.int8) - 8
    unpacked[:, 1::2] = (packed >> 4).astype(np.int8) - 8
    np.testing.assert_array_equal(unpacked, values)


class Packed:
    """A weight packed into a store of its own, and read back with NumPy alone."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._stream = io.BytesIO()
        self.store = ConstantStore(self._stream)
        self.linear = pack_linear(weight, self.store, "w")

    def read(self, constant: Any, dtype: Any) -> Any:
        data = self._stream.getvalue()[constant.offset :][: constant.size_bytes]
        return np.frombuffer(data, dtype)

    def values(self) -> Any:
        """What the kernels compute with, float32 ``[out, in]``."""
        one, shape = self.linear.filter, self.linear.filter.shape
        if one.scale is None:
            return self.read(one.data, np.float32).reshape(shape)
        if not one.group_size:
            scale = self.read(one.scale, np.float32)
            return self.read(one.data, np.int8).reshape(shape) * scale[:, None]
        packed = self.read(one.data, np.uint8).reshape(shape[0], -1)
        grid = np.stack([packed & 15, packed >> 4], -1).reshape(*shape).astype(np.float32) - 8
        bits = self.read(one.scale, np.uint16).astype(np.uint32) << 16  # bf16 -> fp32
        scale = bits.view(np.float32).reshape(shape[0], -1)
        values = grid.reshape(shape[0], -1, one.group_size) * scale[..., None]
        if self.linear.offset is not None:
            assert self.linear.offset.scale is not None
            steps = self.read(self.linear.offset.scale, np.float32)[:, None]
            counts = self.read(self.linear.offset.data, np.int8).reshape(shape[0], -1)
            values = values + (counts * steps)[..., None]
        return values.reshape(shape)


@pytest.mark.parametrize("weight_format", FORMATS)
@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_bytes_hold_what_torchao_dequantizes_to(
    weight_format: WeightFormat, seed: int, rows: int, groups: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, 32 * groups, generator=generator) + 0.3
    stored: Any = quantize(weight, weight_format)
    packed = Packed(stored)
    expected = weight if weight_format == FLOAT else stored.dequantize()
    np.testing.assert_allclose(packed.values(), expected.numpy(), rtol=1e-6, atol=1e-6)
    assert packed.linear.filter.shape == tuple(weight.shape)
    assert (packed.linear.offset is not None) == weight_format.offset
    if packed.linear.ones is not None:
        assert packed.read(packed.linear.ones.data, np.float32).tolist() == [1.0] * 32


@pytest.mark.parametrize("weight_format", FORMATS)
def test_packed_size_is_what_the_format_says(weight_format: WeightFormat) -> None:
    weight = torch.randn(24, 128)
    packed = Packed(quantize(weight, weight_format))
    size = sum(one.size_bytes for one in packed.store if one.part == "w")
    assert 8 * size == weight_format.size_bits((24, 128))


@pytest.mark.parametrize("weight_format", FORMATS)
def test_rows_are_chosen_with_their_scales_and_offsets(weight_format: WeightFormat) -> None:
    weight = torch.randn(6, 64) * torch.arange(1, 7)[:, None] + 0.2
    stored = quantize(weight, weight_format)
    rows = torch.tensor([4, 1, 1])
    chosen = Packed(select_rows(stored, rows)).values()
    np.testing.assert_allclose(chosen, Packed(stored).values()[rows.numpy()], rtol=1e-6)


def test_vectors_are_fp32_of_any_input() -> None:
    stream = io.BytesIO()
    pack_vector(torch.tensor([1.0, -2.0]).bfloat16(), ConstantStore(stream), "norm")
    assert np.frombuffer(stream.getvalue(), np.float32).tolist() == [1.0, -2.0]


def test_bytes_of_a_transposed_tensor_are_row_by_row() -> None:
    table = torch.arange(6, dtype=torch.int8).view(2, 3)
    assert bytes(to_bytes(table.t())) == bytes([0, 3, 1, 4, 2, 5])

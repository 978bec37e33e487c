"""Shapes inside a delegate, and what is defined once."""

from __future__ import annotations

import io

import pytest
import torch
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as schema
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.lowering.constants import ConstantStore
from sdk_builder.lowering.delegate import DelegateBuilder, FilterWeight, broadcast
from sdk_builder.lowering.weights import pack_linear, pack_vector
from sdk_builder.quantization.formats import INT4, INT8
from sdk_builder.quantization.tensors import quantize


@pytest.fixture
def store() -> ConstantStore:
    return ConstantStore(io.BytesIO())


@st.composite
def broadcastable(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    result = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))

    def side() -> tuple[int, ...]:
        kept = result[draw(st.integers(0, len(result))) :]
        return tuple(draw(st.sampled_from([1, size])) for size in kept)

    return side(), side()


@given(broadcastable())
def test_broadcast_is_torch_s(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    assert broadcast(*shapes) == tuple(torch.broadcast_shapes(*shapes))


def test_elementwise_nodes_broadcast() -> None:
    builder = DelegateBuilder(2, 1)
    x, cos = builder.input((1, 8, 4, 16)), builder.input((1, 8, 1, 16))
    assert builder.binary(schema.XNNMultiply, x, cos).shape == (1, 8, 4, 16)
    assert builder.unary(schema.XNNSigmoid, cos).shape == (1, 8, 1, 16)


def test_concatenation_adds_up_along_its_axis() -> None:
    builder = DelegateBuilder(3, 1)
    parts = [builder.input((1, 8, 4, size)) for size in (3, 5, 7)]
    assert builder.concatenate(parts, 3).shape == (1, 8, 4, 15)


def test_linear_layers_map_the_last_dimension(store: ConstantStore) -> None:
    builder = DelegateBuilder(1, 1)
    x = builder.input((1, 8, 64))
    weight = pack_linear(quantize(torch.randn(10, 64), INT8), store, "w")
    assert builder.fully_connected(x, weight.filter).shape == (1, 8, 10)


def test_sums_of_groups_have_one_value_a_group(store: ConstantStore) -> None:
    builder = DelegateBuilder(1, 1)
    x = builder.input((1, 8, 96))
    ones = pack_linear(torch.ones(1, 32), store, "ones").filter
    sums = builder.group_sums(x, ones, 3)
    assert sums.shape == (1, 8, 3)
    assert builder.group_sums(x, ones, 3) is sums


def test_an_input_of_several_layers_is_quantized_once(store: ConstantStore) -> None:
    builder = DelegateBuilder(1, 1)
    x = builder.input((1, 8, 64))
    assert builder.quantize_dynamically(x) is builder.quantize_dynamically(x)
    assert builder.quantize_dynamically(x).shape == x.shape


def test_a_constant_asked_for_twice_is_one_value(store: ConstantStore) -> None:
    builder = DelegateBuilder(1, 1)
    constant = pack_vector(torch.ones(8), store, "norm")
    assert builder.constant(constant, (8,)) is builder.constant(constant, (8,))
    assert builder.constant(constant, (1, 8)) is not builder.constant(constant, (8,))


def values_added(builder: DelegateBuilder, weight: FilterWeight) -> int:
    """How many values a linear layer with `weight` adds besides its output."""
    before = len(builder._values)
    builder.fully_connected(builder_input(builder), weight, dynamic=False)
    return len(builder._values) - before - 1


def builder_input(builder: DelegateBuilder):
    return builder.constant(pack_vector(torch.ones(64), ConstantStore(io.BytesIO()), "x"), (1, 64))


@pytest.mark.parametrize("weight_format", [INT8, INT4])
def test_a_weight_is_defined_once_but_not_for_another_scale(
    weight_format, store: ConstantStore
) -> None:
    builder = DelegateBuilder(0, 0)
    builder_input(builder)
    weight = torch.randn(10, 64)
    one, same, double = (
        pack_linear(quantize(value, weight_format), store, "w").filter
        for value in (weight, weight.clone(), weight * 2)
    )
    assert one.data == double.data  # the same grid
    assert one.scale != double.scale
    assert [values_added(builder, each) for each in (one, same, double)] == [1, 0, 1]


def test_a_delegate_with_a_forgotten_input_or_output_is_not_finished() -> None:
    builder = DelegateBuilder(1, 1)
    x = builder.input((1, 8))
    with pytest.raises(AssertionError):
        builder.finish()
    builder.unary(schema.XNNSigmoid, x, builder.output((1, 8)))
    assert builder.finish()

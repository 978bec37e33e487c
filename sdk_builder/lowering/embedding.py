"""Token embedding from the very bytes of the head.

A tied embedding is one tensor in the file. The head reads it through XNNPACK, the embedding
through a gather kernel, and the two agree on every format but one: in 4-bit rows XNNPACK has the
even column in the low nibble, the gather kernel in the high one. So the 4-bit gather yields
neighbours swapped, and the first delegate swaps them back, by a small exact matrix product; its
kernel's scale is set to one, since XNNPACK keeps scales as bf16, and the true scales are gathered
from XNNPACK's own table and multiplied in that delegate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as schema
from executorch.exir.scalar_type import ScalarType

from sdk_builder.lowering.constants import Constant, ConstantStore
from sdk_builder.lowering.delegate import DelegateBuilder, FilterWeight, Value, float_filter
from sdk_builder.lowering.plan import PlanBuilder
from sdk_builder.lowering.weights import LinearWeight, to_bytes

_QUANTIZED = "quantized_decomposed"
_TYPE = schema.XNNDatatype


@dataclass(frozen=True)
class ConstantTable:
    """Constants that kernels (not delegates) read, numbered from 1 in the program."""

    entries: tuple[Constant, ...]

    def index(self, constant: Constant) -> int:
        return self.entries.index(constant) + 1


@dataclass(frozen=True)
class Embedding:
    """The embedding's weight as stored for the head, and what a 4-bit gather needs besides.

    ones: fp16 ``[V]``; exchange: fp32 ``[g, g]``, swaps neighbours within a group.
    """

    weight: LinearWeight
    ones: Constant | None = None
    exchange: Constant | None = None

    @property
    def constants(self) -> tuple[Constant, ...]:
        """What the gather kernels read; these must lie in the program's constant segment."""
        table = self.weight.filter
        found = [table.data, table.scale, self.ones]
        if self.weight.offset is not None:
            found += [self.weight.offset.data, self.weight.offset.scale]
        return tuple(constant for constant in found if constant is not None)


def prepare_embedding(weight: LinearWeight, store: ConstantStore) -> Embedding:
    """Add the constants that a 4-bit gather needs."""
    if weight.filter.datatype != _TYPE.xnn_datatype_qbint4:
        return Embedding(weight)
    ones = torch.ones(weight.filter.shape[0], dtype=torch.float16)
    swap = torch.eye(weight.filter.group_size).view(-1, 2, weight.filter.group_size).flip(1)
    return Embedding(
        weight,
        ones=store.add(to_bytes(ones), "constants"),
        exchange=store.add(to_bytes(swap), "constants"),
    )


def gather(
    plan: PlanBuilder, embedding: Embedding, table: ConstantTable, tokens: int, chunk: int
) -> list[int]:
    """Instructions that look the tokens up; returns the tensors that `finish_embedding` takes.

    tokens: int64 ``[1, S]``. fp32 and int8 give ``[hidden [1,S,D]]``; int4 gives the grid values
    ``[1,S,D]`` and each group's scale ``[1,S,G]`` (and offset, where the grid is asymmetric).
    """
    weight = embedding.weight.filter
    rows, size = weight.shape
    if weight.datatype == _TYPE.xnn_datatype_fp32:
        return [
            _gather_rows(plan, table.index(weight.data), ScalarType.FLOAT, weight, tokens, chunk)
        ]
    assert weight.scale is not None
    out = plan.temporary(ScalarType.FLOAT, (1, chunk, size), dynamic=True)
    if weight.datatype == _TYPE.xnn_datatype_qcint8:
        _gather_int8(plan, table, weight, tokens, out)
        return [out]
    assert embedding.ones is not None
    data = plan.constant(ScalarType.BYTE, (rows, size // 2), table.index(weight.data))
    ones = plan.constant(ScalarType.HALF, (rows,), table.index(embedding.ones))
    arguments = [data, ones, plan.scalar(None), plan.scalar(-8), plan.scalar(7), tokens]
    dtype = plan.scalar(int(ScalarType.FLOAT))
    plan.kernel(f"{_QUANTIZED}::embedding_4bit", "dtype_out", [*arguments, dtype, out, out])
    tensors = [out, _gather_scales(plan, table, weight, tokens, chunk)]
    offset = embedding.weight.offset
    if offset is not None:
        groups = plan.temporary(ScalarType.FLOAT, (1, chunk, offset.shape[1]), dynamic=True)
        _gather_int8(plan, table, offset, tokens, groups)
        tensors.append(groups)
    return tensors


def _gather_rows(
    plan: PlanBuilder,
    index: int,
    dtype: ScalarType,
    weight: FilterWeight,
    tokens: int,
    chunk: int,
) -> int:
    data = plan.constant(dtype, weight.shape, index)
    out = plan.temporary(dtype, (1, chunk, weight.shape[1]), dynamic=True)
    no = plan.scalar(False)
    plan.kernel("aten::embedding", "out", [data, tokens, plan.scalar(-1), no, no, out, out])
    return out


def _gather_int8(
    plan: PlanBuilder, table: ConstantTable, weight: FilterWeight, tokens: int, out: int
) -> None:
    assert weight.scale is not None
    data = plan.constant(ScalarType.CHAR, weight.shape, table.index(weight.data))
    scale = plan.constant(ScalarType.FLOAT, weight.shape[:1], table.index(weight.scale))
    limits = [plan.scalar(-128), plan.scalar(127)]
    plan.kernel(
        f"{_QUANTIZED}::embedding_byte",
        "out",
        [data, scale, plan.scalar(None), *limits, tokens, out, out],
    )


def _gather_scales(
    plan: PlanBuilder, table: ConstantTable, weight: FilterWeight, tokens: int, chunk: int
) -> int:
    assert weight.scale is not None
    groups = weight.shape[1] // weight.group_size
    shape = FilterWeight(weight.datatype, (weight.shape[0], groups), weight.scale)
    index = table.index(weight.scale)
    half = _gather_rows(plan, index, ScalarType.BFLOAT16, shape, tokens, chunk)
    out = plan.temporary(ScalarType.FLOAT, (1, chunk, groups), dynamic=True)
    plan.kernel("aten::_to_copy", "out", [half, plan.scalar(False), plan.scalar(None), out, out])
    return out


def input_shapes(embedding: Embedding, chunk: int) -> list[tuple[int, ...]]:
    """Shapes of what `gather` returns, in its order."""
    weight = embedding.weight.filter
    shapes: list[tuple[int, ...]] = [(1, chunk, weight.shape[1])]
    if weight.datatype == _TYPE.xnn_datatype_qbint4:
        groups = (1, chunk, weight.shape[1] // weight.group_size)
        shapes += [groups] if embedding.weight.offset is None else [groups, groups]
    return shapes


def finish_embedding(builder: DelegateBuilder, embedding: Embedding, inputs: list[Value]) -> Value:
    """Inside the first delegate: the gathered tensors -> hidden ``[1,S,D]``."""
    weight = embedding.weight.filter
    if weight.datatype != _TYPE.xnn_datatype_qbint4:
        return inputs[0]
    assert embedding.exchange is not None
    _, chunk, size = inputs[0].shape
    groups = size // weight.group_size
    swapped = builder.reshape(inputs[0], (1, chunk, groups, weight.group_size), free=1)
    exchange = float_filter(embedding.exchange, (weight.group_size, weight.group_size))
    grid = builder.fully_connected(swapped, exchange)
    per_group = [builder.reshape(value, (1, chunk, groups, 1), free=1) for value in inputs[1:]]
    values = builder.binary(schema.XNNMultiply, grid, per_group[0])
    for offset in per_group[1:]:
        values = builder.binary(schema.XNNAdd, values, offset)
    return builder.reshape(values, (1, chunk, size), free=1)


__all__ = [
    "ConstantTable",
    "Embedding",
    "finish_embedding",
    "gather",
    "input_shapes",
    "prepare_embedding",
]

"""Quantized tensors in the byte layouts that the runtime's kernels read.

A tensor is either a plain float tensor or torchao's ``IntxUnpackedToInt8Tensor`` (int8 or int4
values, a scale for each channel or group, a zero point for each group where the grid is not
symmetric).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNDatatype
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.lowering.constants import Constant, ConstantStore
from sdk_builder.lowering.delegate import FilterWeight
from sdk_builder.lowering.index import Piece, Runs
from sdk_builder.quantization.tensors import quantize_rows


@dataclass(frozen=True)
class LinearWeight:
    """A linear layer's weight, W = filter + offset spread over groups.

    filter: the symmetric part; offset: ``[out, in / group_size]``, added to every weight of a group
    (None for symmetric formats); ones: ``[1, group_size]``, which sums a group's inputs.
    """

    filter: FilterWeight
    offset: FilterWeight | None = None
    ones: FilterWeight | None = None


def to_bytes(tensor: Tensor) -> memoryview:
    """The tensor's values, row by row, without a copy where they already lie so."""
    flat = tensor.detach().contiguous().view(-1).view(torch.uint8)
    return flat.numpy().data


def pack_nibbles(values: Tensor) -> Tensor:
    """int8 in [-8, 7], ``[out, in]`` -> uint8 ``[out, in/2]``; even columns in the low nibbles."""
    unsigned = (values + 8).to(torch.uint8)
    return unsigned[:, ::2] | (unsigned[:, 1::2] << 4)


def select_rows(weight: Tensor, rows: Tensor) -> Tensor:
    """Some rows of a float or quantized matrix; formats keep each row's data apart."""
    if not isinstance(weight, IntxUnpackedToInt8Tensor):
        return weight[rows]
    chosen: Tensor = IntxUnpackedToInt8Tensor(
        qdata=weight.qdata[rows],
        scale=weight.scale[rows],
        zero_point=weight.zero_point[rows],
        target_dtype=weight.target_dtype,
        block_size=weight.block_size,
        dtype=weight.dtype,
        activation_quantization=weight.activation_quantization,
    )
    return chosen


def pack_linear(weight: Tensor, store: ConstantStore, part: str) -> LinearWeight:
    """Store `weight` ``[out, in]`` and describe it for XNNPACK."""
    if not isinstance(weight, IntxUnpackedToInt8Tensor):
        return LinearWeight(_float_filter(weight, store, part))
    if weight.target_dtype == torch.int8:
        return LinearWeight(_int8_filter(weight.qdata, weight.scale, store, part))
    filter_weight = _int4_filter(weight, store, part)
    if not bool(weight.zero_point.any()):
        return LinearWeight(filter_weight)
    offset = -weight.zero_point.float() * weight.scale.float()
    return LinearWeight(
        filter_weight,
        offset=_offset_filter(offset, store, part),
        ones=_float_filter(torch.ones(1, weight.block_size[1]), store, "constants"),
    )


_KINDS = {
    XNNDatatype.xnn_datatype_fp32: "fp32",
    XNNDatatype.xnn_datatype_qcint8: "int8",
    XNNDatatype.xnn_datatype_qbint4: "int4",
}


def linear_piece(weight: LinearWeight, rows: Runs | None, position: Mapping[str, int]) -> Piece:
    """How the index tells where `weight` lies; position: of each constant's key."""

    def place(constant: Constant | None) -> int | None:
        return None if constant is None else position[constant.key]

    stored, offset = weight.filter, weight.offset
    return Piece(
        rows,
        _KINDS[stored.datatype],
        stored.shape,
        position[stored.data.key],
        place(stored.scale),
        stored.group_size,
        None if offset is None else place(offset.data),
        None if offset is None else place(offset.scale),
    )


def _float_filter(weight: Tensor, store: ConstantStore, part: str) -> FilterWeight:
    data = store.add(to_bytes(weight.float()), part)
    return FilterWeight(XNNDatatype.xnn_datatype_fp32, _shape(weight), data)


def _int8_filter(values: Tensor, scale: Tensor, store: ConstantStore, part: str) -> FilterWeight:
    return FilterWeight(
        XNNDatatype.xnn_datatype_qcint8,
        _shape(values),
        store.add(to_bytes(values), part),
        store.add(to_bytes(scale.float()), part),
    )


def _offset_filter(offset: Tensor, store: ConstantStore, part: str) -> FilterWeight:
    values, scale = quantize_rows(offset)
    data = store.add(to_bytes(values), part)
    return FilterWeight(
        XNNDatatype.xnn_datatype_qcint8, _shape(values), data, store.add(to_bytes(scale), part)
    )


def _int4_filter(weight: IntxUnpackedToInt8Tensor, store: ConstantStore, part: str) -> FilterWeight:
    return FilterWeight(
        XNNDatatype.xnn_datatype_qbint4,
        _shape(weight),
        store.add(to_bytes(pack_nibbles(weight.qdata)), part),
        store.add(to_bytes(weight.scale.to(torch.bfloat16)), part),
        group_size=weight.block_size[1],
    )


def _shape(tensor: Tensor) -> tuple[int, int]:
    return int(tensor.shape[0]), int(tensor.shape[1])


def pack_vector(vector: Tensor, store: ConstantStore, part: str) -> Constant:
    """Store a norm's weight or a bias as fp32."""
    return store.add(to_bytes(vector.float()), part)

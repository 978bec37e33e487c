"""One XNNPACK delegate, built node by node.

A delegate is an XNNPACK subgraph in ExecuTorch's own flatbuffer schema: values (tensors), nodes
(operators) and references by key to constants that lie elsewhere in the ``.pte``. This module knows
the schema and nothing of language models.

Shapes are upper bounds. A dimension that follows the number of tokens is passed as the program's
largest chunk; XNNPACK recomputes every shape from its inputs at each run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as schema
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import (
    serialize_xnnpack_binary,
)

from sdk_builder.lowering.constants import Constant

_INVALID_VALUE_ID = 2**32 - 1
_BY_NAMED_KEY = 2**64 - 1
_EXTERNAL_INPUT = 1
_EXTERNAL_OUTPUT = 2
_CONCATENATE = {
    2: schema.XNNConcatenate2,
    3: schema.XNNConcatenate3,
    4: schema.XNNConcatenate4,
    5: schema.XNNConcatenate5,
}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A tensor inside a delegate: its id in the subgraph and its largest shape."""

    id: int
    shape: Shape


@dataclass(frozen=True)
class FilterWeight:
    """A linear layer's weight as XNNPACK reads it.

    data: ``[out, in]`` in the layout of `datatype`; scale: one fp32 per output channel (int8), or
    one bf16 per group of `group_size` inputs (int4), or None (fp32).
    """

    datatype: schema.XNNDatatype
    shape: tuple[int, int]
    data: Constant
    scale: Constant | None = None
    group_size: int = 0


def float_filter(data: Constant, shape: tuple[int, int]) -> FilterWeight:
    """An fp32 weight ``[out, in]``."""
    return FilterWeight(schema.XNNDatatype.xnn_datatype_fp32, shape, data)


@dataclass
class DelegateBuilder:
    """Collects values and nodes; `finish` serializes them.

    The external ids are dealt out first, so all inputs and outputs must be declared by count.
    """

    num_inputs: int
    num_outputs: int
    _values: list[schema.XValue] = field(default_factory=list)
    _nodes: list[schema.XNode] = field(default_factory=list)
    _constants: list[schema.ConstantDataOffset] = field(
        default_factory=lambda: [schema.ConstantDataOffset(0, 0)]
    )
    _constant_values: dict[tuple[str, Shape], Value] = field(default_factory=dict)
    _quantized: dict[int, Value] = field(default_factory=dict)
    _group_sums: dict[int, Value] = field(default_factory=dict)
    _inputs: int = 0
    _outputs: int = 0

    # -- values ---------------------------------------------------------------------------------

    def input(self, shape: Shape) -> Value:
        """Declare the next external input, fp32."""
        external_id, self._inputs = self._inputs, self._inputs + 1
        return self._tensor(shape, external_id=external_id, flags=_EXTERNAL_INPUT)

    def output(self, shape: Shape) -> Value:
        """Declare the next external output, fp32; pass it as `into` to the node that makes it."""
        external_id, self._outputs = self.num_inputs + self._outputs, self._outputs + 1
        return self._tensor(shape, external_id=external_id, flags=_EXTERNAL_OUTPUT)

    def constant(self, constant: Constant, shape: Shape) -> Value:
        """An fp32 constant of `shape`; asked for twice, it is defined once."""
        key = (constant.key, shape)
        if key not in self._constant_values:
            self._constant_values[key] = self._tensor(shape, buffer_index=self._buffer(constant))
        return self._constant_values[key]

    def _next_id(self) -> int:
        internal = len(self._values) - self._inputs - self._outputs
        return self.num_inputs + self.num_outputs + internal

    def _buffer(self, constant: Constant) -> int:
        self._constants.append(
            schema.ConstantDataOffset(_BY_NAMED_KEY, constant.size_bytes, constant.key)
        )
        return len(self._constants) - 1

    def _tensor(
        self,
        shape: Shape,
        *,
        datatype: schema.XNNDatatype = schema.XNNDatatype.xnn_datatype_fp32,
        external_id: int = _INVALID_VALUE_ID,
        flags: int = 0,
        buffer_index: int = 0,
        quantization: schema.XNNQuantParams | None = None,
    ) -> Value:
        value_id = external_id if flags else self._next_id()
        tensor = schema.XNNTensorValue(
            datatype=datatype,
            num_dims=len(shape),
            dims=list(shape),
            constant_buffer_idx=buffer_index,
            external_id=external_id,
            flags=flags,
            id_out=value_id,
        )
        union = (
            tensor if quantization is None else schema.XNNQuantizedTensorValue(tensor, quantization)
        )
        self._values.append(schema.XValue(union))
        return Value(value_id, shape)

    # -- nodes ----------------------------------------------------------------------------------

    def _node(self, node: schema.XNodeUnion, limits: schema.OutputMinMax | None = None) -> None:
        self._nodes.append(schema.XNode(node, len(self._nodes), limits))

    def unary(self, kind: type, x: Value, into: Value | None = None) -> Value:
        """An elementwise node such as XNNSigmoid."""
        out = into or self._tensor(x.shape)
        self._node(kind(input_id=x.id, output_id=out.id, flags=0))
        return out

    def clamp(self, x: Value, low: float, high: float) -> Value:
        """`x`, but no less than `low` and no more than `high`."""
        out = self._tensor(x.shape)
        limits = schema.OutputMinMax(output_min=low, output_max=high)
        self._node(schema.XNNClamp(input_id=x.id, output_id=out.id, flags=0), limits)
        return out

    def binary(self, kind: type, a: Value, b: Value, into: Value | None = None) -> Value:
        """A broadcasting node such as XNNAdd."""
        out = into or self._tensor(broadcast(a.shape, b.shape))
        self._node(kind(input1_id=a.id, input2_id=b.id, output_id=out.id, flags=0))
        return out

    def reshape(
        self, x: Value, shape: Shape, *, free: int | None, into: Value | None = None
    ) -> Value:
        """View `x` as `shape`; dimension `free` follows the number of tokens."""
        out = into or self._tensor(shape)
        sizes = [0 if index == free else size for index, size in enumerate(shape)]
        self._node(
            schema.XNNStaticReshape(
                num_dims=len(sizes), new_shape=sizes, input_id=x.id, output_id=out.id, flags=0
            )
        )
        return out

    def concatenate(self, parts: list[Value], axis: int, into: Value | None = None) -> Value:
        """Join 2 to 5 values along `axis`."""
        shape = tuple(
            sum(part.shape[axis] for part in parts) if i == axis else size
            for i, size in enumerate(parts[0].shape)
        )
        out = into or self._tensor(shape)
        ids = [part.id for part in parts] + [_INVALID_VALUE_ID] * (5 - len(parts))
        self._node(
            _CONCATENATE[len(parts)](
                axis=axis,
                input1_id=ids[0],
                input2_id=ids[1],
                input3_id=ids[2],
                input4_id=ids[3],
                output_id=out.id,
                flags=0,
                input5_id=ids[4],
            )
        )
        return out

    def quantize_dynamically(self, x: Value) -> Value:
        """Int8 activations with one scale and zero point a token; shared by all users of `x`."""
        if x.id not in self._quantized:
            out = self._tensor(
                x.shape,
                datatype=schema.XNNDatatype.xnn_datatype_qdint8,
                quantization=schema.PerTokenDynamicQuant(num_nonbatch_dims=1),
            )
            self._node(schema.XNNConvert(input_id=x.id, output_id=out.id, flags=0))
            self._quantized[x.id] = out
        return self._quantized[x.id]

    def fully_connected(
        self,
        x: Value,
        weight: FilterWeight,
        bias: Value | None = None,
        into: Value | None = None,
        *,
        dynamic: bool = True,
    ) -> Value:
        """``x @ weight.T + bias`` over the last dimension; fp32 in and out.

        Inputs of a quantized weight are quantized on the fly unless `dynamic` is False.
        """
        quantized = dynamic and weight.scale is not None
        source = self.quantize_dynamically(x) if quantized else x
        filter_value = self._filter(weight)
        out = into or self._tensor((*x.shape[:-1], weight.shape[0]))
        self._node(
            schema.XNNFullyConnected(
                input1_id=source.id,
                filter_id=filter_value.id,
                bias_id=_INVALID_VALUE_ID if bias is None else bias.id,
                output_id=out.id,
                flags=0,
            )
        )
        return out

    def group_sums(self, x: Value, ones: FilterWeight, groups: int) -> Value:
        """Sums of `x` ``[..., groups * n]`` over each n neighbours; shared by all users of `x`."""
        if x.id not in self._group_sums:
            *lead, size = x.shape
            grouped = self.reshape(x, (*lead, groups, size // groups), free=1)
            sums = self.fully_connected(grouped, ones)
            self._group_sums[x.id] = self.reshape(sums, (*lead, groups), free=1)
        return self._group_sums[x.id]

    def _filter(self, weight: FilterWeight) -> Value:
        # Equal grids may have other scales: twice a weight is the same integers.
        scale_key = weight.scale.key if weight.scale is not None else ""
        key: tuple[str, Shape] = (weight.data.key + scale_key, weight.shape)
        if key in self._constant_values:
            return self._constant_values[key]
        data = self._buffer(weight.data)
        quantization: schema.XNNQuantParams | None = None
        if weight.scale is not None:
            scale = self._buffer(weight.scale)
            if weight.group_size:
                quantization = schema.PerChannelGroupQuant(
                    scale=[],
                    channel_dim=0,
                    group_size=weight.group_size,
                    scale_buffer_idx=scale,
                    num_scales=weight.shape[0] * weight.shape[1] // weight.group_size,
                )
            else:
                quantization = schema.PerChannelQuant(
                    scale=[], channel_dim=0, scale_buffer_idx=scale, num_scales=weight.shape[0]
                )
        value = self._tensor(
            weight.shape, datatype=weight.datatype, buffer_index=data, quantization=quantization
        )
        self._constant_values[key] = value
        return value

    # -- result ---------------------------------------------------------------------------------

    def finish(self) -> bytes:
        """The serialized delegate.

        Raises AssertionError when fewer inputs or outputs were declared than promised.
        """
        assert (self._inputs, self._outputs) == (self.num_inputs, self.num_outputs)
        graph = schema.XNNGraph(
            version="0",
            xnodes=self._nodes,
            xvalues=self._values,
            num_externs=self.num_inputs + self.num_outputs,
            input_ids=list(range(self.num_inputs)),
            output_ids=list(range(self.num_inputs, self.num_inputs + self.num_outputs)),
            constant_data=self._constants,
        )
        return bytes(serialize_xnnpack_binary(graph, bytearray()))


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape of an elementwise result, aligned at the last dimension."""
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    return tuple(max(x, y) for x, y in zip(left, right, strict=True))

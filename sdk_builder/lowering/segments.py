"""Segments of the decoder as XNNPACK delegates: one rule for each ATen operator.

Every operator of a segment is delegated or the export stops: there is no silent fallback to slow
kernels, since what is not in the table below does not lower.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as schema
from torch import Tensor, fx

from sdk_builder.errors import UnsupportedOperatorError
from sdk_builder.lowering.constants import Constant, ConstantStore
from sdk_builder.lowering.delegate import DelegateBuilder, Value, float_filter
from sdk_builder.lowering.embedding import Embedding, finish_embedding, input_shapes
from sdk_builder.lowering.index import Index, Piece, to_runs
from sdk_builder.lowering.ring import rotate_sinks
from sdk_builder.lowering.trace import DecoderGraph, Segment
from sdk_builder.lowering.weights import (
    LinearWeight,
    linear_piece,
    pack_linear,
    pack_vector,
    select_rows,
    to_bytes,
)

Rows = tuple[int, ...]


class ParameterSource(Protocol):
    """Where weights come from, one at a time."""

    def parameter(self, name: str) -> Tensor:
        """The tensor of that name, float32 or quantized by torchao."""


@dataclass
class WeightPacker:
    """Packs each parameter, or some rows of it, once, and remembers where it lies."""

    source: ParameterSource
    store: ConstantStore
    _linear: dict[tuple[str, Rows | None], LinearWeight] = field(default_factory=dict)
    _vectors: dict[tuple[str, Rows | None], tuple[Constant, int]] = field(default_factory=dict)
    _last: dict[str, tuple[str, Tensor]] = field(default_factory=dict)

    def linear(self, name: str, rows: Rows | None = None) -> LinearWeight:
        """The weight `name` ``[out, in]``, or its `rows` in that order."""
        if (name, rows) not in self._linear:
            weight = self._tensor(name)
            chosen = weight if rows is None else select_rows(weight, torch.tensor(rows))
            self._linear[name, rows] = pack_linear(chosen, self.store, name)
        return self._linear[name, rows]

    def vector(self, name: str, rows: Rows | None = None) -> Constant:
        """A norm's weight or a bias, fp32."""
        if (name, rows) not in self._vectors:
            vector = self._tensor(name)
            chosen = vector if rows is None else vector[list(rows)]
            self._vectors[name, rows] = pack_vector(chosen, self.store, name), len(chosen)
        return self._vectors[name, rows][0]

    def index(self, named: Sequence[Constant]) -> Index:
        """Where each parameter lies, by position in `named`."""
        position = {constant.key: at for at, constant in enumerate(named)}
        found: dict[str, list[Piece]] = defaultdict(list)
        for (name, rows), weight in self._linear.items():
            found[name].append(linear_piece(weight, to_runs(rows), position))
        for (name, rows), (constant, count) in self._vectors.items():
            piece = Piece(to_runs(rows), "fp32", (count,), position[constant.key])
            found[name].append(piece)
        return {name: tuple(pieces) for name, pieces in found.items()}

    def _tensor(self, name: str) -> Tensor:
        # Rows of one weight are asked for one after another, those of its bias in between; each is
        # read and quantized once.
        kind = name.rpartition(".")[2]
        if kind not in self._last or self._last[kind][0] != name:
            self._last.pop(kind, None)  # its memory goes before the next is read
            self._last[kind] = (name, self.source.parameter(name))
        return self._last[kind][1]


@dataclass(frozen=True)
class LinearRows:
    """A linear layer not yet emitted: views and slices of its output only choose among its rows.

    Slicing is cheaper on weights than on activations, and XNNPACK of some Android builds cannot
    slice a tensor whose length varies. rows: indices of output features, in the shape ``[...]``
    that the output ``[1, S, ...]`` has behind its first two dimensions.
    """

    x: Value
    weight: str
    bias: str | None
    rows: Tensor
    whole: bool


@dataclass(frozen=True)
class Sinks:
    """The attention sinks of a layer, ``[1, count, KV, hd]``; exchange: see `ring.py`."""

    count: int
    kv_heads: int
    head_dim: int
    exchange: Constant

    def rotate(self, builder: DelegateBuilder) -> None:
        """Declare the inputs and the output, and what is between."""
        shape = (1, self.count, self.kv_heads, self.head_dim)
        sinks = builder.input(shape)
        cos, sin = (builder.input((1, 1, 1, self.head_dim)) for _ in range(2))
        rotate_sinks(builder, self.exchange, sinks, cos, sin, builder.output(shape))


@dataclass
class _Lowering:
    """State while one segment is lowered."""

    graph: DecoderGraph
    packer: WeightPacker
    builder: DelegateBuilder
    values: dict[fx.Node, Value | LinearRows]
    outputs: dict[fx.Node, Value]

    def parameter(self, node: Any) -> str:
        """The name of the parameter that a placeholder stands for."""
        return self.graph.parameters[node.name]

    def value(self, node: Any) -> Value:
        """The node's value; a linear layer is emitted on first use."""
        found = self.values[node]
        if isinstance(found, LinearRows):
            found = self.values[node] = self.emit(found, None)
        return found

    def emit(self, linear: LinearRows, into: Value | None) -> Value:
        """The linear layer's chosen rows as a fully connected node."""
        rows = None if linear.whole else tuple(linear.rows.flatten().tolist())
        weight = self.packer.linear(linear.weight, rows)
        bias = None
        if linear.bias is not None:
            count = linear.rows.numel()
            bias = self.builder.constant(self.packer.vector(linear.bias, rows), (count,))
        if linear.rows.dim() == 1 or (into is not None and len(into.shape) == 3):
            return emit_linear(self.builder, linear.x, weight, bias, into)
        flat = emit_linear(self.builder, linear.x, weight, bias)
        shape = (*linear.x.shape[:-1], *linear.rows.shape)
        return self.builder.reshape(flat, shape, free=1, into=into)


_Rule = Callable[[_Lowering, fx.Node, "Value | None"], "Value | LinearRows"]


def lower_segment(
    graph: DecoderGraph,
    segment: Segment,
    packer: WeightPacker,
    embedding: Embedding,
    sinks: Sinks | None = None,
) -> bytes:
    """The segment as a serialized delegate; inputs, vectors and outputs in the segment's order.

    sinks: those of the attention behind it, which the delegate rotates besides: three more inputs
    (sinks, cos, sin) behind all others and one more output.

    The graph's `hidden` comes in as the tensors that the embedding's gather yields. Vectors come in
    from outside, since a delegate may only hold constants that XNNPACK packs: older runtimes free
    the rest.

    Raises UnsupportedOperatorError for an operator without a rule, naming it and its module.
    """
    gathered = input_shapes(embedding, graph.max_chunk)
    extra = len(gathered) - 1 if graph.hidden in segment.inputs else 0
    count = len(segment.inputs) + extra + len(segment.vectors)
    builder = DelegateBuilder(count + (3 if sinks else 0), len(segment.outputs) + bool(sinks))
    inputs: dict[fx.Node, list[Value]] = {}
    for node in segment.inputs:
        shapes = gathered if node is graph.hidden else [graph.shape(node)]
        inputs[node] = [builder.input(shape) for shape in shapes]
    inputs |= {node: [builder.input(graph.shape(node))] for node in segment.vectors}
    if sinks is not None:
        sinks.rotate(builder)
    outputs = {node: builder.output(graph.delegate_shape(node)) for node in segment.outputs}
    values: dict[fx.Node, Value | LinearRows] = {node: given[0] for node, given in inputs.items()}
    if graph.hidden in inputs:
        values[graph.hidden] = finish_embedding(builder, embedding, inputs[graph.hidden])
    lowering = _Lowering(graph, packer, builder, values, outputs)
    for node in segment.nodes:
        rule = _RULES.get(node.target)
        if rule is None:
            raise UnsupportedOperatorError(
                f"operator {node.target} of {_module(node)} has no XNNPACK lowering",
                "write the decoder with the operators of sdk_builder/lowering/segments.py, "
                "or add a rule there",
            )
        into = outputs.get(node)
        found = rule(lowering, node, into)
        if into is not None and isinstance(found, LinearRows):
            found = lowering.emit(found, into)
        lowering.values[node] = found
    return builder.finish()


def emit_linear(
    builder: DelegateBuilder,
    x: Value,
    weight: LinearWeight,
    bias: Value | None = None,
    into: Value | None = None,
) -> Value:
    """``x @ W.T + bias``; an asymmetric W adds its group offsets times the inputs' group sums."""
    if weight.offset is None or weight.ones is None:
        return builder.fully_connected(x, weight.filter, bias, into)
    sums = builder.group_sums(x, weight.ones, weight.offset.shape[1])
    offset = builder.fully_connected(sums, weight.offset, dynamic=False)
    symmetric = builder.fully_connected(x, weight.filter, bias)
    return builder.binary(schema.XNNAdd, symmetric, offset, into)


def _linear(lowering: _Lowering, node: fx.Node, into: Value | None) -> LinearRows:
    x, weight, *bias = node.args
    return LinearRows(
        x=lowering.value(x),
        weight=lowering.parameter(weight),
        bias=lowering.parameter(bias[0]) if bias and bias[0] is not None else None,
        rows=torch.arange(lowering.graph.shape(node)[-1]),
        whole=True,
    )


def emit_rms_norm(
    builder: DelegateBuilder,
    store: ConstantStore,
    x: Value,
    weight: Value,
    eps: float,
    into: Value | None = None,
) -> Value:
    """``x * rsqrt(mean(x**2) + eps) * weight``.

    XNNPACK's subgraphs have no mean here, but a linear layer with weights 1/D and bias eps is one.
    """
    size = x.shape[-1]
    average = store.add(to_bytes(torch.full((1, size), 1.0 / size)), "constants")
    epsilon = store.add(to_bytes(torch.tensor([eps])), "constants")
    squares = builder.unary(schema.XNNSquare, x)
    mean = builder.fully_connected(
        squares, float_filter(average, (1, size)), builder.constant(epsilon, (1,))
    )
    scale = builder.unary(schema.XNNReciprocalSquareRoot, mean)
    normal = builder.binary(schema.XNNMultiply, x, scale)
    return builder.binary(schema.XNNMultiply, normal, weight, into)


def _rms_norm(lowering: _Lowering, node: fx.Node, into: Value | None) -> Value:
    x, _, weight, eps = node.args
    return emit_rms_norm(
        lowering.builder,
        lowering.packer.store,
        lowering.value(x),
        lowering.value(weight),
        float(eps),  # type: ignore[arg-type]
        into,
    )


def _silu(lowering: _Lowering, node: fx.Node, into: Value | None) -> Value:
    x = lowering.value(node.args[0])
    gate = lowering.builder.unary(schema.XNNSigmoid, x)
    return lowering.builder.binary(schema.XNNMultiply, x, gate, into)


def _binary(kind: type) -> _Rule:
    def rule(lowering: _Lowering, node: fx.Node, into: Value | None) -> Value:
        a, b = (lowering.value(argument) for argument in node.args)
        return lowering.builder.binary(kind, a, b, into)

    return rule


def _view(lowering: _Lowering, node: fx.Node, into: Value | None) -> Value | LinearRows:
    graph, shape = lowering.graph, lowering.graph.shape(node)
    source = lowering.values.get(node.args[0])  # type: ignore[arg-type]
    if isinstance(source, LinearRows) and shape[:2] == source.x.shape[:2]:
        return replace(source, rows=source.rows.view(shape[2:]))
    if shape == graph.shape(node.args[0]) and into is None:  # type: ignore[arg-type]
        return lowering.value(node.args[0])
    return lowering.builder.reshape(
        lowering.value(node.args[0]), shape, free=graph.free_dimension(node), into=into
    )


def _slice(lowering: _Lowering, node: fx.Node, into: Value | None) -> LinearRows:
    source, axis, start, stop = node.args
    linear = lowering.values.get(source)  # type: ignore[arg-type]
    rank = len(node.meta["val"].shape)
    feature = int(axis) % rank - 2  # type: ignore[arg-type]
    if not isinstance(linear, LinearRows) or feature < 0:
        raise UnsupportedOperatorError(
            f"{_module(node)} slices something other than features of a linear layer",
            "XNNPACK of some Android builds cannot slice tensors of varying length",
        )
    size = linear.rows.shape[feature]
    first, last = int(start or 0), min(int(stop), size)  # type: ignore[arg-type]
    chosen = linear.rows.narrow(feature, first, last - first)
    return replace(linear, rows=chosen, whole=linear.whole and last - first == size)


def _rotate(lowering: _Lowering, node: fx.Node, into: Value | None) -> Value:
    """(a cos - b sin, b cos + a sin); a and b, the heads' halves, are rows of the linear layer.

    The halves are joined last, into the delegate's output: XNNPACK of some Android builds gives a
    joined tensor of its own too little memory when a call has more tokens than those before it.
    """
    x, cos, sin = node.args
    heads = lowering.values.get(x)  # type: ignore[arg-type]
    if not isinstance(heads, LinearRows):
        raise UnsupportedOperatorError(
            f"{_module(node)} rotates something other than a linear layer's output",
            "XNNPACK of some Android builds cannot slice tensors of varying length",
        )
    halves = [
        lowering.emit(replace(heads, rows=half, whole=False), None)
        for half in heads.rows.chunk(2, dim=-1)
    ]
    builder, tables = lowering.builder, (lowering.value(cos), lowering.value(sin))
    (a_cos, a_sin), (b_cos, b_sin) = (
        [builder.binary(schema.XNNMultiply, half, table) for table in tables] for half in halves
    )
    first = builder.binary(schema.XNNSubtract, a_cos, b_sin)
    second = builder.binary(schema.XNNAdd, b_cos, a_sin)
    return builder.concatenate([first, second], len(first.shape) - 1, into)


_ATEN = torch.ops.aten
_RULES: dict[Any, _Rule] = {
    _ATEN.linear.default: _linear,
    _ATEN.rms_norm.default: _rms_norm,
    _ATEN.silu.default: _silu,
    _ATEN.add.Tensor: _binary(schema.XNNAdd),
    _ATEN.mul.Tensor: _binary(schema.XNNMultiply),
    _ATEN.view.default: _view,
    _ATEN.reshape.default: _view,
    _ATEN.slice.Tensor: _slice,
    torch.ops.shakti.rotate.default: _rotate,
}


def _module(node: fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    return next((path for path, _ in reversed(stack.values())), "the decoder")

"""The methods of a bundle's program.

``forward(tokens [1,S] int64, start [1] int64) -> logits [1,1,V]`` of the last token, with the KV
cache as state: prefill for S > 1, decode for S = 1. ``score`` is the same with logits of all
positions ``[1,S,V]``. Both run the same delegates, so that they share weights and, in the file,
every byte.

The rest are constants that the Android runtime's own runner reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from executorch.exir.scalar_type import ScalarType
from torch import fx

from sdk_builder.lowering.attention import KvCache, attend
from sdk_builder.lowering.constants import Constant
from sdk_builder.lowering.embedding import ConstantTable, Embedding, gather
from sdk_builder.lowering.plan import PlanBuilder
from sdk_builder.lowering.trace import Attention, DecoderGraph, Segment

_FLOAT, _LONG = ScalarType.FLOAT, ScalarType.LONG
_TO_THE_END = 2**63 - 1


@dataclass(frozen=True)
class Trunk:
    """What both methods share: the graph, its delegates (segment numbers) and constants."""

    graph: DecoderGraph
    delegates: tuple[int, ...]
    head: int
    embedding: Embedding
    table: ConstantTable
    frequencies: Constant
    vectors: Mapping[str, Constant]
    cache: KvCache
    vocab_size: int


@dataclass(frozen=True)
class _Position:
    """Runtime scalars: first position of this call and one past its last."""

    start: int
    stop: int


def build_method(trunk: Trunk, name: str, *, all_positions: bool) -> PlanBuilderResult:
    """The method `name`: embedding, rotary tables, delegates and attentions, head."""
    plan, chunk = PlanBuilder(name), trunk.graph.max_chunk
    tokens = plan.input(_LONG, (1, chunk), dynamic=True)
    start = plan.input(_LONG, (1,), dynamic=False)
    position = _position(plan, tokens, start)
    embedded = gather(plan, trunk.embedding, trunk.table, tokens, chunk)
    values = dict(
        zip((trunk.graph.cos, trunk.graph.sin), _rotary(plan, trunk, position), strict=True)
    )
    delegates = iter(trunk.delegates)
    for step in trunk.graph.steps:
        if isinstance(step, Attention):
            values[step.node] = _attention(plan, trunk, step, values, position)
            continue
        inputs = _delegate_inputs(trunk.graph, step, values, embedded)
        # Behind the last attention, positions have nothing to do with each other.
        one_position = step is trunk.graph.steps[-1] and not all_positions
        if one_position:
            inputs = [_last_position(plan, value) for value in inputs]
        inputs += [_vector(plan, trunk, node) for node in step.vectors]
        outputs = [
            _temporary(plan, trunk.graph, node, length=1 if one_position else None)
            for node in step.outputs
        ]
        plan.delegate(next(delegates), [*inputs, *outputs])
        values.update(zip(step.outputs, outputs, strict=True))
    hidden = values[trunk.graph.result]
    logits = _head(plan, trunk, hidden, all_positions=all_positions)
    return PlanBuilderResult(plan, logits)


def _attention(
    plan: PlanBuilder,
    trunk: Trunk,
    step: Attention,
    values: Mapping[fx.Node, int],
    position: _Position,
) -> int:
    """The attention's output ``[1,S,H*hd]``, which is what its kernel wrote as ``[1,S,H,hd]``."""
    graph = trunk.graph
    q, k = (_heads(plan, graph, node, values) for node in (step.q, step.k))
    v = plan.view(values[step.v], (1, -1, *graph.shape(step.v)[2:]))
    out = _temporary(plan, graph, step.q)
    attend(plan, trunk.cache, q, k, v, position.start, out)
    return plan.view(out, (1, -1, graph.shape(step.node)[2]))


@dataclass(frozen=True)
class PlanBuilderResult:
    """A method ready to be finished, and the value it returns."""

    plan: PlanBuilder
    output: int


def _position(plan: PlanBuilder, tokens: int, start: int) -> _Position:
    first, length, stop = plan.symbol(), plan.symbol(), plan.symbol()
    plan.kernel("aten::_local_scalar_dense", "", [start, first])
    plan.kernel("aten::sym_size", "int", [tokens, plan.scalar(1), length])
    plan.kernel("executorch_prim::add", "Scalar", [first, length, stop])
    return _Position(first, stop)


def _rotary(plan: PlanBuilder, trunk: Trunk, position: _Position) -> tuple[int, int]:
    """cos and sin ``[1,S,1,hd]``, computed at each call: cheaper than a table in the file."""
    chunk, size = trunk.graph.shape(trunk.graph.cos)[1::2]
    shape = (1, chunk, 1, size)
    positions = plan.temporary(_FLOAT, (chunk,), dynamic=True)
    plan.kernel(
        "aten::arange",
        "start_out",
        [position.start, position.stop, plan.scalar(1), positions, positions],
    )
    column = plan.temporary(_FLOAT, (1, chunk, 1, 1), dynamic=True)
    one, rest = plan.scalar(1), plan.scalar(-1)
    sizes = plan.int_list([one, rest, one, one])
    plan.kernel("aten::view_copy", "out", [positions, sizes, column, column])
    frequencies = plan.constant(_FLOAT, (1, 1, 1, size), trunk.table.index(trunk.frequencies))
    angles = plan.temporary(_FLOAT, shape, dynamic=True)
    plan.kernel("aten::mul", "out", [column, frequencies, angles, angles])
    cos = plan.temporary(_FLOAT, shape, dynamic=True)
    plan.kernel("aten::cos", "out", [angles, cos, cos])
    sin = plan.temporary(_FLOAT, shape, dynamic=True)
    plan.kernel("aten::sin", "out", [angles, sin, sin])
    return cos, sin


def _delegate_inputs(
    graph: DecoderGraph, segment: Segment, values: dict[fx.Node, int], embedded: Sequence[int]
) -> list[int]:
    """The segment's inputs; the traced `hidden` stands for all gathered embedding tensors."""
    inputs: list[int] = []
    for node in segment.inputs:
        inputs += embedded if node is graph.hidden else [values[node]]
    return inputs


def _vector(plan: PlanBuilder, trunk: Trunk, node: fx.Node) -> int:
    constant = trunk.vectors[trunk.graph.parameters[node.name]]
    return plan.constant(_FLOAT, trunk.graph.shape(node), trunk.table.index(constant))


def _temporary(
    plan: PlanBuilder, graph: DecoderGraph, node: fx.Node, *, length: int | None = None
) -> int:
    """Memory for the node's value; of `length` tokens, or of as many as the call has."""
    shape, free = graph.delegate_shape(node), graph.free_dimension(node)
    if length is not None and free is not None:
        shape, free = (*shape[:free], length, *shape[free + 1 :]), None
    return plan.temporary(_FLOAT, shape, dynamic=free is not None)


def _heads(
    plan: PlanBuilder, graph: DecoderGraph, node: fx.Node, values: Mapping[fx.Node, int]
) -> int:
    """The heads of `node`, a slice ``[1,S,H,hd]`` of a value that holds more of them."""
    source, axis, start, stop = node.args
    out = _temporary(plan, graph, node)
    bounds = [plan.scalar(int(bound)) for bound in (axis, start, stop, 1)]  # type: ignore[arg-type]
    plan.kernel("aten::slice_copy", "Tensor_out", [values[source], *bounds, out, out])  # type: ignore[index]
    return out


def _last_position(plan: PlanBuilder, value: int) -> int:
    """``[1,S,...]`` -> ``[1,1,...]``."""
    _, _, *rest = plan.sizes(value)
    last = plan.temporary(_FLOAT, (1, 1, *rest), dynamic=False)
    bounds = [plan.scalar(1), plan.scalar(-1), plan.scalar(_TO_THE_END), plan.scalar(1)]
    plan.kernel("aten::slice_copy", "Tensor_out", [value, *bounds, last, last])
    return last


def _head(plan: PlanBuilder, trunk: Trunk, hidden: int, *, all_positions: bool) -> int:
    chunk = trunk.graph.shape(trunk.graph.result)[1] if all_positions else 1
    logits = plan.temporary(_FLOAT, (1, chunk, trunk.vocab_size), dynamic=all_positions)
    plan.delegate(trunk.head, [hidden, logits])
    return logits

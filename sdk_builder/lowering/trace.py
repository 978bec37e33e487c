"""The decoder as a graph: exported once, without weights, cut at its attentions.

`torch.export` runs on the meta device, so tracing costs no memory for weights and one trace serves
every format. The rotation of q and k is one opaque operator, and so is what happens between them
and the attention's output; the rest of the graph falls into segments, each of which becomes one
XNNPACK delegate.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from math import prod

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind

from sdk_builder.lowering.repeat import repeat_layers
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import Decoder


@torch.library.custom_op("shakti::attend", mutates_args=())
def _attend(q: Tensor, k: Tensor, v: Tensor, layer: int) -> Tensor:
    raise NotImplementedError("shakti::attend only marks a place in a graph")


@_attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, layer: int) -> Tensor:
    return q.new_empty((*q.shape[:2], q.shape[2] * q.shape[3]))


@torch.library.custom_op("shakti::rotate", mutates_args=())
def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    raise NotImplementedError("shakti::rotate only marks a place in a graph")


@_rotate.register_fake
def _(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return x.new_empty(x.shape)


@dataclass(frozen=True)
class Segment:
    """Operators between two attentions, with the graph values that cross its border.

    nodes: ATen calls in order; inputs and outputs: nodes made or used elsewhere, in graph order;
    vectors: parameters that are not a linear layer's (the norms' weights).
    """

    nodes: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    vectors: tuple[fx.Node, ...]
    outputs: tuple[fx.Node, ...]


@dataclass(frozen=True)
class Attention:
    """The place where layer `layer` attends: q, k, v in, `node` ``[1,S,H*hd]`` itself out.

    q and k are slices of one tensor, which the segment before makes.
    """

    layer: int
    q: fx.Node
    k: fx.Node
    v: fx.Node
    node: fx.Node


@dataclass(frozen=True)
class DecoderGraph:
    """hidden ``[1,S,D]``, cos and sin ``[1,S,1,hd/2]`` in; hidden after the final norm out."""

    steps: tuple[Segment | Attention, ...]
    hidden: fx.Node
    cos: fx.Node
    sin: fx.Node
    result: fx.Node
    parameters: dict[str, str]
    max_chunk: int

    @property
    def segments(self) -> Iterator[Segment]:
        return (step for step in self.steps if isinstance(step, Segment))

    @property
    def attentions(self) -> Iterator[Attention]:
        return (step for step in self.steps if isinstance(step, Attention))

    @property
    def turns(self) -> Iterator[tuple[Segment, Attention | None]]:
        """Each segment with the attention behind it; the last has none."""
        return zip_longest(self.segments, self.attentions)

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """The node's largest shape."""
        return tuple(self._size(size) for size in node.meta["val"].shape)

    def delegate_shape(self, node: fx.Node) -> tuple[int, ...]:
        """The node's largest shape where a delegate returns it: a linear layer's are flat."""
        one, tokens, *features = self.shape(node)
        return (one, tokens, prod(features)) if node in self._values else self.shape(node)

    @cached_property
    def _values(self) -> frozenset[fx.Node]:
        return frozenset(step.v for step in self.attentions)

    def free_dimension(self, node: fx.Node) -> int | None:
        """The dimension that follows the number of tokens, or None."""
        for index, size in enumerate(node.meta["val"].shape):
            if not isinstance(size, int):
                return index
        return None

    def _size(self, size: int | torch.SymInt) -> int:
        return size if isinstance(size, int) else self.max_chunk


class _Traced(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.model = decoder

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return self.model(
            hidden,
            cos,
            sin,
            attend=lambda layer, q, k, v: torch.ops.shakti.attend(q, k, v, layer),
            rotate=torch.ops.shakti.rotate,
        )


def trace(config: ShaktiConfig, *, max_chunk: int) -> DecoderGraph:
    """Export the decoder for 1 to `max_chunk` tokens at a time and cut it at its attentions.

    Layers with as many KV heads are the same graph, which is traced once and repeated.
    """
    kv_heads = [config.kv_heads(layer) for layer in range(config.num_hidden_layers)]
    distinct = list(dict.fromkeys(kv_heads))
    program = _export(_with_layers(config, distinct), max_chunk)
    traced = {
        spec.arg.name: str(spec.target)
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.PARAMETER
    }
    order = [distinct.index(count) for count in kv_heads]
    return _cut(*repeat_layers(program.graph, traced, order), max_chunk)


def _with_layers(config: ShaktiConfig, kv_heads: list[int]) -> ShaktiConfig:
    changed = copy(config)
    changed.num_hidden_layers = len(kv_heads)
    changed.num_key_value_heads = max(kv_heads)
    changed.kv_heads_per_layer = kv_heads
    return changed


def _export(config: ShaktiConfig, max_chunk: int) -> ExportedProgram:
    with torch.device("meta"):
        module = _Traced(Decoder(config)).eval()
        bound = max(max_chunk, 2)  # torch.export calls nothing dynamic that can only be 1
        example = min(bound, 8)
        arguments = (
            torch.empty(1, example, config.hidden_size),
            torch.empty(1, example, 1, config.head_dim // 2),
            torch.empty(1, example, 1, config.head_dim // 2),
        )
    tokens = Dim("tokens", min=1, max=bound)
    return torch.export.export(
        module, arguments, dynamic_shapes=({1: tokens}, {1: tokens}, {1: tokens}), strict=False
    )


def _cut(graph: fx.Graph, parameters: dict[str, str], max_chunk: int) -> DecoderGraph:
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    hidden, cos, sin = (node for node in placeholders if node.name not in parameters)
    (result,) = next(node for node in graph.nodes if node.op == "output").args[0]
    return DecoderGraph(
        steps=tuple(_steps(graph, parameters)),
        hidden=hidden,
        cos=cos,
        sin=sin,
        result=result,
        parameters=parameters,
        max_chunk=max_chunk,
    )


def _steps(graph: fx.Graph, parameters: dict[str, str]) -> Iterator[Segment | Attention]:
    pending: list[fx.Node] = []
    for node in graph.nodes:
        if node.op != "call_function" or node.target is torch.ops.aten.sym_size.int:
            continue
        if node.target is torch.ops.shakti.attend.default:
            q, k, v, layer = node.args
            # q and k leave the segment as one: XNNPACK of some Android builds cannot slice.
            yield _segment([made for made in pending if made not in (q, k)], parameters)
            pending = []
            yield Attention(layer, q, k, v, node)
        else:
            pending.append(node)
    yield _segment(pending, parameters)


def _segment(nodes: list[fx.Node], parameters: dict[str, str]) -> Segment:
    inside = set(nodes)
    inputs: dict[fx.Node, None] = {}
    vectors: dict[fx.Node, None] = {}
    for node in nodes:
        for source in node.all_input_nodes:
            if source in inside or not isinstance(source.meta.get("val"), Tensor):
                continue
            if source.name not in parameters:
                inputs[source] = None
            elif node.target is not torch.ops.aten.linear.default:
                vectors[source] = None
    outputs = tuple(node for node in nodes if any(user not in inside for user in node.users))
    return Segment(tuple(nodes), tuple(inputs), tuple(vectors), outputs)

"""A graph of many layers from a trace of the distinct ones.

Layers of one shape give the same operators, so tracing each of them is time lost: the graph of a
layer is copied instead, with its own parameters, behind the layer before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import fx

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)(?=\.|$)")

Parameters = Mapping[str, str]
"""Name of a placeholder -> name of the parameter that it stands for."""


def repeat_layers(
    graph: fx.Graph, parameters: Parameters, order: Sequence[int]
) -> tuple[fx.Graph, dict[str, str]]:
    """The graph whose layer i is a copy of the traced layer ``order[i]``, and its parameters.

    graph: hidden states go through its layers one after another, and `shakti::attend` tells each
    its number.
    """
    return _Repeater(graph, parameters).run(order)


@dataclass
class _Repeater:
    source: fx.Graph
    parameters: Parameters
    made: fx.Graph = field(default_factory=fx.Graph)
    named: dict[str, str] = field(default_factory=dict)

    def run(self, order: Sequence[int]) -> tuple[fx.Graph, dict[str, str]]:
        nodes = list(self.source.nodes)
        layers = [
            [node for node in nodes if self._layer(node) == one] for one in range(self._count)
        ]
        last = nodes.index(layers[-1][-1])
        outside = [node for node in nodes if self._layer(node) is None]
        own = [dict[fx.Node, fx.Node]() for _ in order]
        shared = dict(self._placeholders(outside, order, own))
        operators = [node for node in outside if node.op != "placeholder"]
        shared |= self._copy((node for node in operators if nodes.index(node) < last), [shared])
        enters = self._entrances(layers)
        hidden = shared[enters[0]]
        for index, traced in enumerate(order):
            known = [{enters[traced]: hidden}, own[index], shared]
            copies = self._copy(layers[traced], known)
            for node in copies.values():
                if node.target is torch.ops.shakti.attend.default:
                    node.args = (*node.args[:3], index)
            hidden = copies[layers[traced][-1]]
        self._copy(
            (node for node in operators if nodes.index(node) > last),
            [{layers[-1][-1]: hidden}, shared],
        )
        return self.made, self.named

    @property
    def _count(self) -> int:
        found = [self._layer(node) for node in self.source.nodes]
        return 1 + max(layer for layer in found if layer is not None)

    def _layer(self, node: fx.Node) -> int | None:
        """The traced layer that an operator belongs to."""
        stack = node.meta.get("nn_module_stack") or {}
        paths = [path for path, _ in stack.values()] if node.op == "call_function" else []
        found = _LAYER.search(paths[-1]) if paths else None
        return int(found[1]) if found else None

    def _entrances(self, layers: Sequence[Sequence[fx.Node]]) -> list[fx.Node]:
        """The hidden states that each traced layer takes."""
        first = layers[0][0].all_input_nodes[0]
        return [first, *(nodes[-1] for nodes in layers[:-1])]

    def _placeholders(
        self, nodes: Iterable[fx.Node], order: Sequence[int], own: Sequence[dict[fx.Node, fx.Node]]
    ) -> Iterator[tuple[fx.Node, fx.Node]]:
        """Placeholders: one for each layer's own parameters, which go to `own`, and the shared."""
        for node in nodes:
            if node.op != "placeholder":
                continue
            name = self.parameters.get(node.name)
            traced = _LAYER.search(name) if name else None
            if name is None or traced is None:
                made = self.made.node_copy(node)
                if name is not None:
                    self.named[made.name] = name
                yield node, made
                continue
            for index, one in enumerate(order):
                if one == int(traced[1]):
                    made = own[index][node] = self.made.node_copy(node)
                    start, stop = traced.span(1)
                    self.named[made.name] = f"{name[:start]}{index}{name[stop:]}"

    def _copy(
        self, nodes: Iterable[fx.Node], known: Sequence[dict[fx.Node, fx.Node]]
    ) -> dict[fx.Node, fx.Node]:
        """Copies of `nodes`, whose inputs are among each other or in `known`, first found first."""
        copies: dict[fx.Node, fx.Node] = {}

        def find(node: fx.Node) -> fx.Node:
            return next(names[node] for names in (copies, *known) if node in names)

        for node in nodes:
            copies[node] = self.made.node_copy(node, find)
        return copies

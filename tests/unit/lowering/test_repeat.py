"""Layers of one shape are traced once; the graph is that of all layers traced."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.lowering.trace import DecoderGraph, trace
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import parameter_shapes


def graph_of(kv_heads: list[int]) -> tuple[ShaktiConfig, DecoderGraph]:
    config = ShaktiConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=len(kv_heads),
        num_attention_heads=4,
        kv_heads_per_layer=kv_heads,
        head_dim=8,
        attention_bias=True,
    )
    return config, trace(config, max_chunk=8)


def parameter_uses(graph: DecoderGraph) -> list[str]:
    """The parameters in the order in which operators read them."""
    inside = (node for segment in graph.segments for node in segment.nodes)
    sources = (source for node in inside for source in node.all_input_nodes)
    return [graph.parameters[one.name] for one in sources if one.name in graph.parameters]


def expected_uses(layers: int) -> list[str]:
    parts = ("input_layernorm.weight", "self_attn.qkv_proj.weight", "self_attn.qkv_proj.bias")
    rest = ("self_attn.o_proj.weight", "post_attention_layernorm.weight")
    feed_forward = ("mlp.gate_up_proj.weight", "mlp.down_proj.weight")
    every = [
        f"model.layers.{layer}.{part}"
        for layer in range(layers)
        for part in (*parts, *rest, *feed_forward)
    ]
    return [*every, "model.norm.weight"]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=6))
def test_layers_come_in_order_each_with_its_own_parameters(kv_heads: list[int]) -> None:
    config, graph = graph_of(kv_heads)
    assert parameter_uses(graph) == expected_uses(len(kv_heads))
    assert [step.layer for step in graph.attentions] == list(range(len(kv_heads)))
    assert [graph.shape(step.k)[2] for step in graph.attentions] == kv_heads
    shapes = parameter_shapes(config)
    vectors = (node for segment in graph.segments for node in segment.vectors)
    assert all(graph.shape(node) == shapes[graph.parameters[node.name]] for node in vectors)


def test_each_residual_is_added_to_the_sum_before_it() -> None:
    _, graph = graph_of([2, 2, 1, 2])
    inside = (node for segment in graph.segments for node in segment.nodes)
    sums = [node for node in inside if node.target is torch.ops.aten.add.Tensor]
    assert len(sums) == 8  # two a layer
    assert sums[0].args[0] is graph.hidden
    assert all(later.args[0] is earlier for earlier, later in pairwise(sums))

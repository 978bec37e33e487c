"""The decoder cut at its attentions; what has no rule does not lower."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sdk_builder.errors import UnsupportedOperatorError
from sdk_builder.lowering.lower import LoweringOptions, lower
from sdk_builder.lowering.trace import Attention, Segment, trace
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import MLP
from sdk_builder.models.layout import parameter_shapes

OPTIONS = LoweringOptions(context_length=32, max_chunk=8)


def config(**changes: Any) -> ShaktiConfig:
    fields: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "kv_heads_per_layer": [4, 2, 1],
        "head_dim": 8,
    }
    return ShaktiConfig(**{**fields, **changes})


class Counted:
    """Random weights that count how often each is asked for."""

    def __init__(self, shaped: ShaktiConfig) -> None:
        self.shapes = parameter_shapes(shaped)
        self.asked: Counter[str] = Counter()

    def parameter(self, name: str) -> Tensor:
        self.asked[name] += 1
        generator = torch.Generator().manual_seed(len(name))
        return torch.randn(self.shapes[name], generator=generator)


def test_segments_and_attentions_take_turns() -> None:
    graph = trace(config(), max_chunk=8)
    kinds = [type(step) for step in graph.steps]
    assert kinds == [Segment, Attention, Segment, Attention, Segment, Attention, Segment]
    attentions = [step for step in graph.steps if isinstance(step, Attention)]
    assert [step.layer for step in attentions] == [0, 1, 2]
    assert [graph.shape(step.q) for step in attentions] == [(1, 8, 4, 8)] * 3
    assert [graph.shape(step.k)[2] for step in attentions] == [4, 2, 1]
    assert [graph.shape(step.v)[2] for step in attentions] == [4, 2, 1]


@pytest.mark.parametrize("max_chunk", [1, 2, 8, 128])
def test_only_the_dimension_of_tokens_is_free_and_as_long_as_the_chunk(max_chunk: int) -> None:
    graph = trace(config(), max_chunk=max_chunk)
    assert graph.shape(graph.hidden) == graph.shape(graph.result) == (1, max_chunk, 32)
    assert graph.shape(graph.cos) == (1, max_chunk, 1, 4)
    assert graph.free_dimension(graph.hidden) == 1
    assert {graph.free_dimension(node) for one in graph.segments for node in one.nodes} == {1}


def test_every_parameter_of_the_decoder_is_in_the_graph() -> None:
    shaped = config(attention_bias=True)
    names = set(trace(shaped, max_chunk=8).parameters.values())
    assert names >= set(parameter_shapes(shaped)) - {"model.embed_tokens.weight"}


@pytest.mark.parametrize(
    "changes", [{}, {"tie_word_embeddings": False}, {"attention_bias": True}], ids=str
)
def test_each_weight_is_asked_for_once(changes: dict[str, Any], tmp_path: Path) -> None:
    shaped = config(**changes)
    source = Counted(shaped)
    lower(shaped, source, tmp_path / "model.pte", OPTIONS)
    assert source.asked == dict.fromkeys(parameter_shapes(shaped), 1)


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    lower(
        config(),
        Counted(config()),
        tmp_path / "model.pte",
        OPTIONS,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


# --- decoders that do not lower ---------------------------------------------------------------


def tanh_mlp(self: MLP, x: Tensor) -> Tensor:
    return self.down_proj(torch.tanh(self.gate_up_proj(x)[..., : self.size]))


def shifting_mlp(self: MLP, x: Tensor) -> Tensor:
    half = x[..., : x.shape[-1] // 2]  # of an activation, not of a layer's output
    gated = F.silu(self.gate_up_proj(x)[..., : self.size])
    return self.down_proj(gated) * torch.cat((half, half), -1)


@pytest.mark.parametrize(
    ("forward", "named"),
    [(tanh_mlp, r"aten\.tanh\.default of .*mlp"), (shifting_mlp, "mlp slices something other")],
)
def test_an_operator_without_a_rule_stops_the_export_and_is_named(
    forward: Any, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MLP, "forward", forward)
    with pytest.raises(UnsupportedOperatorError, match=named):
        lower(config(), Counted(config()), tmp_path / "model.pte", OPTIONS)
    assert list(tmp_path.iterdir()) == []

"""A model quantized layer by layer, each matrix for the inputs that it will get.

Two streams of hidden states go through the layers: the float model's and the quantized one's. A
matrix is rounded for the inputs of the second, and towards outputs of the first: its target is
``W' = W + W E[(x0 - x) x^T] (H + c I)^-1``, the weights that would best undo the drift so far. At
any time one layer's weights are in memory, and the inputs of a few sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.decoder import DecoderLayer
from sdk_builder.models.rope import rope_tables
from sdk_builder.models.streamed import assign, attend_causally, layer_module
from sdk_builder.quantization.calibration import Calibration, Progress, has_fast_bf16
from sdk_builder.quantization.formats import FLOAT, WeightFormat
from sdk_builder.quantization.gptq import gptq
from sdk_builder.quantization.moments import Moments, products
from sdk_builder.quantization.reference import NamedTensors
from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.smoothing import Extremes, smooth
from sdk_builder.quantization.tensors import quantize
from sdk_builder.quantization.threads import map_parts, shares

_BATCH = 4  # sequences at once: bounds the memory of activations

Layer = dict[str, Tensor]
"""A layer's parameters by name within the layer."""


@dataclass(frozen=True)
class Recipe:
    """smoothing: share of the activations' range that moves into the weights (0: none); rounds:
    of fitting scales and integers to each other, see `gptq`."""

    smoothing: float = 0.0
    rounds: int = 1


def quantize_layers(
    checkpoint: NamedTensors[ShaktiConfig],
    plan: Plan,
    calibration: Calibration,
    recipe: Recipe,
    progress: Progress = lambda done, total: None,
) -> Iterator[tuple[str, Tensor]]:
    """Every parameter by name, in decoder order, the embedding last: float32 or torchao's tensors.

    Raises CheckpointError.
    """
    config = checkpoint.config
    streams = Streams.of(checkpoint.tensor(layout.EMBEDDING)[calibration.ids])
    walker = _Walker(config, calibration.ids.shape[1])
    for index in range(config.num_hidden_layers):
        progress(index, config.num_hidden_layers + 1)
        prefix = layout.layer_prefix(index)
        names = layout.layer_shapes(config, index)
        layer = {name: checkpoint.tensor(prefix + name) for name in names}
        formats = {name: plan[prefix + name] for name in names}
        if recipe.smoothing:
            extremes = walker.extremes(index, layer, streams.exact)
            layer = smooth(layer, extremes, config.kv_heads(index), recipe.smoothing).layer
        walker.quantize(index, layer, formats, streams, recipe)
        yield from ((prefix + name, value) for name, value in layer.items())
    progress(config.num_hidden_layers, config.num_hidden_layers + 1)
    yield from _outside(checkpoint, plan, streams.drifted, recipe)


def _outside(
    checkpoint: NamedTensors[ShaktiConfig], plan: Plan, drifted: list[Tensor], recipe: Recipe
) -> Iterator[tuple[str, Tensor]]:
    """Final norm, head and embedding; a tied table is rounded for what the head computes."""
    config = checkpoint.config
    norm = checkpoint.tensor(layout.FINAL_NORM)
    yield layout.FINAL_NORM, norm
    head = layout.EMBEDDING if config.tie_word_embeddings else layout.HEAD
    weight = checkpoint.tensor(head)
    if plan[head] != FLOAT:
        moments = Moments()
        for part in drifted:
            moments.add(F.rms_norm(part, norm.shape, norm, config.rms_norm_eps))
        weight = gptq(weight, moments.second(), plan[head], rounds=recipe.rounds)
    yield head, weight
    if not config.tie_word_embeddings:
        table = checkpoint.tensor(layout.EMBEDDING)
        yield layout.EMBEDDING, quantize(table, plan[layout.EMBEDDING])


@dataclass(frozen=True)
class Streams:
    """Hidden states of the float and of the quantized model in batches ``[n, T, D]``, replaced
    one by one as they pass through a layer."""

    exact: list[Tensor]
    drifted: list[Tensor]

    @staticmethod
    def of(embedded: Tensor) -> Streams:
        """Both begin with the same ``[N, T, D]``."""
        parts = list(embedded.split(_BATCH))
        return Streams(parts, list(parts))


@dataclass(frozen=True)
class _Stage:
    """A matrix, what its inputs are made of, and whether its outputs are added to these."""

    name: str
    inputs: Callable[[DecoderLayer, Tensor], Tensor]
    adds: bool = False


class _Walker:
    """Runs one layer over all sequences, the way the decoder does."""

    def __init__(self, config: ShaktiConfig, length: int) -> None:
        self._config = config
        cos, sin = (table[None, :, None] for table in rope_tables(config, length))
        self._stages = (
            _Stage(layout.QKV, lambda module, x: module.input_layernorm(x)),
            _Stage(
                layout.OUT,
                lambda module, x: module.self_attn(
                    module.input_layernorm(x), cos, sin, attend_causally
                ),
                adds=True,
            ),
            _Stage(layout.GATE_UP, lambda module, x: module.post_attention_layernorm(x)),
            _Stage(
                layout.DOWN,
                lambda module, x: module.mlp(module.post_attention_layernorm(x)),
                adds=True,
            ),
        )

    @torch.no_grad()
    def extremes(self, index: int, layer: Layer, exact: list[Tensor]) -> Extremes:
        """Largest magnitudes of each matrix's inputs in the float model, by matrix."""
        module = self._module(index, layer)

        def run(hidden: Tensor) -> Layer:
            found = {}
            for stage in self._stages:
                inputs = _inputs(stage, module, hidden)
                found[stage.name] = inputs.abs().flatten(0, -2).amax(0)
                if stage.adds:
                    hidden = hidden + _product(inputs, layer[stage.name])
            return found

        found = map_parts(run, exact)
        return {
            stage.name: torch.stack([one[stage.name] for one in found]).amax(0)
            for stage in self._stages
        }

    @torch.no_grad()
    def quantize(
        self,
        index: int,
        layer: Layer,
        formats: Mapping[str, WeightFormat],
        streams: Streams,
        recipe: Recipe,
    ) -> None:
        """Replace the matrices of `layer` one after another; both streams leave the layer."""
        exact, rounded = self._module(index, layer), self._module(index, layer)
        for stage in self._stages:
            name, weight = stage.name, layer[stage.name]
            passing = _Passing(stage, exact, rounded, weight, streams)
            moments = passing.collect(only_advance=formats[name] == FLOAT)
            if moments is not None:
                second = moments.second()
                target = moments.target(weight, second)
                del moments
                layer[name] = gptq(target, second, formats[name], rounds=recipe.rounds)
            if stage.adds:
                passing.finish(_floats(layer[name]))
            else:
                assign(rounded, name, _floats(layer[name]))

    def _module(self, index: int, layer: Layer) -> DecoderLayer:
        """The layer without the matrices whose outputs are added: these are applied by hand."""
        module = layer_module(self._config, index, layer)
        for stage in self._stages:
            if stage.adds:
                path, _, leaf = stage.name.removesuffix(".weight").rpartition(".")
                setattr(module.get_submodule(path), leaf, nn.Identity())
        return module


@dataclass
class _Passing:
    """Both streams on their way through one matrix, in float and as far as it is quantized."""

    stage: _Stage
    exact: DecoderLayer
    rounded: DecoderLayer
    weight: Tensor
    streams: Streams

    def __post_init__(self) -> None:
        self._kept: list[Tensor] = [torch.empty(0)] * len(self.streams.exact)

    def collect(self, *, only_advance: bool) -> Moments | None:
        """What the matrix's inputs are, and the float stream behind it."""

        def run(share: range) -> Moments:
            moments = Moments()
            for at in share:
                wanted = _inputs(self.stage, self.exact, self.streams.exact[at])
                found = _inputs(self.stage, self.rounded, self.streams.drifted[at])
                if not only_advance:
                    moments.add(found, wanted)
                if self.stage.adds:
                    # What the product would make of it anyway.
                    self._kept[at] = found.bfloat16() if has_fast_bf16() else found
                    self._advance(self.streams.exact, at, _product(wanted, self.weight))
            return moments

        first, *others = map_parts(run, shares(len(self._kept)))
        for other in others:
            first.merge(other)
        return None if only_advance else first

    def finish(self, weight: Tensor) -> None:
        """The quantized stream behind the matrix, now that it is `weight`."""

        def run(at: int) -> None:
            self._advance(self.streams.drifted, at, _product(self._kept[at], weight))
            self._kept[at] = torch.empty(0)

        map_parts(run, range(len(self._kept)))

    @staticmethod
    def _advance(stream: list[Tensor], at: int, more: Tensor) -> None:
        stream[at] = stream[at] + more


def _inputs(stage: _Stage, module: DecoderLayer, hidden: Tensor) -> Tensor:
    with products():
        return stage.inputs(module, hidden).float()


def _product(inputs: Tensor, weight: Tensor) -> Tensor:
    with products():
        return F.linear(inputs, weight).float()


def _floats(weight: Tensor) -> Tensor:
    return weight.dequantize() if type(weight) is not Tensor else weight

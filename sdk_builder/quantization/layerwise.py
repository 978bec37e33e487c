"""A model quantized layer by layer, each matrix for the inputs that it will get.

Two streams of hidden states go through the layers: the float model's and the quantized one's. A
matrix is rounded for the inputs of the second, and towards outputs of the first: its target is
``W' = W + W E[(x0 - x) x^T] (H + c I)^-1``, the weights that would best undo the drift so far. At
any time one layer's weights are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdk_builder.models import layout
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.rope import rope_tables
from sdk_builder.models.streamed import assign, attend_causally, layer_module
from sdk_builder.quantization.calibration import Calibration, Progress, has_fast_bf16
from sdk_builder.quantization.formats import FLOAT, WeightFormat
from sdk_builder.quantization.gptq import damp, gptq
from sdk_builder.quantization.reference import NamedTensors
from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.smoothing import Extremes, smooth
from sdk_builder.quantization.tensors import quantize
from sdk_builder.quantization.threads import map_parts, single_threaded

_DRIFT_DAMPING = 0.1
_BATCH = 8  # sequences at once: bounds the memory of activations
_MATRICES = (layout.QKV, layout.OUT, layout.GATE_UP, layout.DOWN)

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
    embedding = checkpoint.tensor(layout.EMBEDDING)
    exact = embedding[calibration.ids]
    drifted = exact.clone()
    walker = _Walker(config, calibration.ids.shape[1])
    for index in range(config.num_hidden_layers):
        progress(index, config.num_hidden_layers + 1)
        prefix = layout.layer_prefix(index)
        names = layout.layer_shapes(config, index)
        layer = {name: checkpoint.tensor(prefix + name) for name in names}
        formats = {name: plan[prefix + name] for name in names}
        inputs, exact = walker.float_pass(index, layer, exact)
        if recipe.smoothing:
            scaled = smooth(layer, _extremes(inputs), config.kv_heads(index), recipe.smoothing)
            inputs = {name: x / scaled.scales[name] for name, x in inputs.items()}
            layer = scaled.layer
        drifted = walker.quantized_pass(index, layer, formats, inputs, drifted, recipe)
        yield from ((prefix + name, value) for name, value in layer.items())
    yield from _outside(checkpoint, plan, embedding, drifted, recipe)


def _outside(
    checkpoint: NamedTensors[ShaktiConfig],
    plan: Plan,
    embedding: Tensor,
    drifted: Tensor,
    recipe: Recipe,
) -> Iterator[tuple[str, Tensor]]:
    """Final norm, head and embedding; a tied table is rounded for what the head computes."""
    config = checkpoint.config
    norm = checkpoint.tensor(layout.FINAL_NORM)
    yield layout.FINAL_NORM, norm
    head = layout.EMBEDDING if config.tie_word_embeddings else layout.HEAD
    weight = embedding if config.tie_word_embeddings else checkpoint.tensor(layout.HEAD)
    if plan[head] != FLOAT:
        last = F.rms_norm(drifted, norm.shape, norm, config.rms_norm_eps)
        moment = _moment([part.flatten(0, 1) for part in last.split(_BATCH)])
        weight = gptq(weight, moment, plan[head], rounds=recipe.rounds)
    yield head, weight
    if not config.tie_word_embeddings:
        yield layout.EMBEDDING, quantize(embedding, plan[layout.EMBEDDING])


class _Walker:
    """Runs one layer over all sequences, the way the decoder does."""

    def __init__(self, config: ShaktiConfig, length: int) -> None:
        self._config = config
        self._cos, self._sin = (table[None, :, None] for table in rope_tables(config, length))

    @torch.no_grad()
    def float_pass(self, index: int, layer: Layer, hidden: Tensor) -> tuple[Layer, Tensor]:
        """Inputs of each matrix ``[N·T, in]`` and the layer's output ``[N, T, D]``."""

        def run(part: Tensor) -> tuple[dict[str, list[Tensor]], Tensor]:
            module = layer_module(
                self._config, index, layer
            )  # of its own: threads record side by side
            with _Recorded(module, _MATRICES) as inputs, _products():
                return inputs, module(part, self._cos, self._sin, attend_causally).float()

        recorded, outputs = zip(*map_parts(run, hidden.split(_BATCH)), strict=True)
        # One after another, so that not all inputs are there twice.
        inputs = {name: torch.cat([one.pop(name)[0] for one in recorded]) for name in _MATRICES}
        return inputs, torch.cat(outputs)

    @torch.no_grad()
    def quantized_pass(
        self,
        index: int,
        layer: Layer,
        formats: Mapping[str, WeightFormat],
        exact: Layer,
        hidden: Tensor,
        recipe: Recipe,
    ) -> Tensor:
        """Replace the matrices of `layer` one after another; the output of the quantized layer."""
        module = layer_module(self._config, index, layer)
        # What these two would get is what is wanted; their products come after their rounding.
        for name in (layout.OUT, layout.DOWN):
            path, _, leaf = name.removesuffix(".weight").rpartition(".")
            setattr(module.get_submodule(path), leaf, nn.Identity())

        def replace(name: str, inputs: Tensor) -> Tensor:
            if formats[name] != FLOAT:
                moment = _moment([inputs])
                target = _target(layer[name], exact[name], inputs, moment)
                layer[name] = gptq(target, moment, formats[name], rounds=recipe.rounds)
            return _floats(layer[name])

        def attention(part: Tensor) -> Tensor:
            return module.self_attn(part, self._cos, self._sin, attend_causally)

        normal = module.input_layernorm(hidden)
        assign(module, layout.QKV, replace(layout.QKV, normal.flatten(0, 1)))
        mixed = _in_parts(attention, normal)
        hidden = hidden + _product(mixed, replace(layout.OUT, mixed)).view_as(hidden)
        normal = module.post_attention_layernorm(hidden)
        assign(module, layout.GATE_UP, replace(layout.GATE_UP, normal.flatten(0, 1)))
        gated = _in_parts(module.mlp, normal)
        return hidden + _product(gated, replace(layout.DOWN, gated)).view_as(hidden)


class _Recorded:
    """Collects the inputs of a layer's matrices, flattened to ``[tokens, in]``."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        self._inputs: dict[str, list[Tensor]] = {name: [] for name in names}
        self._hooks = [
            _linear(module, name).register_forward_pre_hook(self._collector(name)) for name in names
        ]

    def _collector(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def collect(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            self._inputs[name].append(arguments[0].flatten(0, -2).float())

        return collect

    def __enter__(self) -> dict[str, list[Tensor]]:
        return self._inputs

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()


def _in_parts(run: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
    """`run` on all sequences ``[N, T, D]``, flattened to ``[N·T, out]``."""

    def work(part: Tensor) -> Tensor:
        with _products():
            return run(part).flatten(0, 1).float()

    return torch.cat(map_parts(work, hidden.split(_BATCH)))


def _products() -> torch.autocast:
    """Matrix products in bf16 where that is fast; everything else stays float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16())


def _product(inputs: Tensor, weight: Tensor) -> Tensor:
    with _products():
        return F.linear(inputs, weight).float()


def _target(weight: Tensor, exact: Tensor, inputs: Tensor, moment: Tensor) -> Tensor:
    """The weights ``[out, in]`` that come closest to the float outputs from drifted inputs."""
    with _products():
        drift = ((exact - inputs).T @ inputs).float() / len(inputs)
    damped = damp(moment, _DRIFT_DAMPING)
    with single_threaded():
        return weight + torch.linalg.solve(damped, (weight @ drift).T).T


def _moment(parts: list[Tensor]) -> Tensor:
    """Mean of x x^T over all rows ``[n, in]``."""
    return sum((part.T @ part for part in parts[1:]), parts[0].T @ parts[0]) / sum(map(len, parts))


def _floats(weight: Tensor) -> Tensor:
    return weight.dequantize() if type(weight) is not Tensor else weight


def _extremes(inputs: Layer) -> Extremes:
    return {name: x.abs().amax(0) for name, x in inputs.items()}


def _linear(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name.rpartition(".")[0])

"""The student: the model with every matrix as its program will have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.models import layout
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.quantization.grid import IntGrid, from_parts, parts_of
from sdk_builder.quantization.learned import (
    LearnedEmbedding,
    LearnedGrid,
    LearnedLinear,
    TiedHead,
)
from sdk_builder.quantization.reference import ParameterSource
from sdk_builder.quantization.schemes import Plan


class Student(nn.Module):
    """`model` with the matrices of `plan` learned on their grids; the model is changed.

    start: values to begin with, for instance calibrated ones; what it has in float32 (norms that
    were smoothed) replaces the model's. keep_weights: whether the model's weights stay, as far as
    they round to `start`; not for a start that scaled them.
    """

    def __init__(
        self,
        model: ShaktiForCausalLM,
        plan: Plan,
        start: ParameterSource,
        *,
        keep_weights: bool = True,
    ) -> None:
        super().__init__()
        self.config = model.config
        self.plan = plan
        self.model = model
        for name in plan:
            self._place(name, start.parameter(name), keep_weights)
        if model.config.tie_word_embeddings:
            table = model.model.embed_tokens
            if isinstance(table, LearnedEmbedding):
                model.add_module("lm_head", TiedHead(table))

    def forward(self, input_ids: Tensor) -> Tensor:
        """ids ``[B, S]`` -> logits ``[B, S, V]``."""
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits

    def grids(self) -> Iterator[tuple[str, LearnedGrid]]:
        """Each learned matrix by its parameter's name."""
        for name, module in self.model.named_modules():
            if isinstance(module, (LearnedLinear, LearnedEmbedding)):
                yield f"{name}.weight", module.grid

    @torch.no_grad()
    def tensors(self) -> dict[str, Tensor]:
        """Every parameter as the program stores it: float32, or torchao's; on the CPU."""
        grids = dict(self.grids())
        found: dict[str, Tensor] = {}
        for name, planned in self.plan.items():
            if name in grids:
                parts = IntGrid(*(part.cpu() for part in grids[name].parts()))
                found[name] = from_parts(parts, planned)
            else:
                found[name] = self.model.get_parameter(name).detach().float().cpu()
        return found

    def _place(self, name: str, value: Tensor, keep_weights: bool) -> None:
        if not isinstance(value, IntxUnpackedToInt8Tensor):
            with torch.no_grad():
                self.model.get_parameter(name).copy_(value)
            return
        path = name.removesuffix(".weight")
        module: Any = self.model.get_submodule(path)
        weight = module.weight.detach() if keep_weights else None
        device = module.weight.device
        parts = IntGrid(*(part.to(device) for part in parts_of(value)))
        grid = LearnedGrid(parts, self.plan[name], weight)
        learned = (
            LearnedEmbedding(grid) if name == layout.EMBEDDING else LearnedLinear(grid, module.bias)
        )
        self.model.set_submodule(path, learned)


def float_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `Student.tensors` stand for, float32."""
    return {
        name: one.dequantize() if isinstance(one, IntxUnpackedToInt8Tensor) else one
        for name, one in tensors.items()
    }

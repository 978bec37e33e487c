"""A checkpoint seen through a quantization plan: each tensor quantized when it is asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.tensors import quantize, relative_error


class TensorReader(Protocol):
    """The part of a checkpoint that quantization needs."""

    def tensor(self, name: str) -> Tensor:
        """A float32 tensor by name."""


@dataclass
class QuantizedSource:
    """Gives parameters in their planned formats; keeps none of them.

    errors: relative squared error of each quantized tensor asked for so far.
    """

    reader: TensorReader
    plan: Plan
    errors: dict[str, float] = field(default_factory=dict)

    def parameter(self, name: str) -> Tensor:
        """The tensor `name`: float32, or quantized by torchao."""
        weight = self.reader.tensor(name)
        quantized = quantize(weight, self.plan[name])
        if quantized is not weight:
            self.errors[name] = relative_error(weight, quantized)
        return quantized


def count_formats(plan: Plan) -> dict[str, int]:
    """How many tensors have each format."""
    return dict(Counter(weight_format.name for weight_format in plan.values()))

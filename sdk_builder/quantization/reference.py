"""A checkpoint with the weights that its program has, for a model to compare the program with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torch import Tensor

from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.tensors import quantize

Config = TypeVar("Config", covariant=True)


class NamedTensors(Protocol[Config]):
    """The part of a checkpoint that a model is filled from."""

    @property
    def config(self) -> Config: ...

    def names(self) -> list[str]: ...

    def tensor(self, name: str) -> Tensor: ...


class ParameterSource(Protocol):
    """Where quantized values come from, one tensor at a time."""

    def parameter(self, name: str) -> Tensor: ...


@dataclass(frozen=True)
class StoredWeights(Generic[Config]):
    """Reads like the checkpoint, but gives each tensor quantized as planned.

    found: where the quantized values come from; None rounds.

    In a linear layer torchao's tensors also round the activations to int8, as the program does.
    """

    checkpoint: NamedTensors[Config]
    plan: Plan
    found: ParameterSource | None = None

    @property
    def config(self) -> Config:
        return self.checkpoint.config

    def names(self) -> list[str]:
        return self.checkpoint.names()

    def tensor(self, name: str) -> Tensor:
        """float32, or torchao's tensor in the planned format."""
        if self.found is not None:
            return self.found.parameter(name)
        return quantize(self.checkpoint.tensor(name), self.plan[name])

"""What a matrix is rounded for, summed up batch by batch: no inputs have to be kept."""

from __future__ import annotations

import torch
from torch import Tensor

from sdk_builder.quantization.calibration import has_fast_bf16
from sdk_builder.quantization.gptq import damp
from sdk_builder.quantization.threads import single_threaded

_DRIFT_DAMPING = 0.1


def products() -> torch.autocast:
    """Matrix products in bf16 where that is fast; everything else stays float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16())


class Moments:
    """Sums over tokens of x x^T and (x0 - x) x^T.

    x: a matrix's inputs in the quantized model so far; x0: the same in the float model.
    """

    def __init__(self) -> None:
        self._second: Tensor | None = None
        self._drift: Tensor | None = None
        self._tokens = 0

    def add(self, inputs: Tensor, exact: Tensor | None = None) -> None:
        """Take in x ``[..., in]`` float32, and x0 where it is known."""
        x = inputs.flatten(0, -2)
        self._tokens += len(x)
        self._second = _plus(self._second, x.T @ x)
        if exact is not None:
            with products():
                drift = (exact.flatten(0, -2) - x).T @ x
            self._drift = _plus(self._drift, drift.float())

    def merge(self, other: Moments) -> None:
        """Take in what `other` has summed up."""
        self._tokens += other._tokens
        self._second = _plus(self._second, other._second)
        self._drift = _plus(self._drift, other._drift)

    def second(self) -> Tensor:
        """Mean of x x^T, ``[in, in]``."""
        assert self._second is not None, "nothing was added"
        return self._second / self._tokens

    def target(self, weight: Tensor, second: Tensor) -> Tensor:
        """The weights ``[out, in]`` that come closest to the float outputs from drifted inputs."""
        assert self._drift is not None, "no float inputs were added"
        pull = (weight @ self._drift).div_(self._tokens)
        with single_threaded():
            return weight + torch.linalg.solve(damp(second, _DRIFT_DAMPING), pull.T).T


def _plus(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total.add_(more)

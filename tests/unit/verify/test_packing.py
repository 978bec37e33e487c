"""Weights that a program holds, against those that it should hold: any other bit is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.errors import VerificationError
from sdk_builder.quantization.formats import FLOAT, INT4, INT4_OFFSET, INT8, WeightFormat
from sdk_builder.quantization.tensors import quantize
from sdk_builder.verify.packing import require_packed

FORMATS = [FLOAT, INT8, INT4, INT4_OFFSET]


class One:
    """A source of a single parameter."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def names(self) -> list[str]:
        return ["w"]

    def tensor(self, name: str) -> Tensor:
        return self._tensor

    def parameter(self, name: str) -> Tensor:
        return self._tensor


def made(weight_format: WeightFormat) -> Tensor:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(1))
    return quantize(weight, weight_format)


def changed(tensor: Tensor, part: str, change: Callable[[Tensor], Tensor]) -> Tensor:
    assert isinstance(tensor, IntxUnpackedToInt8Tensor)
    names = ("qdata", "scale", "zero_point", "target_dtype", "block_size", "dtype")
    fields = {name: getattr(tensor, name) for name in (*names, "activation_quantization")}
    return IntxUnpackedToInt8Tensor(**(fields | {part: change(fields[part].clone())}))


def flip_one(values: Tensor) -> Tensor:
    values[3, 5] ^= 1
    return values


def swap_rows(values: Tensor) -> Tensor:
    values[[0, 1]] = values[[1, 0]]
    return values


def nudge(values: Tensor) -> Tensor:
    values[2, 0] *= 1.01
    return values


@pytest.mark.parametrize("weight_format", FORMATS, ids=lambda one: one.name)
def test_the_same_weights_pass(weight_format: WeightFormat):
    require_packed(One(made(weight_format)), One(made(weight_format)))


@pytest.mark.parametrize(
    ("weight_format", "part", "change"),
    [
        (INT8, "qdata", flip_one),
        (INT4, "qdata", flip_one),
        (INT4, "qdata", swap_rows),
        (INT8, "scale", nudge),
        (INT4, "scale", swap_rows),
        (INT4_OFFSET, "zero_point", nudge),
        (INT4_OFFSET, "zero_point", torch.zeros_like),
    ],
)
def test_other_bits_are_told(
    weight_format: WeightFormat, part: str, change: Callable[[Tensor], Tensor]
):
    expected = made(weight_format)
    with pytest.raises(VerificationError, match="weights of w"):
        require_packed(One(changed(expected, part, change)), One(expected))


def test_another_format_or_float_is_told():
    for found, expected in ((FLOAT, INT8), (INT8, FLOAT)):
        with pytest.raises(VerificationError):
            require_packed(One(made(found)), One(made(expected)))
    with pytest.raises(VerificationError):
        require_packed(One(made(FLOAT) + 1e-6), One(made(FLOAT)))

"""Does the program hold the weights that were to be stored? Bits of each parameter, read back."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.errors import VerificationError

# An offset is read back as integer times step, each rounded once to float32.
_OFFSET_TOLERANCE = 1e-5


class Stored(Protocol):
    """What was read back from a program."""

    def names(self) -> list[str]: ...
    def tensor(self, name: str) -> Tensor: ...


class Wanted(Protocol):
    """What was to be stored."""

    def parameter(self, name: str) -> Tensor: ...


def require_packed(stored: Stored, wanted: Wanted) -> None:
    """Raises VerificationError for the first parameter that is not what it should be.

    Floats, integers and scales must be the same bits; offsets agree to float32's rounding.
    """
    for name in stored.names():
        expected = wanted.parameter(name)  # first: what it is made from needs the most memory
        found = stored.tensor(name)
        if not _same(found, expected):
            raise VerificationError(
                f"the program does not hold the weights of {name}",
                "this is a defect of the packing; please report it with the model's config",
            )


def _same(found: Tensor, expected: Tensor) -> bool:
    if type(found) is not type(expected) or found.shape != expected.shape:
        return False
    if not isinstance(found, IntxUnpackedToInt8Tensor):
        return torch.equal(found, expected.float())
    assert isinstance(expected, IntxUnpackedToInt8Tensor)
    if not torch.equal(found.qdata, expected.qdata):
        return False
    if not torch.equal(found.scale.flatten(), expected.scale.float().flatten()):
        return False
    offsets = [one.zero_point.float() * one.scale.float() for one in (found, expected)]
    largest = offsets[1].abs().amax(1, keepdim=True)
    return bool(((offsets[0] - offsets[1]).abs() <= _OFFSET_TOLERANCE * largest).all())

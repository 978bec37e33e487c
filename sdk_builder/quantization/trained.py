"""Quantized values that training found, kept beside the weights of the trained folder.

The integers and their grid cannot be found again by rounding the weights, so they travel with
them: `quantized.safetensors` holds every tensor, and in its header the plan that they are for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.errors import CheckpointError
from sdk_builder.quantization.formats import WeightFormat
from sdk_builder.quantization.methods import CalibratedSource, tensor_parts
from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.source import TensorReader
from sdk_builder.quantization.store import Entry

TRAINED_FILE = "quantized.safetensors"
_PLAN = "plan"
_ROUNDED = 2.0**-8  # float weights may have been saved as bf16 since, which is half of that


def save_trained(folder: Path, tensors: Mapping[str, Tensor], plan: Plan) -> Path:
    """Write `TRAINED_FILE` into `folder`. tensors: float32 or torchao's, each in the format that
    `plan` has for it. Raises OSError when the disk is full."""
    path = folder / TRAINED_FILE
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        found |= tensor_parts(name, tensor)
    header = {_PLAN: json.dumps({name: asdict(one) for name, one in plan.items()})}
    try:
        save_file(found, path, header)
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from error
    return path


def trained_plan(folder: Path) -> Plan | None:
    """The plan that the folder's trained values are for; None where it has none.

    Raises CheckpointError for a damaged file.
    """
    path = folder / TRAINED_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        plan = json.loads(header[_PLAN])
        return {name: WeightFormat(**fields) for name, fields in plan.items()}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path) from error


@dataclass(frozen=True)
class TrainedSource:
    """Gives parameters as they were trained. reader: the float weights beside them, which must be
    the same values."""

    values: CalibratedSource
    reader: TensorReader

    def parameter(self, name: str) -> Tensor:
        """The tensor `name`: float32, or torchao's. Raises CheckpointError."""
        path = self.values.entry.path
        weight = self.reader.tensor(name)
        try:
            found = self.values.parameter(name)
            plain = found.dequantize() if isinstance(found, IntxUnpackedToInt8Tensor) else found
            is_near = plain.shape == weight.shape and bool(
                ((plain - weight).abs() <= _ROUNDED * weight.abs()).all()
            )
        except (OSError, SafetensorError, RuntimeError, ValueError) as error:
            raise _damaged(path) from error
        if not is_near:
            raise CheckpointError(
                f"{path} has other values for {name} than the weights beside it.",
                f"They were changed since, or it is damaged. {_INSTEAD}",
            )
        return found


def trained_values(folder: Path, plan: Plan, reader: TensorReader) -> TrainedSource | None:
    """The values trained for exactly this `plan`, or None. Raises CheckpointError."""
    if trained_plan(folder) != dict(plan):
        return None
    return TrainedSource(CalibratedSource(Entry(folder / TRAINED_FILE), plan), reader)


_INSTEAD = "Copy it again, or remove it: the other methods do not need it."


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is damaged.", _INSTEAD)

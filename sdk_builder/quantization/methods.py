"""How a checkpoint's quantized values are found: by rounding each weight, or by calibration.

Calibrated values depend on the inputs of every layer before, so they are found all at once and kept
in a `TensorStore`, from which lowering reads them in its own order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.source_info import SourceInfo
from sdk_builder.quantization import gptq
from sdk_builder.quantization.calibration import Calibration, Progress, has_fast_bf16
from sdk_builder.quantization.grid import IntGrid, from_parts, parts_of
from sdk_builder.quantization.layerwise import Recipe, quantize_layers
from sdk_builder.quantization.reference import NamedTensors
from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.store import Entry, TensorStore, key_of

# Smoothing pays where the weights have precision to spare (docs/quantization.md).
_RECIPES: Mapping[str, Recipe] = {"q8": Recipe(smoothing=0.5)}
_PART = "::"  # between a tensor's name and the name of its part


class SourcedTensors(NamedTensors[ShaktiConfig], Protocol):
    """A checkpoint that says what it was read from."""

    @property
    def source(self) -> SourceInfo: ...


def recipe_of(scheme: str) -> Recipe:
    """How to calibrate for a scheme."""
    return _RECIPES.get(scheme, Recipe())


@dataclass(frozen=True)
class CalibratedSource:
    """Gives parameters as they were calibrated; see `QuantizedSource`."""

    entry: Entry
    plan: Plan

    def parameter(self, name: str) -> Tensor:
        """The tensor `name`: float32, or torchao's."""
        planned = self.plan[name]
        if planned.bits == 32:
            return self.entry.tensor(name)
        parts = {part: self.entry.tensor(name + _PART + part) for part in IntGrid._fields}
        return from_parts(IntGrid(**parts), planned)


def calibrated(
    checkpoint: SourcedTensors,
    plan: Plan,
    calibration: Calibration,
    recipe: Recipe,
    store: TensorStore,
    progress: Progress = lambda done, total: None,
) -> CalibratedSource:
    """The checkpoint quantized for `calibration`, from the store where it has been done before.

    Raises CheckpointError, and OSError when the disk is full.
    """
    key = key_of(
        kind="weights",
        version=gptq.VERSION,
        checkpoint=fingerprint(checkpoint),
        plan={name: asdict(one) for name, one in plan.items()},
        calibration=calibration.digest,
        recipe=asdict(recipe),
        **machine(),
    )
    entry = store.find(key)
    if entry is None:
        found: dict[str, Tensor] = {}
        for name, tensor in quantize_layers(checkpoint, plan, calibration, recipe, progress):
            found |= tensor_parts(name, tensor)
        entry = store.save(key, found)
    return CalibratedSource(entry, plan)


def fingerprint(checkpoint: SourcedTensors) -> str:
    """SHA-256 of what the weights are: files by content, configuration, a preset's seed."""
    source, config = checkpoint.source, checkpoint.config.to_dict()
    files = [(file.name, file.sha256) for file in source.files]
    text = json.dumps([source.kind, source.name, source.seed, files, config], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def machine() -> dict[str, str]:
    """What makes equal computations differ in their last bits."""
    return {
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "bf16": str(has_fast_bf16()),
    }


def tensor_parts(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """A tensor as `CalibratedSource` reads it: one entry, or one for each part of torchao's."""
    if not isinstance(tensor, IntxUnpackedToInt8Tensor):
        return {name: tensor.contiguous()}
    return {name + _PART + part: value for part, value in parts_of(tensor)._asdict().items()}

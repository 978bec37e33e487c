"""What a run will do, found out before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from sdk_builder.errors import MemoryShortError, UsageError
from sdk_builder.log import Steps
from sdk_builder.models.presets import parameter_count
from sdk_builder.training.arguments import accumulation, uses_bf16
from sdk_builder.training.data import DataReport
from sdk_builder.training.inputs import look_at
from sdk_builder.training.memory import MemoryPlan, plan_memory
from sdk_builder.training.model import Opened, open_model
from sdk_builder.training.processes import claim_device, world_size
from sdk_builder.training.settings import StageSettings
from sdk_builder.training.sharding import decided


@dataclass(frozen=True)
class Plan:
    """What a run will do, before it does it. settings: as the launcher's environment has changed
    them; steps None: as `epochs` and the data come to."""

    settings: StageSettings
    opened: Opened
    parameters: int
    memory: MemoryPlan
    data: tuple[DataReport, ...]
    steps: int | None
    processes: int
    bf16: bool

    @property
    def tokens_per_step(self) -> int:
        """At most; sequences of conversations are shorter."""
        return self.settings.batch_size * self.settings.sequence_length

    @property
    def problem(self) -> MemoryShortError | None:
        """Why the run cannot be."""
        try:
            self.memory.require(self.settings)
        except MemoryShortError as error:
            return error
        return None

    @property
    def document(self) -> Mapping[str, Any]:
        """For JSON and --plan."""
        settings = self.settings
        return {
            "stage": settings.stage,
            "model": settings.model,
            "output": str(settings.output),
            "parameters": self.parameters,
            "steps": self.steps,
            "epochs": settings.epochs,
            "processes": self.processes,
            "accumulation": accumulation(settings),
            "tokens_per_step": self.tokens_per_step,
            "tokens": None if self.steps is None else self.steps * self.tokens_per_step,
            "precision": "bf16" if self.bf16 else "fp32",
            "memory": self.memory.as_document(),
            "data": [one.as_dict() for one in self.data],
        }


def make_plan(settings: StageSettings, steps: Steps) -> Plan:
    """Look at everything that can be wrong, without loading weights.

    Raises UsageError, UnknownModelError, CheckpointError, TokenizerError, DataError, and what
    `stage_module` raises; not MemoryShortError, which is the plan's `problem`.
    """
    claim_device()
    settings = decided(settings)
    module = stage_module(settings.stage)
    accumulation(settings)
    with steps.step(f"Opening {settings.model}") as step:
        opened = open_model(settings)
        parameters = parameter_count(opened.config.to_dict())
        step.result(f"Opened {settings.model}: {parameters / 1e6:.1f} M parameters")
    _require_context(settings, opened)
    bf16 = uses_bf16(settings)
    memory = plan_memory(opened.config, settings, bf16=bf16)
    reports = _look_at_data(settings, steps)
    count = settings.steps
    if count is None and hasattr(module, "count_steps"):
        with steps.step("Counting the data's tokens") as step:
            count = module.count_steps(settings, opened.assets)
            step.result(f"{settings.epochs:g} epochs are {count} steps")
    return Plan(settings, opened, parameters, memory, reports, count, world_size(), bf16)


def _look_at_data(settings: StageSettings, steps: Steps) -> tuple[DataReport, ...]:
    if not settings.data and not settings.eval_data:
        return ()
    with steps.step("Looking at the data") as step:
        reports = look_at(settings.data, settings)
        if settings.eval_data:
            look_at(settings.eval_data, settings)
        step.result(f"Looked at the data: {'; '.join(one.summary() for one in reports)}")
    return reports


def stage_module(stage: str) -> ModuleType:
    """The module of a stage, imported now. Raises UsageError for one that is not there."""
    name = f"sdk_builder.training.{stage}"
    if find_spec(name) is None:
        raise UsageError(f"This shakti-sdk has no training stage {stage}.")
    return import_module(name)


def _require_context(settings: StageSettings, opened: Opened) -> None:
    most = opened.config.max_position_embeddings
    if settings.sequence_length > most:
        raise UsageError(
            f"sequence_length {settings.sequence_length} is more than the model's context of "
            f"{most}.",
            f"Set sequence_length to {most} or less.",
        )

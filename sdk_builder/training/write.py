"""The result of a run: a folder that `shakti-sdk export` takes, whole or not there at all.

Besides the model and its tokenizer it has ``training.json``, all that is known of the run, and
``README.md``, the model card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import TrainerState

from sdk_builder import __version__
from sdk_builder.bundle.staging import stage
from sdk_builder.errors import OutputError, output_error, output_errors
from sdk_builder.log import Steps
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.card import model_card
from sdk_builder.training.checkpoints import step_of, write_json
from sdk_builder.training.inputs import licence_of
from sdk_builder.training.job import Job
from sdk_builder.training.model import Opened, dtype_of, save_model
from sdk_builder.training.plan import Plan
from sdk_builder.training.processes import is_first, world_size
from sdk_builder.training.progress import Work
from sdk_builder.training.state import as_document

SCHEMA = "shakti-training-1"
OWN_TEXTS = "texts that the base model wrote"


@dataclass(frozen=True)
class Trained:
    """What came of a run. tokens: None where sequences differ in length; losses: the last ones,
    None where nothing was logged or evaluated; export_options: of `shakti-sdk export`."""

    folder: Path
    stage: str
    steps: int
    final_loss: float | None
    eval_loss: float | None
    tokens: int | None
    resumed_from: int | None
    duration_s: float
    export_options: tuple[str, ...]

    def as_document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def write_trained(
    plan: Plan,
    job: Job,
    state: TrainerState,
    model: ShaktiForCausalLM,
    work: Work,
    steps: Steps,
    *,
    replace: bool,
    duration_s: float,
    extras: Callable[[Path], None] | None = None,
) -> Trained:
    """Write the folder, in the first process; extras: writes further files into it.

    Raises OutputError.
    """
    settings = job.settings
    trained = Trained(
        folder=settings.output,
        stage=settings.stage,
        steps=state.global_step,
        final_loss=_last(state, "loss"),
        eval_loss=_last(state, "eval_loss"),
        tokens=work.tokens and work.tokens * state.global_step,
        resumed_from=None if job.checkpoint is None else step_of(job.checkpoint),
        duration_s=duration_s,
        export_options=settings.export_options,
    )
    if not is_first():
        return trained
    with steps.step(f"Writing {settings.output}") as step:
        document = describe(plan, job, trained)
        _write(plan.opened, job, model, document, extras, replace=replace)
        step.result(f"Wrote {settings.output}")
    return trained


def _write(
    opened: Opened,
    job: Job,
    model: ShaktiForCausalLM,
    document: dict[str, Any],
    extras: Callable[[Path], None] | None,
    *,
    replace: bool,
) -> None:
    target = job.settings.output
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = stage(target, "folder")
    try:
        folder = staging.path
        dtype = torch.float32 if job.settings.written_as_float32 else dtype_of(opened.source)
        save_model(model, job.tokenizer, opened.config, dtype, folder)
        if extras is not None:
            extras(folder)
        write_json(folder / "training.json", document)
        (folder / "README.md").write_text(model_card(document), encoding="utf-8")
        for path in folder.iterdir():
            path.chmod(0o644)  # safetensors' files are for their owner alone
        staging.publish(replace=replace)
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError):
            raise output_error(error, target) from error
        raise OutputError(f"Cannot write {target}: {error}.") from error
    finally:
        staging.discard()  # where it was published, there is nothing left to remove


def describe(plan: Plan, job: Job, trained: Trained) -> dict[str, Any]:
    """All that is known of a run, as plain values; no paths of this machine but those that the
    user gave."""
    settings, source = job.settings, plan.opened.source
    return {
        "schema": SCHEMA,
        "shakti_sdk": __version__,
        "name": settings.output.name,
        "base_model": {
            "name": source.name,
            "licence": source.licence,
            "untrained": source.untrained,
            "files": [asdict(one) for one in source.files],
        },
        "parameters": plan.parameters,
        "data": [
            {"source": one.source, "weight": one.weight, "licence": licence_of(one)}
            for one in settings.data
        ]
        or [{"source": OWN_TEXTS, "weight": 1.0, "licence": source.licence}],
        "looked_at": [one.as_dict() for one in plan.data],
        "processes": world_size(),
        **{name: value for name, value in trained.as_document().items() if name != "folder"},
        "settings": as_document(settings),
    }


def _last(state: TrainerState, name: str) -> float | None:
    return next((one[name] for one in reversed(state.log_history) if name in one), None)

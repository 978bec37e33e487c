"""The result of a run: a folder that `shakti-sdk export` takes, whole or not there at all.

Besides the model and its tokenizer it has ``training.json``, all that is known of the run, and
``README.md``, the model card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import TrainerState

from sdk_builder import __version__
from sdk_builder.bundle.staging import Staging, stage
from sdk_builder.errors import OutputError, output_error, output_errors
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.card import model_card
from sdk_builder.training.checkpoints import step_of, write_json
from sdk_builder.training.data import DataReport
from sdk_builder.training.inputs import licence_of
from sdk_builder.training.job import Job
from sdk_builder.training.model import Opened, dtype_of, save_model
from sdk_builder.training.processes import is_first, world_size
from sdk_builder.training.progress import Work
from sdk_builder.training.state import as_document

SCHEMA = "shakti-training-1"


@dataclass(frozen=True)
class Trained:
    """What came of a run. tokens: None where sequences differ in length; losses: the last ones,
    None where nothing was logged or evaluated."""

    folder: Path
    stage: str
    steps: int
    final_loss: float | None
    eval_loss: float | None
    tokens: int | None
    resumed_from: int | None
    duration_s: float

    def as_document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def write_trained(
    opened: Opened,
    job: Job,
    state: TrainerState,
    model: ShaktiForCausalLM,
    work: Work,
    reports: Sequence[DataReport],
    *,
    replace: bool,
    duration_s: float,
) -> Trained:
    """Write the folder, in the first process. Raises OutputError."""
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
    )
    if not is_first():
        return trained
    document = describe(opened, job, trained, reports)
    with output_errors(settings.output):
        settings.output.parent.mkdir(parents=True, exist_ok=True)
        staging = stage(settings.output, "folder")
    try:
        _fill(staging, opened, job, model, document)
        staging.publish(replace=replace)
    except (OSError, SafetensorError) as error:
        staging.discard()
        if isinstance(error, OSError):
            raise output_error(error, settings.output) from error
        raise OutputError(f"Cannot write {settings.output}: {error}.") from error
    except BaseException:
        staging.discard()
        raise
    return trained


def _fill(
    staging: Staging, opened: Opened, job: Job, model: ShaktiForCausalLM, document: dict[str, Any]
) -> None:
    folder = staging.path
    save_model(model, job.tokenizer, opened.config, dtype_of(opened.source), folder)
    write_json(folder / "training.json", document)
    (folder / "README.md").write_text(model_card(document), encoding="utf-8")


def describe(
    opened: Opened, job: Job, trained: Trained, reports: Sequence[DataReport]
) -> dict[str, Any]:
    """All that is known of a run, as plain values; no paths of this machine but those that the
    user gave."""
    settings, source = job.settings, opened.source
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
        "parameters": sum(one.numel() for one in job.model.parameters()),
        "data": [
            {"source": one.source, "weight": one.weight, "licence": licence_of(one)}
            for one in settings.data
        ],
        "looked_at": [one.as_dict() for one in reports],
        "processes": world_size(),
        **{name: value for name, value in trained.as_document().items() if name != "folder"},
        "settings": as_document(settings),
    }


def _last(state: TrainerState, name: str) -> float | None:
    return next((one[name] for one in reversed(state.log_history) if name in one), None)

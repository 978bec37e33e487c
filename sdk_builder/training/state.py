"""What a run's folder says of the run: its settings, and where it can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic_core import to_jsonable_python

from sdk_builder.errors import ResumeError, output_errors
from sdk_builder.log import Steps
from sdk_builder.training.checkpoints import (
    checkpoints,
    newest_intact,
    remove_newer,
    remove_unmarked,
    step_of,
    write_json,
)
from sdk_builder.training.claim import LOCK
from sdk_builder.training.settings import StageSettings

RUN = "run.json"
# What may change between a run and its going on: none of it changes what is learned, but for the
# order of sums and of dropout's numbers.
FREE = frozenset(
    {
        *("output", "eval_data", "eval_every", "eval_sequences", "save_every", "keep_checkpoints"),
        *("log_every", "tensorboard", "memory_limit_gib", "gradient_checkpointing", "compile"),
        *("micro_batch_size", "precision"),
    }
)


def open_run(
    settings: StageSettings,
    steps: Steps,
    *,
    resume: bool,
    files: Mapping[str, str] = MappingProxyType({}),
) -> Path | None:
    """Make the run's folder ready; the checkpoint to go on from, or None to begin.

    files: what is trained on, by path, and what tells it from others. For the first process alone.
    Raises ResumeError for settings or files that are not those of the run that is there,
    OutputError.
    """
    folder = settings.folder
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            _empty(folder)
        remove_unmarked(folder)
        there = checkpoints(folder)
        found = newest_intact(folder)
        if found is not None:
            before = _run_before(folder)
            _require_same(settings, before, folder)
            _require_same_files(files, before.get("files"), folder)
        for damaged in [one for one in there if found is None or step_of(one) > step_of(found)]:
            steps.warn(f"{damaged} is damaged and left out.")
        remove_newer(folder, found)
        document = {"stage": settings.stage, "settings": as_document(settings)}
        write_json(folder / RUN, {**document, "files": dict(files)})
    return found


def _empty(folder: Path) -> None:
    """Remove all that a run left; the lock, which this run holds, stays."""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        elif one.name != LOCK:
            one.unlink()


def as_document(settings: StageSettings) -> dict[str, Any]:
    """Settings as plain values."""
    return settings.model_dump(mode="json")


def read_json(path: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no object")
    return value


def _run_before(folder: Path) -> dict[str, Any]:
    """What the run that is there wrote down: its stage and settings at least."""
    try:
        before = read_json(folder / RUN)
        if not (isinstance(before["settings"], dict) and isinstance(before["stage"], str)):
            raise ValueError(f"{folder / RUN} is of another form")
    except (OSError, ValueError, KeyError) as error:
        raise ResumeError(
            f"{folder} has checkpoints, but nothing that says of which settings.",
            "Choose another output, or start over with --fresh.",
        ) from error
    return before


def _require_same(settings: StageSettings, before: Mapping[str, Any], folder: Path) -> None:
    old = _defaults(settings) | before["settings"]
    if before["stage"] != settings.stage:
        old["stage"] = before["stage"]
    new = as_document(settings) | ({"stage": settings.stage} if "stage" in old else {})
    changed = [
        name
        for name in sorted({*old, *new} - FREE)
        if old.get(name) != new.get(name) and not _only_licences(name, old, new)
    ]
    if changed:
        name = changed[0]
        more = f" (and {', '.join(changed[1:])})" if changed[1:] else ""
        raise ResumeError(
            f"The run in {folder} has other settings: {name} was {old.get(name)!r}, "
            f"is {new.get(name)!r}{more}.",
            "Set it back to go on, choose another output, or start over with --fresh.",
        )


def _require_same_files(files: Mapping[str, str], before: object, folder: Path) -> None:
    """Rows are told apart by their place, so that of other files other ones would follow."""
    if not isinstance(before, dict) or not all(isinstance(one, str) for one in before.values()):
        return  # of a version that did not write them down
    for path in sorted({*before, *files}):
        old, new = before.get(path, "not there"), files.get(path, "not there")
        if old != new:
            raise ResumeError(
                f"The data of the run in {folder} has changed: {path} was {old}, is {new}.",
                "Put it back to go on, choose another output, or start over with --fresh.",
            )


def _defaults(settings: StageSettings) -> dict[str, Any]:
    """What a run had of settings that came later than it."""
    fields = type(settings).model_fields.items()
    return {
        name: to_jsonable_python(field.get_default(call_default_factory=True, validated_data={}))
        for name, field in fields
        if not field.is_required()
    }


def _only_licences(name: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    if name != "data" or not isinstance(old.get(name), list):
        return False
    bare = [[{**one, "licence": None} for one in values[name]] for values in (old, new)]
    return bare[0] == bare[1]

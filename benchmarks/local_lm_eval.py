"""lm-eval's own tasks over local rows: its prompts, choices and metrics, without its data's hub."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

_LEFT_OUT = ("dataset_path:", "dataset_name:", "task:", "training_split:", "test_split:", "tag:")


def local_task(task: str, data: Path, place: Path) -> Path:
    """A task file in the folder `place` that is lm-eval's `task` on the rows of `data` (JSONL)."""
    from lm_eval.tasks import TaskManager

    own = Path(TaskManager().task_index[task].yaml_path)
    module = f"utils_of_{task}"
    shutil.copy(own.parent / "utils.py", place / f"{module}.py")
    config: dict[str, Any] = {
        "task": f"local_{task}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
    }
    lines, in_tags = [], False
    for line in own.read_text(encoding="utf-8").splitlines():
        in_tags = line.startswith("tag:") or (in_tags and line.lstrip().startswith("-"))
        if not in_tags and not line.startswith(_LEFT_OUT):
            lines.append(line.replace("!function utils.", f"!function {module}."))
    path = place / f"local_{task}.yaml"
    path.write_text("\n".join([yaml.safe_dump(config), *lines]), encoding="utf-8")
    return path

"""lm-eval's tasks by name or file, each way to miss one as an error of its own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sdk_builder.errors import InputError, NetworkError, ShaktiError, ToolchainError

# Of datasets, huggingface_hub and the libraries below them, which come and go; by name for that.
_OFFLINE = {
    *(
        "ConnectError",
        "ConnectTimeout",
        "ConnectionError",
        "HTTPError",
        "ReadTimeout",
        "ProxyError",
    ),
    *("LocalEntryNotFoundError", "MaxRetryError", "OfflineModeIsEnabled", "SSLError"),
}
_SUFFIXES = (".yaml", ".yml")

TaskDict = dict[str, dict[str, Any]]
"""Of "tasks" and "groups" objects by name; of "group_map" the names of each group's children."""


def load_tasks(wanted: Sequence[str], include: Path | None) -> TaskDict:
    """lm-eval's task and group objects, as its `evaluate` takes them.

    wanted: names of tasks, groups or tags, or paths of YAML files; include: a folder of more tasks.

    Raises InputError for an unknown name and for a file that is no task, NetworkError where a
    dataset has to be downloaded and cannot be, ToolchainError where a task needs another package.
    """
    if include is not None and not include.is_dir():
        raise InputError(f"{include} is not a folder.", "Give --include-path a folder of tasks.")
    files = [name for name in wanted if name.endswith(_SUFFIXES)]
    groups = [name for name in files if _is_group(Path(name))]
    manager = _manager(include, set(wanted) - set(files), everything=bool(groups))
    loaded: TaskDict = {"tasks": {}, "groups": {}, "group_map": {}}
    for name in wanted:
        if name not in files and name not in manager.all_tasks:
            raise _unknown(name, manager.all_tasks)
        with _task_errors(name):
            found = manager.load([name])
        for kind in loaded:
            loaded[kind].update(found[kind])
    return loaded


def set_fewshot(tasks: TaskDict, fewshot: int | None, seed: int) -> None:
    """Examples before each question, as lm-eval's own command sets them.

    fewshot: for all tasks but those that say 0 themselves; None leaves it to each. seed: of the
    choice of examples.
    """
    for task in tasks["tasks"].values():
        own = task.get_config("num_fewshot")
        if fewshot is not None and own != 0:
            task.set_config(key="num_fewshot", value=fewshot)
        elif own is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=seed)


def _manager(include: Path | None, names: set[str], *, everything: bool) -> Any:
    """lm-eval's index of tasks. Reading its own thousands takes seconds: not if all is at hand."""
    from lm_eval.tasks import TaskManager

    path = None if include is None else str(include)
    manager = TaskManager(include_path=path, include_defaults=False)
    if everything or names - set(manager.all_tasks):
        return TaskManager(include_path=path)
    return manager


def _is_group(path: Path) -> bool:
    """Whether a file is of a group of tasks. Raises InputError for what is neither it nor a task.

    lm-eval itself takes a file that it cannot read for an unknown name.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"There is no task file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {path}: {error}.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)  # tags such as !function stay unresolved
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 1})"
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise InputError(f"{path} is not valid YAML{where}: {problem}.") from error
    keys = {key.value for key, _ in node.value} if isinstance(node, yaml.MappingNode) else set()
    if not keys & {"task", "group"}:
        raise InputError(
            f"{path} is no task of lm-eval: it has no `task` or `group`.",
            "docs/evaluation.md shows a whole one.",
        )
    return "group" in keys


def _unknown(name: str, known: Sequence[str]) -> InputError:
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]}?" if nearest else "List them with: lm-eval ls tasks"
    return InputError(f"lm-eval has no task called {name!r}.", hint)


@contextmanager
def _task_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ShaktiError:
        raise
    except Exception as error:  # tasks run code of their own
        raise _translated(name, error) from error


def _translated(name: str, error: Exception) -> ShaktiError:
    causes = list(_chain(error))
    if any(type(one).__name__ in _OFFLINE for one in causes):
        return NetworkError(
            f"The data of task {name} has to be downloaded, and there is no connection.",
            "Run it once with one; or give a task file with data of your own (docs/evaluation.md).",
        )
    missing = next((one for one in causes if isinstance(one, ModuleNotFoundError)), None)
    if missing is not None:
        return ToolchainError(
            f"Task {name} needs the package {missing.name}.", f"pip install {missing.name}"
        )
    said = " ".join(str(error).split()) or "no reason given"
    return InputError(f"Task {name} cannot be used: {type(error).__name__}: {said[:200]}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

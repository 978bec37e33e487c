"""Settings from a YAML file and ``key=value`` overrides; every mistake is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from sdk_builder.errors import UsageError
from sdk_builder.training.settings import SETTINGS, StageSettings

_SHORT = 60  # characters of a value in a message


def load_settings(stage: str, path: Path | None, overrides: Sequence[str] = ()) -> StageSettings:
    """The settings of a stage: the file's, changed by overrides such as ``data.0.source=a.jsonl``.

    An override's value is read as YAML. Raises UsageError, whose line names the file or the
    override, the key, and what is allowed.
    """
    if stage not in SETTINGS:
        raise UsageError(f"No stage is called {stage!r}.", f"Use {', '.join(SETTINGS)}.")
    values: Any = {} if path is None else read_yaml(path)
    for override in overrides:
        _apply(values, override)
    return make_settings(stage, values, "the settings" if path is None else str(path))


def make_settings(stage: str, values: Mapping[str, Any], where: str) -> StageSettings:
    """Settings from plain values; `where` is for messages. Raises UsageError."""
    try:
        return SETTINGS[stage].model_validate(values)
    except ValidationError as error:
        raise _usage_error(SETTINGS[stage], error, where) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """A file of keys and values. Raises UsageError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror or error}.", "Check the path of --config."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        raise UsageError(
            f"{path} is not YAML: {_first_line(error)}.", "Correct that line."
        ) from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"{path} does not hold keys and values.", "Write lines such as steps: 100")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    """Set one ``a.b=value`` within `values`; parts that are numbers are places in lists."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(f"{override!r} is no key=value.", "Write for example steps=100")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{override!r}: the value is not YAML.", "Put it in quotes.") from error
    if isinstance(value, str):
        value = _number(value)
    here: Any = values
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        here = _step(here, part, override, value if last else None, last=last)


def _number(text: str) -> Any:
    """1e-3 is a number to everyone but YAML, which wants 1.0e-3."""
    try:
        return float(text)
    except ValueError:
        return text


def _step(here: Any, part: str, override: str, value: Any, *, last: bool) -> Any:
    """Set `part` of `here` to `value` if it is the last one, else go into it."""
    if isinstance(here, list):
        if not part.isdigit() or int(part) > len(here):
            raise UsageError(
                f"{override!r}: {part} is no place in a list of {len(here)}.",
                f"Use 0 to {len(here)}; the last one adds an entry.",
            )
        if int(part) == len(here):
            here.append({})
        key: Any = int(part)
    elif isinstance(here, dict):
        key = part
        if not last:
            here.setdefault(part, [{}] if part in ("data", "eval_data") else {})
            if here[part] is None:
                here[part] = {}
    else:
        raise UsageError(f"{override!r}: there is nothing called {part} within {here!r}.")
    if last:
        here[key] = value
    return here[key]


def _usage_error(model: type[BaseModel], error: ValidationError, where: str) -> UsageError:
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = [part for part in first["loc"] if not _is_choice(part)]
    key = ".".join(map(str, place))
    if first["type"] == "extra_forbidden":
        known = _known(model, place[:-1])
        nearest = get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        return UsageError(
            f"{where}: there is no setting {key}.",
            f"Did you mean {nearest[0]}?" if nearest else f"There are {', '.join(known)}.",
        )
    if first["type"] == "missing":
        return UsageError(f"{where}: {key} is missing.", f"Give it: {key}=...")
    message = first["msg"].removeprefix("Value error, ")
    if not key:
        return UsageError(f"{where}: {message}.")
    shown = repr(first["input"])
    shown = shown if len(shown) <= _SHORT else shown[: _SHORT - 3] + "..."
    message = message[0].lower() + message[1:]
    return UsageError(f"{where}: {key} is {shown}: {message}.", "Correct it there or as key=value.")


def _is_choice(part: int | str) -> bool:
    """pydantic puts the branch of a union into the place of an error."""
    return part in ("bool", "DeduplicateSettings", "LoraSettings") or "[" in str(part)


def _known(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The settings at `place`."""
    for part in place:
        if isinstance(part, int):
            continue
        model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel]:
    """The class of settings within ``tuple[X, ...]`` or ``X | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [one for inner in get_args(annotation) if (one := _try_model(inner))]
    return found[0]


def _try_model(annotation: Any) -> type[BaseModel] | None:
    try:
        return _model_in(annotation)
    except (IndexError, TypeError):
        return None


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem

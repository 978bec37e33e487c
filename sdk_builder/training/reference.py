"""Writes the tables of settings in docs/training.md from the classes themselves.

python -m sdk_builder.training.reference            write them
python -m sdk_builder.training.reference --check    exit with 1 if they are not current
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from sdk_builder.training.settings import (
    SETTINGS,
    DataSettings,
    LoraSettings,
    Settings,
    StageSettings,
)

TARGET = Path(__file__).resolve().parents[2] / "docs" / "training.md"
BEGIN = "<!-- Made by: python -m sdk_builder.training.reference -->\n"
END = "<!-- end -->\n"


def tables() -> str:
    """All settings: those of every stage, each stage's own, and those of data and adapters."""
    common = list(StageSettings.model_fields)
    stages = [
        (name, _table(kind, [one for one in kind.model_fields if _is_own(kind, one)]))
        for name, kind in SETTINGS.items()
    ]
    sections = [
        ("Every stage", _table(StageSettings, common)),
        *((f"`{name}` besides, or with another default", table) for name, table in stages),
        (
            "`data` and `eval_data`, each entry",
            _table(DataSettings, list(DataSettings.model_fields)),
        ),
        ("`lora`", _table(LoraSettings, list(LoraSettings.model_fields))),
    ]
    return "\n".join(f"### {title}\n\n{table}" for title, table in sections)


def _is_own(kind: type[StageSettings], name: str) -> bool:
    """Whether a stage adds a setting, or changes its default."""
    base = StageSettings.model_fields.get(name)
    return base is None or base.default != kind.model_fields[name].default


def _table(kind: type[Settings], names: list[str]) -> str:
    rows = [
        f"| `{name}` | {_default(kind.model_fields[name])} | {_kind(kind.model_fields[name])} | "
        f"{description(kind, name).replace('|', chr(92) + '|')} |"
        for name in names
    ]
    return "\n".join(["| setting | default | is | |", "|---|---|---|---|", *rows, ""])


def description(kind: type[Settings], name: str) -> str:
    """What a setting is, also where a stage gives it another default and says no more."""
    for one in kind.__mro__:
        fields = getattr(one, "model_fields", {})
        if name in fields and fields[name].description:
            return str(fields[name].description)
    return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value: Any = field.default
    if isinstance(value, (list, tuple)):
        return f"`[{', '.join(map(str, value))}]`"
    if value is None or isinstance(value, bool):
        return "none" if value is None else f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _kind(field: FieldInfo) -> str:
    return _name(field.annotation)


def _name(annotation: Any) -> str:
    """A type for readers of YAML."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        return " or ".join(_name(one) for one in inner if one is not type(None))
    if origin is dict:
        return "keys and values"
    if origin is tuple:
        return "list" if inner[-1] is ... else f"{len(inner)} numbers"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _name(inner[0])
    plain = {str: "text", Path: "path", int: "whole number", float: "number", bool: "true or false"}
    return plain.get(annotation, "its own settings")


def page(text: str) -> str:
    """The page with current tables. Raises ValueError where it has no place for them."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{TARGET.name} has no place for the tables of settings")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the tables, or check them; returns the exit code."""
    text = TARGET.read_text(encoding="utf-8")
    current = page(text)
    if arguments == ["--check"]:
        if text == current:
            return 0
        sys.stderr.write(
            f"{TARGET.name} is not current: python -m sdk_builder.training.reference\n"
        )
        return 1
    TARGET.write_text(current, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

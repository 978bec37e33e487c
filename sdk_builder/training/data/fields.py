"""Which fields of a raw row hold what: said by the user, or recognised by the fields found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sdk_builder.errors import DataError, DataShapeError, UsageError
from sdk_builder.rows.row import Row
from sdk_builder.training.data.records import STAGES, Stage


@dataclass(frozen=True)
class Fields:
    """Names of a row's fields. `prompt` may be several, whose texts are joined by blank lines;
    only the first of them must be there. A prompt, an answer or `messages` is a text or a list of
    turns: objects with `role` and `content`, or `from` and `value`.

    extra: fields for RLHF's reward functions; None: all that are not used otherwise.
    """

    text: str | None = None
    messages: str | None = None
    prompt: tuple[str, ...] = ()
    response: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    system: str | None = None
    extra: tuple[str, ...] | None = None

    @property
    def used(self) -> frozenset[str]:
        """All names but those of `extra`."""
        single = (self.text, self.messages, self.response, self.chosen, self.rejected, self.system)
        return frozenset(name for name in (*single, *self.prompt) if name)


_PAIRS = (
    (("prompt",), "response"),
    (("prompt",), "completion"),
    (("instruction", "input"), "output"),
    (("instruction", "context"), "response"),
    (("question",), "answer"),
)
_TURNS = ("messages", "conversations")
_PROMPTS = (("prompt",), ("instruction", "input"), ("question",))

# Shapes by stage. The first has our records' own names: a row that has them means them.
_SHAPES: dict[Stage, tuple[Fields, ...]] = {
    "pretrain": (Fields(text="text"), Fields(text="content")),
    "sft": (
        *(Fields(messages=name) for name in _TURNS),
        *(Fields(prompt=prompt, response=response) for prompt, response in _PAIRS),
    ),
    "dpo": (
        *(Fields(prompt=prompt, chosen="chosen", rejected="rejected") for prompt in _PROMPTS),
        Fields(chosen="chosen", rejected="rejected"),  # lists of turns, the prompt's among them
    ),
    "rlhf": (
        *(Fields(prompt=prompt) for prompt in _PROMPTS),
        *(Fields(messages=name) for name in _TURNS),
    ),
}
_NEEDED: dict[Stage, tuple[set[str], ...]] = {
    "pretrain": ({"text"},),
    "sft": ({"messages"}, {"prompt", "response"}),
    "dpo": ({"chosen", "rejected"},),
    "rlhf": ({"messages"}, {"prompt"}),
}
_OPTIONAL: dict[Stage, set[str]] = {
    "pretrain": set(),
    "sft": {"system"},
    "dpo": {"system", "prompt"},
    "rlhf": {"system", "extra"},
}
_WANTED: dict[Stage, str] = {
    "pretrain": "text",
    "sft": "messages, or prompt and response",
    "dpo": "chosen and rejected, and prompt where they are texts",
    "rlhf": "prompt, or messages",
}


def parse_fields(stage: Stage, given: Mapping[str, Any]) -> Fields:
    """Fields from plain data such as ``{"prompt": ["title", "body"], "response": "answer"}``.

    Raises UsageError.
    """
    known = {one.name for one in fields(Fields)}
    if unknown := sorted(set(given) - known):
        raise UsageError(
            f"There is no data field called {', '.join(unknown)}.",
            f"Use {', '.join(sorted(known))}.",
        )
    read: dict[str, Any] = {}
    for name, value in given.items():
        names = [value] if isinstance(value, str) else value
        several = name in ("prompt", "extra")
        if not _are_names(names) or (len(names) != 1 and not several):
            raise UsageError(f"The data field {name} is {value!r}.", "Give the name of a field.")
        read[name] = tuple(names) if several else names[0]
    return checked(stage, Fields(**read))


def checked(stage: Stage, given: Fields) -> Fields:
    """`given`, if it is what the stage needs and no more. Raises UsageError."""
    if stage not in STAGES:
        raise UsageError(f"No stage is called {stage!r}.", f"Use {', '.join(STAGES)}.")
    named = {one.name for one in fields(Fields) if getattr(given, one.name) not in (None, ())}
    choices = _NEEDED[stage]
    if sum(needed <= named for needed in choices) != 1 or named - _OPTIONAL[stage] not in choices:
        raise UsageError(
            f"The data fields for {stage} are too few, too many, or contradict each other.",
            f"Name {_WANTED[stage]}.",
        )
    return given


def recognised(stage: Stage, rows: Iterable[Row], source: str) -> Fields:
    """The fields of the first row that has any. Raises DataShapeError, DataError without one.

    Our records' own names win; else just one of the known shapes must fit.
    """
    row = next((one for one in rows if one.reason is None), None)
    if row is None:
        raise DataError(f"{source} has no row that can be read.", "Check the files of the data.")
    found = _most_specific([one for one in _SHAPES[stage] if _required(one) <= set(row.fields)])
    own = _SHAPES[stage][0]
    if len(found) != 1 and own not in found:
        there = ", ".join(sorted(row.fields)) or "(none)"
        choices = " or ".join("+".join(sorted(_required(one))) for one in found)
        raise DataShapeError(
            f"{row.origin}: among the fields {there} is nothing for {stage}."
            if not found
            else f"{row.origin}: the fields {there} can be read as {choices}.",
            f"Name the fields: {_WANTED[stage]}.",
        )
    shape = own if own in found else found[0]
    takes_system = "system" in _OPTIONAL[stage] and "system" in row.fields
    return replace(shape, system="system") if takes_system else shape


def _required(shape: Fields) -> frozenset[str]:
    return shape.used - set(shape.prompt[1:])


def _most_specific(found: list[Fields]) -> list[Fields]:
    """Without those that need only a part of what another needs (DPO without its prompt)."""
    return [one for one in found if not any(_required(one) < _required(other) for other in found)]


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(name, str) and name for name in value)
    )

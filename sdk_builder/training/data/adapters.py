"""From a raw row to a stage's record, or to the reason why it cannot be one.

Nothing is repaired but what says nothing: empty system turns, and blank optional parts of a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sdk_builder.rows.row import Reason, Unusable
from sdk_builder.training.data.fields import Fields
from sdk_builder.training.data.records import (
    Conversation,
    Document,
    Message,
    Preference,
    Prompt,
    Record,
    Role,
    Stage,
)

_ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
}
_Turns = tuple[Message, ...]


def adapt(stage: Stage, row: Mapping[str, Any], fields: Fields) -> Record:
    """The record that a row holds. Raises Unusable."""
    record = _ADAPTERS[stage](row, fields)
    try:
        "".join(text for _, text in record.parts).encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, as JSON can escape it
        raise Unusable(Reason.NOT_UTF8, error.reason) from error
    return record


def _document(row: Mapping[str, Any], fields: Fields) -> Document:
    name = fields.text or ""
    return Document(_filled(_text(row, name), name))


def _conversation(row: Mapping[str, Any], fields: Fields) -> Conversation:
    if fields.messages:
        turns = _turns(row, fields.messages)
    else:
        answer = _said(row, fields.response or "", "assistant")
        turns = (*_prompt(row, fields.prompt), *answer)
    turns = _with_system(row, fields, turns)
    _check_order(turns)
    if turns[-1].role == "user":
        raise Unusable(Reason.ENDS_WITH_USER, "the last turn has no answer")
    return Conversation(turns)


def _preference(row: Mapping[str, Any], fields: Fields) -> Preference:
    before, chosen = _answer(row, fields.chosen or "")
    also_before, rejected = _answer(row, fields.rejected or "")
    if before != also_before:
        raise Unusable(Reason.OTHER_PROMPTS, "their turns before the answer differ")
    given = _prompt(row, fields.prompt) if fields.prompt else ()
    if given and before and before[-len(given) :] != given:
        raise Unusable(Reason.OTHER_PROMPTS, "they answer another prompt than the row's")
    prompt = _with_system(row, fields, before or given)
    if not prompt:
        raise Unusable(Reason.MISSING_FIELD, "no prompt before the answers")
    _check_prompt(prompt)
    if chosen == rejected:
        raise Unusable(Reason.SAME_ANSWERS, f"{len(chosen)} characters")
    return Preference(prompt, chosen, rejected)


def _prompt_record(row: Mapping[str, Any], fields: Fields) -> Prompt:
    if fields.messages:
        turns = _turns(row, fields.messages)
        while turns and turns[-1].role == "assistant":
            turns = turns[:-1]  # the answer is what the policy is to write
    else:
        turns = _prompt(row, fields.prompt)
    turns = _with_system(row, fields, turns)
    _check_prompt(turns)
    if fields.extra is None:
        extra = {name: value for name, value in row.items() if name not in fields.used}
    else:
        extra = {name: _present(row, name) for name in fields.extra}
    return Prompt(turns, extra)


_ADAPTERS: dict[Stage, Callable[[Mapping[str, Any], Fields], Record]] = {
    "pretrain": _document,
    "sft": _conversation,
    "dpo": _preference,
    "rlhf": _prompt_record,
}


def _present(row: Mapping[str, Any], name: str) -> Any:
    value = row.get(name)
    if value is None:
        there = ", ".join(sorted(map(str, row))) or "(none)"
        raise Unusable(Reason.MISSING_FIELD, f"no {name}; there are {there}")
    return value


def _text(row: Mapping[str, Any], name: str) -> str:
    value = _present(row, name)
    if not isinstance(value, str):
        raise Unusable(Reason.WRONG_TYPE, f"{name} is {type(value).__name__}, not text")
    return value


def _filled(text: str, name: str) -> str:
    if not text.strip():
        raise Unusable(Reason.EMPTY_TEXT, f"{name} says nothing")
    return text


def _prompt(row: Mapping[str, Any], names: tuple[str, ...]) -> _Turns:
    """Turns, or one user's turn joined from texts, of which those behind the first may lack."""
    if len(names) == 1:
        return _said(row, names[0], "user")
    parts = [_text(row, name) for name in names if name == names[0] or row.get(name) is not None]
    return (Message("user", "\n\n".join(part for part in parts if part.strip())),)


def _said(row: Mapping[str, Any], name: str, role: Role) -> _Turns:
    """A field that is a text of this role, or turns."""
    if isinstance(row.get(name), list):
        return _turns(row, name)
    return (Message(role, _text(row, name)),)


def _answer(row: Mapping[str, Any], name: str) -> tuple[_Turns, str]:
    """An answer, and the turns before it if the field has them."""
    turns = _said(row, name, "assistant")
    if not turns or turns[-1].role != "assistant":
        raise Unusable(Reason.ROLE_ORDER, f"{name} does not end with the assistant")
    return turns[:-1], _filled(turns[-1].content, name)


def _turns(row: Mapping[str, Any], name: str) -> _Turns:
    value = _present(row, name)
    if not isinstance(value, list):
        raise Unusable(Reason.WRONG_TYPE, f"{name} is {type(value).__name__}, not a list")
    return tuple(_turn(one, f"{name}[{at}]") for at, one in enumerate(value))


def _turn(value: Any, place: str) -> Message:
    if not isinstance(value, Mapping):
        raise Unusable(Reason.WRONG_TYPE, f"{place} is {type(value).__name__}, not an object")
    role_name, text_name = ("from", "value") if "from" in value else ("role", "content")
    try:
        said, content = _text(value, role_name), _text(value, text_name)
    except Unusable as error:
        raise Unusable(error.reason, f"{place}: {error.detail}") from error
    if said.lower() not in _ROLES:
        raise Unusable(Reason.UNKNOWN_ROLE, f"{place} is by {said!r}")
    return Message(_ROLES[said.lower()], content)


def _with_system(row: Mapping[str, Any], fields: Fields, turns: _Turns) -> _Turns:
    """A system field goes first, unless the turns begin with their own."""
    if turns and turns[0].role == "system":
        return turns if turns[0].content.strip() else turns[1:]
    if fields.system and row.get(fields.system) is not None:
        system = _text(row, fields.system)
        return (Message("system", system), *turns) if system.strip() else turns
    return turns


def _check_order(turns: _Turns) -> None:
    """Maybe a system turn, then user and assistant in turn, nobody silent."""
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    if not spoken:
        raise Unusable(Reason.EMPTY_TEXT, "no turns")
    for at, turn in enumerate(spoken):
        if turn.role != ("assistant" if at % 2 else "user"):
            raise Unusable(Reason.ROLE_ORDER, f"turn {at + 1} is the {turn.role}'s")
        _filled(turn.content, f"turn {at + 1}")


def _check_prompt(turns: _Turns) -> None:
    _check_order(turns)
    if turns[-1].role != "user":
        raise Unusable(Reason.ROLE_ORDER, "the prompt does not end with the user")

"""Chats as fixed texts around messages, so that the app needs no Jinja."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from sdk_builder.bundle.record import Record
from sdk_builder.errors import UsageError

Role = Literal["system", "user", "assistant"]
Message = Mapping[str, str]  # {"role": Role, "content": text}


class ChatTurns(Record):
    """The texts around the messages of a chat.

    `begin` opens every chat. A system message, or `default_system` where there is none,
    stands between `system_prefix` and `system_suffix`: as a turn of its own, or within the
    first user turn before the user's text; or the template takes none. `generation_prompt`
    is what makes the model answer; it is the start of `assistant_prefix`, and what it
    leaves of it (`answer_lead`) comes from the model. Contents of `strip_roles` lose the
    white space around them.
    """

    begin: str
    system_place: Literal["turn", "first_user", "none"]
    system_prefix: str
    system_suffix: str
    default_system: str | None
    user_prefix: str
    user_suffix: str
    assistant_prefix: str
    assistant_suffix: str
    generation_prompt: str
    strip_roles: tuple[Role, ...]
    template: str

    @property
    def answer_lead(self) -> str:
        """What stands before an answer in a finished chat and is left to the model to write."""
        return self.assistant_prefix[len(self.generation_prompt) :]

    def content(self, role: Role, text: str) -> str:
        """A message's text as the template writes it."""
        return text.strip() if role in self.strip_roles else text


def render(turns: ChatTurns, messages: Sequence[Message], *, generation_prompt: bool = True) -> str:
    """The chat as text: an optional system message, then user and assistant in turn.

    With `generation_prompt` the last message must be the user's. Raises UsageError for
    another order of messages, and for a system message where the template takes none.
    """
    system, dialogue = _split(messages)
    if generation_prompt and len(dialogue) % 2 == 0:
        raise UsageError("The last message of a chat to be answered must be the user's.")
    parts = [_opening(turns, system, dialogue[0])]
    for i, text in enumerate(dialogue[1:], start=1):
        parts.append(_assistant(turns, text) if i % 2 else _user(turns, text))
    if generation_prompt:
        parts.append(turns.generation_prompt)
    return "".join(parts)


def render_turn(turns: ChatTurns, user_text: str, *, first: bool, system: str | None = None) -> str:
    """What one question adds to a chat whose earlier text the model has already seen.

    Starts where the previous answer's content ended, with what closes it (nothing when
    `first`), and goes up to and including the generation prompt. These texts and the
    answers, each after `answer_lead`, put one after another, are `render` of the chat.

    Raises UsageError for a system message that is not `first`, or that the template does
    not take.
    """
    if first:
        return _opening(turns, system, user_text) + turns.generation_prompt
    if system is not None:
        raise UsageError("A system message can only open a chat.")
    return turns.assistant_suffix + _user(turns, user_text) + turns.generation_prompt


def _split(messages: Sequence[Message]) -> tuple[str | None, list[str]]:
    """The system message, if any, and the texts of user and assistant in turn."""
    rest = list(messages)
    system = rest.pop(0)["content"] if rest and rest[0]["role"] == "system" else None
    for i, message in enumerate(rest):
        expected = "assistant" if i % 2 else "user"
        if message["role"] != expected:
            raise UsageError(
                f"Message {i + 1} of the chat is from {message['role']!r}, expected {expected!r}.",
                "A chat is an optional system message, then user and assistant in turn.",
            )
    if not rest:
        raise UsageError("A chat needs a message from the user.")
    return system, [message["content"] for message in rest]


def _opening(turns: ChatTurns, system: str | None, user_text: str) -> str:
    """Everything up to the end of the first user turn."""
    if system is not None and turns.system_place == "none":
        raise UsageError(
            "This model's chat template takes no system message.",
            "Put the instructions into the first question instead.",
        )
    text = turns.default_system if system is None else turns.content("system", system)
    block = "" if text is None else turns.system_prefix + text + turns.system_suffix
    user = turns.content("user", user_text) + turns.user_suffix
    if turns.system_place == "first_user":
        return turns.begin + turns.user_prefix + block + user
    return turns.begin + block + turns.user_prefix + user


def _user(turns: ChatTurns, text: str) -> str:
    return turns.user_prefix + turns.content("user", text) + turns.user_suffix


def _assistant(turns: ChatTurns, text: str) -> str:
    return turns.assistant_prefix + turns.content("assistant", text) + turns.assistant_suffix

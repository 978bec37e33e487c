"""What training reads: one kind of record for each stage.

`as_row()` gives a record's plain form, that of trl's trainers; reading it again gives the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

Role: TypeAlias = Literal["system", "user", "assistant"]
Stage: TypeAlias = Literal["pretrain", "sft", "dpo", "rlhf"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str

    def as_row(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class Document:
    """Pre-training: a text."""

    text: str

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """All texts, each with what it is."""
        return (("text", self.text),)

    def as_row(self) -> dict[str, Any]:
        return {"text": self.text}


@dataclass(frozen=True)
class Conversation:
    """SFT: turns of user and assistant, the last one the assistant's; maybe a system turn first."""

    messages: tuple[Message, ...]

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """All texts, each with what it is."""
        return _parts(self.messages)

    def as_row(self) -> dict[str, Any]:
        return {"messages": _rows(self.messages)}


@dataclass(frozen=True)
class Preference:
    """DPO: a conversation up to a user's turn, the better and the worse answer to it."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """All texts, each with what it is."""
        return (*_parts(self.prompt), ("chosen", self.chosen), ("rejected", self.rejected))

    def as_row(self) -> dict[str, Any]:
        return {
            "prompt": _rows(self.prompt),
            "chosen": _rows((Message("assistant", self.chosen),)),
            "rejected": _rows((Message("assistant", self.rejected),)),
        }


@dataclass(frozen=True)
class Prompt:
    """RLHF: a conversation up to a user's turn; `extra` goes to the reward functions."""

    prompt: tuple[Message, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """All texts, each with what it is; without `extra`."""
        return _parts(self.prompt)

    def as_row(self) -> dict[str, Any]:
        return {**self.extra, "prompt": _rows(self.prompt)}


Record: TypeAlias = Document | Conversation | Preference | Prompt


def _parts(messages: tuple[Message, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((one.role, one.content) for one in messages)


def _rows(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [one.as_row() for one in messages]

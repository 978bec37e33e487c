"""Chats as their Jinja templates write them, for the app's ChatPromptTest.

`python -m tests.app.chat_prompts` writes tests/fixtures/app/chat_prompts.json anew.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdk_builder.bundle.chat import ChatTurns, derive_turns
from sdk_builder.bundle.template import compile_template
from tests.unit.bundle.chat_templates import FAMILIES, Family

FIXTURE = Path(__file__).parents[1] / "fixtures" / "app" / "chat_prompts.json"
CHATS_OF_FAMILY = 25
_SEED = 5
_WORDS = ("", " ", "\n", "  a", "b\n\n", "\u00a0c\u2003", "\x1cd\x85", "\u200be", "你好", "🙂 f")
_LONGEST = 4  # words of a message


def chat_prompts() -> list[dict[str, Any]]:
    """One entry a template: its turns, and chats with the text that the template gives."""
    return [
        {"family": name, "turns": _fields(_derived(family)), "chats": list(_chats(family))}
        for name, family in FAMILIES.items()
    ]


def as_text(prompts: list[dict[str, Any]]) -> str:
    """The fixture's file."""
    return json.dumps(prompts, ensure_ascii=True, indent=1) + "\n"


def _derived(family: Family) -> ChatTurns:
    return derive_turns(family.template, bos_token=family.bos_token, eos_token=family.eos_token)


def _fields(turns: ChatTurns) -> dict[str, Any]:
    return turns.model_dump(mode="json", exclude={"template"})


def _chats(family: Family) -> Iterator[dict[str, Any]]:
    chance = random.Random(_SEED)
    write = compile_template(family.template, family.tokens)
    takes_system = _derived(family).system_place != "none"
    for _ in range(CHATS_OF_FAMILY):
        messages = [
            {"role": ("user", "assistant")[i % 2], "content": _content(chance)}
            for i in range(2 * chance.randint(1, 4) - 1)
        ]
        if takes_system and chance.random() < 0.5:
            messages.insert(0, {"role": "system", "content": _content(chance)})
        yield {"messages": messages, "prompt": write(messages, True)}


def _content(chance: random.Random) -> str:
    return "".join(chance.choices(_WORDS, k=chance.randint(0, _LONGEST)))


if __name__ == "__main__":
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    FIXTURE.write_text(as_text(chat_prompts()), encoding="utf-8")

"""The chats that the app's test reads are those of the templates as they are now."""

from __future__ import annotations

from tests.app.chat_prompts import FIXTURE, as_text, chat_prompts
from tests.unit.bundle.chat_templates import FAMILIES


def test_fixture_is_what_the_templates_write():
    prompts = chat_prompts()
    assert {entry["family"] for entry in prompts} == set(FAMILIES)
    assert FIXTURE.read_text(encoding="utf-8") == as_text(prompts)

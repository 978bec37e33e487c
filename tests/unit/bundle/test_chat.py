"""Chat turns say exactly what their template says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.bundle.chat import derive_turns, render, render_turn
from sdk_builder.bundle.template import compile_template
from sdk_builder.errors import TemplateError, UsageError
from tests.unit.bundle.chat_templates import FAMILIES, LLAMA31, REFUSED, Family

few = settings(max_examples=40, deadline=None)
DATE = {"date_string": "26 Jul 2024"}


def derived(family: Family, **special_tokens):
    return derive_turns(
        family.template,
        bos_token=family.bos_token,
        eos_token=family.eos_token,
        special_tokens=special_tokens,
    )


TURNS = {name: derived(family) for name, family in FAMILIES.items()} | {
    "llama31": derived(LLAMA31, **DATE)
}
WRITE = {
    name: compile_template(family.template, {**family.tokens, **DATE})
    for name, family in {**FAMILIES, "llama31": LLAMA31}.items()
}

contents = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", " ", "\n", "  a", "a\n\n", "{{ x }}", "<|im_end|>", "</s>", "[INST]", "\u00a0a\u2003"]
)


@st.composite
def chats(draw, system: bool, finished: bool = False):
    """Messages in turn, ending with the user's, or with the assistant's if finished."""
    questions = draw(st.integers(1, 4))
    texts = draw(
        st.lists(
            contents, min_size=2 * questions - 1 + finished, max_size=2 * questions - 1 + finished
        )
    )
    messages = [{"role": "system", "content": draw(contents)}] if system else []
    roles = ("user", "assistant")
    return messages + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def draw_chat(data, turns, **options):
    system = turns.system_place != "none" and data.draw(st.booleans(), label="system")
    return data.draw(chats(system, **options), label="chat")


@pytest.mark.parametrize("name", TURNS)
def test_turns_are_found(name):
    family = {**FAMILIES, "llama31": LLAMA31}[name]
    found = {field: getattr(TURNS[name], field) for field in family.expected}
    assert found == family.expected
    assert TURNS[name].template == family.template


@pytest.mark.parametrize("name", TURNS)
@few
@given(data=st.data())
def test_turns_write_what_the_template_writes(name, data):
    chat = draw_chat(data, TURNS[name])
    assert render(TURNS[name], chat) == WRITE[name](chat, True)


@pytest.mark.parametrize("name", [name for name in TURNS if name != "vicuna"])
@few
@given(data=st.data())
def test_finished_chat_is_written_as_the_template_writes_it(name, data):
    chat = draw_chat(data, TURNS[name], finished=True)
    assert render(TURNS[name], chat, generation_prompt=False) == WRITE[name](chat, False)


@pytest.mark.parametrize("name", TURNS)
@few
@given(data=st.data())
def test_turns_one_after_another_are_the_whole_chat(name, data):
    turns = TURNS[name]
    chat = draw_chat(data, turns)
    system = chat[0]["content"] if chat[0]["role"] == "system" else None
    dialogue = chat[system is not None :]
    text = render_turn(turns, dialogue[0]["content"], first=True, system=system)
    for answer, question in zip(dialogue[1::2], dialogue[2::2], strict=True):
        text += turns.answer_lead + turns.content("assistant", answer["content"])
        text += render_turn(turns, question["content"], first=False)
    assert text == render(turns, chat)


@pytest.mark.parametrize("name", TURNS)
@few
@given(data=st.data())
def test_templates_run_as_transformers_runs_them(name, data):
    transformers = pytest.importorskip("transformers.utils.chat_template_utils")
    family = {**FAMILIES, "llama31": LLAMA31}[name]
    chat = draw_chat(data, TURNS[name])
    rendered, _ = transformers.render_jinja_template(
        [chat],
        chat_template=family.template,
        add_generation_prompt=True,
        **family.tokens,
        **DATE,
    )
    assert WRITE[name](chat, True) == rendered[0]


@pytest.mark.parametrize("case", REFUSED)
def test_template_that_is_more_than_fixed_texts_is_refused_with_the_reason(case):
    template, reason = REFUSED[case]
    with pytest.raises(TemplateError) as caught:
        derive_turns(template, bos_token="<s>")
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_undefined_special_token_is_an_error_of_the_template():
    with pytest.raises(TemplateError, match="refuses a chat: 'bos_token' is undefined"):
        derive_turns("{{ bos_token + messages[0].content }}")


QUESTION = {"role": "user", "content": "Why?"}
ANSWER = {"role": "assistant", "content": "So."}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        ([], "needs a message from the user"),
        ([SYSTEM], "needs a message from the user"),
        ([ANSWER], "Message 1 of the chat is from 'assistant', expected 'user'"),
        ([QUESTION, QUESTION], "Message 2 of the chat is from 'user', expected 'assistant'"),
        ([QUESTION, SYSTEM], "Message 2 of the chat is from 'system'"),
        ([QUESTION, ANSWER], "must be the user's"),
    ],
)
def test_chat_out_of_order_is_a_usage_error(chat, reason):
    with pytest.raises(UsageError, match=reason):
        render(TURNS["qwen"], chat)


def test_system_message_where_the_template_takes_none_is_a_usage_error():
    with pytest.raises(UsageError, match="takes no system message"):
        render(TURNS["gemma"], [SYSTEM, QUESTION])


def test_system_message_can_only_open_a_chat():
    with pytest.raises(UsageError, match="only open a chat"):
        render_turn(TURNS["qwen"], "Why?", first=False, system="Be brief.")


def test_rendering_needs_no_jinja():
    code = (
        "import sys; from sdk_builder.bundle import render; "
        "sys.exit([m for m in ('jinja2', 'torch') if m in sys.modules] or 0)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", code], env=env).returncode == 0

"""Which tokens of a conversation the model learns to write."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from sdk_builder.bundle import chat as bundle_chat
from sdk_builder.errors import TemplateError, TokenizerError
from sdk_builder.models.loss import IGNORED
from sdk_builder.models.preset_checkpoint import CHATML, byte_tokenizer
from sdk_builder.training.conversations import PLAIN_TEMPLATE, Chat, Refused

STRIPPING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.strip() }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WITHOUT_END = (
    "{% for m in messages %}{{ m.role[0] + ':' + m.content + ';' }}{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)
FORGETFUL = (  # leaves out all answers but the last one
    "{% for m in messages %}{% if m.role != 'assistant' or loop.last %}"
    "{{ m.role[0] + ':' + m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system message') }}{% endif %}"
    + CHATML
)
TWO_TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "First."},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": " Second\n"},
]


def tokenizer_with(template: str | None, **changes: str | None) -> PreTrainedTokenizerFast:
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", **changes}
    text = byte_tokenizer(320).json_text
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(text), chat_template=template, **special
    )


def learned(chat: Chat, turns: list[dict[str, str]]) -> str:
    encoded = chat.encode(turns)
    assert len(encoded.ids) == len(encoded.labels)
    pairs = zip(encoded.ids, encoded.labels, strict=True)
    assert all(label in (IGNORED, one) for one, label in pairs)
    return str(chat.tokenizer.decode([one for one in encoded.labels if one != IGNORED]))


@pytest.mark.parametrize(
    ("template", "answers"),
    [
        (CHATML, "First.<|im_end|> Second\n<|im_end|>"),
        (None, "First.<|im_end|> Second\n<|im_end|>"),
        (MARKED, "First.<|im_end|> Second\n<|im_end|>"),
        (STRIPPING, "First.<|im_end|>Second<|im_end|>"),
        # There is no end token to learn from; so the conversation's end gets one.
        (WITHOUT_END, "First. Second\n<|im_end|>"),
    ],
    ids=["ChatML", "none", "marked", "stripping", "without end"],
)
def test_answers_and_their_ends_alone_are_learned(template, answers):
    assert learned(Chat(tokenizer_with(template)), TWO_TURNS) == answers


@pytest.mark.parametrize("template", [CHATML, MARKED, STRIPPING, None])
def test_ids_are_those_of_the_template_s_text(template):
    chat = Chat(tokenizer_with(template))
    text = chat.tokenizer.apply_chat_template(TWO_TURNS, tokenize=False)
    assert chat.encode(TWO_TURNS).ids == chat.tokenizer(text)["input_ids"]


def test_prompt_ends_where_the_answer_begins():
    chat = Chat(tokenizer_with(CHATML))
    encoded = chat.encode(TWO_TURNS[:3])
    first = next(i for i, label in enumerate(encoded.labels) if label != IGNORED)
    assert chat.encode_prompt(TWO_TURNS[:2]) == encoded.ids[:first]


def test_two_answers_share_their_prompt():
    chat = Chat(tokenizer_with(CHATML))
    prompt, answers = chat.encode_answers(TWO_TURNS[:2], ("yes", "no"))
    assert prompt == chat.encode_prompt(TWO_TURNS[:2])
    assert chat.tokenizer.batch_decode(answers) == ["yes<|im_end|>", "no<|im_end|>"]


def test_plain_template_can_be_carried_by_a_bundle():
    tokenizer = tokenizer_with(None)
    assert Chat(tokenizer).plain
    turns = bundle_chat.derive_turns(PLAIN_TEMPLATE, eos_token="<|im_end|>")
    text = bundle_chat.render(turns, TWO_TURNS[:2])
    assert text == "Be brief.\n\nUser:\nOne?\n\nAssistant:\n"
    assert tokenizer(text)["input_ids"] == Chat(tokenizer).encode_prompt(TWO_TURNS[:2])


def test_conversation_that_the_template_refuses_is_told_apart_from_a_bad_template():
    chat = Chat(tokenizer_with(NO_SYSTEM))
    with pytest.raises(Refused, match="no system message"):
        chat.encode(TWO_TURNS)
    assert learned(chat, TWO_TURNS[1:3]) == "First.<|im_end|>"


def test_template_that_rewrites_earlier_turns_is_an_error():
    with pytest.raises(TemplateError, match="in several ways"):
        Chat(tokenizer_with(FORGETFUL)).encode(TWO_TURNS)


@pytest.mark.parametrize("template", ["{{ messages[0]['content'] }}", "{% if %}"])
def test_template_without_answers_is_an_error(template):
    with pytest.raises(TemplateError):
        Chat(tokenizer_with(template))


def test_tokenizer_that_ends_nothing_is_an_error():
    with pytest.raises(TokenizerError, match="no end-of-text token"):
        Chat(tokenizer_with(CHATML, eos_token=None))

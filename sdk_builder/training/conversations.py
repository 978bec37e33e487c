"""Conversations as token ids, and which of these the model is to write.

The text is the chat template's. A turn of the assistant begins where the template asks for it
(`add_generation_prompt`) and ends with the token that ends its answer; both are found by writing
the conversation turn by turn, or from the template's own `{% generation %}` marks. The text is
tokenized as a whole, as a program on the phone does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jinja2 import TemplateError as JinjaError
from transformers import PreTrainedTokenizerBase

from sdk_builder.errors import TemplateError, TokenizerError
from sdk_builder.models.loss import IGNORED
from sdk_builder.models.source_info import first_line

# For models that come without a chat template; it is saved with the trained model.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User:\n' + message['content'] + '\n\n' }}"
    "{% else %}{{ 'Assistant:\n' + message['content'] + eos_token + '\n\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
)

Turns = Sequence[Mapping[str, str]]  # {"role": ..., "content": ...} each


class Refused(Exception):
    """The chat template does not take this conversation; the text says why."""


@dataclass(frozen=True)
class Encoded:
    """ids ``[S]``; labels ``[S]``: the same where the assistant speaks, else `IGNORED`."""

    ids: list[int]
    labels: list[int]

    @property
    def learns(self) -> bool:
        """Whether any token counts."""
        return any(label != IGNORED for label in self.labels)

    def cut(self, length: int) -> Encoded:
        """The first `length` tokens."""
        return Encoded(self.ids[:length], self.labels[:length])


class Chat:
    """A tokenizer with a chat template; `PLAIN_TEMPLATE`, which it then keeps, if it had none.

    Raises TokenizerError where no token ends an answer, TemplateError for a template that cannot
    write a question and its answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.eos_token is None:
            raise TokenizerError(
                "The tokenizer has no end-of-text token: no answer could learn to end.",
                "Give one that has an eos_token with tokenizer: PATH.",
            )
        self.tokenizer = tokenizer
        self.plain = tokenizer.chat_template is None
        if self.plain:
            ids = tokenizer("a")["input_ids"]
            begins = tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id
            tokenizer.chat_template = ("{{ bos_token }}" if begins else "") + PLAIN_TEMPLATE
        self._marked = bool(_GENERATION.search(str(tokenizer.chat_template)))
        self._suffix = self._probe()
        self._closing = self._up_to_end(self._suffix)

    def encode(self, turns: Turns) -> Encoded:
        """A conversation that ends with the assistant. Raises Refused, TemplateError."""
        if self._marked:
            return self._encode_marked(turns)
        text, spans = self._write(turns)
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        labels = [
            one if any(begin <= start < end for begin, end in spans) else IGNORED
            for one, (start, _) in zip(found["input_ids"], found["offset_mapping"], strict=True)
        ]
        return Encoded(list(found["input_ids"]), labels)

    def encode_prompt(self, turns: Turns) -> list[int]:
        """A conversation that ends with the user, up to where the answer begins. Raises Refused."""
        text = self._apply(turns, asks=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_answers(
        self, prompt: Turns, answers: Sequence[str]
    ) -> tuple[list[int], list[list[int]]]:
        """(ids of the prompt, ids of each answer with the token that ends it). Where tokens reach
        over the border, the prompt is what all have in common. Raises Refused, TemplateError."""
        all_ids, begins = [], []
        for answer in answers:
            encoded = self.encode([*prompt, {"role": "assistant", "content": answer}])
            end = _end(encoded.labels)
            all_ids.append(encoded.ids[:end])
            begins.append(_begin(encoded.labels, end))
        shared = min(begins)
        while any(ids[:shared] != all_ids[0][:shared] for ids in all_ids):
            shared -= 1
        return all_ids[0][:shared], [ids[shared:] for ids in all_ids]

    # --- by writing turn after turn

    def _write(self, turns: Turns) -> tuple[str, list[tuple[int, int]]]:
        """The text, and from where to where in it the answers reach, end tokens included."""
        whole = self._apply(turns)
        spans = []
        for at, turn in enumerate(turns):
            if turn["role"] != "assistant":
                continue
            last = at + 1 == len(turns)
            before = self._apply(turns[:at], asks=True)
            after = whole if last else self._apply(turns[: at + 1])
            end = len(after) - len(self._suffix) + len(self._closing)
            if not (
                after.startswith(before)
                and after.endswith(self._suffix)
                and whole.startswith(after[:end])
            ):
                raise TemplateError(
                    "The chat template writes a turn in several ways, so that what the assistant "
                    "said in it cannot be told.",
                    "Mark that in the template: {% generation %} ... {% endgeneration %}.",
                )
            if last and not self._closing:  # answers have to end, even if the template has no token
                whole = after[:end] + str(self.tokenizer.eos_token)
                end = len(whole)
            spans.append((len(before), end))
        return whole, spans

    def _probe(self) -> str:
        """What the template writes behind an answer."""
        chat = [
            {"role": "user", "content": "Probe1Q7h"},
            {"role": "assistant", "content": "Probe2Q7h"},
        ]
        try:
            _, found, suffix = self._apply(chat).partition("Probe2Q7h")
        except Refused as error:
            raise TemplateError(f"The chat template cannot be used: {error}.") from error
        if not found:
            raise TemplateError("The chat template leaves out what the assistant says.")
        return suffix

    def _up_to_end(self, suffix: str) -> str:
        """The part of it that the model has to write: up to the token that ends its answer; what
        comes behind is the program's that asks the next question."""
        eos = str(self.tokenizer.eos_token)
        special = {
            one.content for one in self.tokenizer.added_tokens_decoder.values() if one.special
        }
        there = [token for token in special if token in suffix]
        if eos in suffix:
            there = [eos]
        ends = [suffix.index(token) + len(token) for token in there]
        return suffix[: min(ends, default=0)]

    def _apply(self, turns: Turns, *, asks: bool = False) -> str:
        with _refusals():
            text: str = self.tokenizer.apply_chat_template(
                [dict(turn) for turn in turns], tokenize=False, add_generation_prompt=asks
            )
        return text

    def _encode_marked(self, turns: Turns) -> Encoded:
        """By the template's own marks."""
        with _refusals():
            found = self.tokenizer.apply_chat_template(
                [dict(turn) for turn in turns],
                tokenize=True,
                return_dict=True,
                return_assistant_tokens_mask=True,
            )
        ids = list(found["input_ids"])
        counts = found["assistant_masks"]
        return Encoded(
            ids, [one if said else IGNORED for one, said in zip(ids, counts, strict=True)]
        )


_GENERATION = re.compile(r"{%-?\s*generation\b")


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a template raises about a conversation into Refused."""
    try:
        yield
    except (JinjaError, TypeError, ValueError, KeyError) as error:
        raise Refused(first_line(error)) from error


def _end(labels: list[int]) -> int:
    """Behind the last label."""
    at = len(labels)
    while at and labels[at - 1] == IGNORED:
        at -= 1
    return at


def _begin(labels: list[int], end: int) -> int:
    """Where the labels that end there begin."""
    while end and labels[end - 1] != IGNORED:
        end -= 1
    return end

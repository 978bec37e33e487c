"""From a Jinja chat template to chat turns.

A chat template is a program. Nearly all of them put the same texts before and after every
message of a role; `derive_turns` finds these texts by probing, then holds the result
against the template on a set of chats. What fixed texts cannot express is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sdk_builder.bundle.template import Render, compile_template
from sdk_builder.bundle.turns import ChatTurns, Message, Role, render, render_turn
from sdk_builder.errors import TemplateError

__all__ = ["ChatTurns", "Message", "Role", "derive_turns", "render", "render_turn"]

# Letters and digits only, so that no template takes them for more than text.
_MARKS = ("Probe1Q7h", "Probe1R7h", "Probe2Q7h", "Probe2R7h", "Probe3Q7h")
_SYSTEM_MARK = "ProbeS7h"

# Texts that the result is checked with: white space of all kinds, scripts, markup.
_TEXTS = (
    "Hello",
    "  two leading spaces",
    "line one\nline two\n\n",
    "नमस्ते, 你好 🙂",
    "\ta tab and a trailing space ",
    "<b>&amp; \"quotes\" 'n' {{ braces }} {% tags %} \\n",
)


def derive_turns(
    template: str,
    *,
    bos_token: str | None = None,
    eos_token: str | None = None,
    special_tokens: Mapping[str, str] | None = None,
) -> ChatTurns:
    """The turns that write what the Jinja `template` writes.

    `special_tokens` are further variables for the template (pad_token, date_string, ...).
    Where the template refuses system messages, or puts them where fixed texts cannot, the
    turns have `system_place` "none".

    Raises TemplateError, with the reason, for a template that fixed texts cannot express.
    """
    tokens = {"bos_token": bos_token, "eos_token": eos_token, **(special_tokens or {})}
    write = compile_template(template, {k: v for k, v in tokens.items() if v is not None})
    plain = _probe_dialogue(write, template)
    difference = None
    for turns in [*_probe_system(write, plain, bos_token or ""), plain]:
        difference = _difference(write, turns)
        if difference is None:
            return turns
    raise _not_fixed(f"they differ {difference}")


def _not_fixed(reason: str) -> TemplateError:
    return TemplateError(
        f"The chat template cannot be written as fixed turns: {reason}.",
        "Bundles carry only templates that write each message between fixed texts.",
    )


# --- probing ----------------------------------------------------------------------------


def _probe_dialogue(write: Render, template: str) -> ChatTurns:
    """Turns for chats without a system message; all before the first user text is `begin`."""
    head, answer, question, answer_again, question_again, tail = _gaps(
        write(_chat(_MARKS), True), _MARKS
    )
    if (answer, question) != (answer_again, question_again):
        raise _not_fixed("it writes the first turn unlike later ones")

    # Where one turn ends and the next begins shows in what a finished chat ends with. Some
    # templates end it otherwise; then what the gaps have in common decides.
    user_suffix = _closing(write, 1)
    if user_suffix is None or not (answer.startswith(user_suffix) and tail.startswith(user_suffix)):
        user_suffix = answer[: _shared_length(answer, tail)]
    assistant_suffix = _closing(write, 2)
    if assistant_suffix is None or not (
        question.startswith(assistant_suffix) and head.endswith(question[len(assistant_suffix) :])
    ):
        shared = _shared_length(question[::-1], head[::-1])
        assistant_suffix = question[: len(question) - shared]

    user_prefix = question[len(assistant_suffix) :]
    assistant_prefix, generation_prompt = answer[len(user_suffix) :], tail[len(user_suffix) :]
    if not assistant_prefix.startswith(generation_prompt):
        raise _not_fixed(
            f"it asks for an answer with {generation_prompt!r} but writes past answers after "
            f"{assistant_prefix!r}"
        )
    turns = ChatTurns(
        begin=head[: len(head) - len(user_prefix)],
        system_place="none",
        system_prefix="",
        system_suffix="",
        default_system=None,
        user_prefix=user_prefix,
        user_suffix=user_suffix,
        assistant_prefix=assistant_prefix,
        assistant_suffix=assistant_suffix,
        generation_prompt=generation_prompt,
        strip_roles=(),
        template=template,
    )
    roles: tuple[Role, ...] = ("user", "assistant")
    return turns.model_copy(
        update={"strip_roles": tuple(role for role in roles if _strips(write, role))}
    )


def _probe_system(write: Render, plain: ChatTurns, bos: str) -> Iterator[ChatTurns]:
    """Candidates for where system messages go; none if the template refuses them."""
    try:
        before, after, *_ = _gaps(
            write(_chat(_MARKS[:1], _SYSTEM_MARK), True), (_SYSTEM_MARK, _MARKS[0])
        )
        strips = _strips(write, "system")
    except TemplateError:
        return
    user_prefix = plain.user_prefix
    head = plain.begin + user_prefix  # before the first question of a chat without system
    openings: list[tuple[str, str | None]] = [(plain.begin, None)]
    if head.startswith(before) and head[len(before) :].endswith(after):
        # The same place is filled where no system message is given: by a default text.
        default = head[len(before) : len(head) - len(after)]
        # SmolLM's first token is also what opens its turns: that is not a beginning of its own.
        begins = before.startswith(bos) and not user_prefix.startswith(bos)
        openings.append((bos if begins else "", default))
    for begin, default_system in openings:
        shared = {
            "begin": begin,
            "default_system": default_system,
            "strip_roles": (("system",) if strips else ()) + plain.strip_roles,
        }
        if before.startswith(begin) and after.endswith(user_prefix):
            yield plain.model_copy(
                update=shared
                | {
                    "system_place": "turn",
                    "system_prefix": before[len(begin) :],
                    "system_suffix": after[: len(after) - len(user_prefix)],
                }
            )
        if before.startswith(begin + user_prefix):
            yield plain.model_copy(
                update=shared
                | {
                    "system_place": "first_user",
                    "system_prefix": before[len(begin + user_prefix) :],
                    "system_suffix": after,
                }
            )


def _chat(contents: Sequence[str], system: str | None = None) -> list[Message]:
    """User and assistant contents in turn, after a system message if given."""
    messages: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    for i, content in enumerate(contents):
        messages.append({"role": "assistant" if i % 2 else "user", "content": content})
    return messages


def _gaps(text: str, markers: Sequence[str]) -> list[str]:
    """The texts before, between and after the markers, which must each be there once."""
    gaps = []
    for marker in markers:
        before, found, text = text.partition(marker)
        if not found or marker in text:
            raise _not_fixed("it changes, drops, repeats or moves a message")
        gaps.append(before)
    return [*gaps, text]


def _closing(write: Render, messages: int) -> str | None:
    """What follows the last of so many messages in a finished chat; None if that is refused."""
    try:
        return _gaps(write(_chat(_MARKS[:messages]), False), _MARKS[:messages])[-1]
    except TemplateError:
        return None


def _shared_length(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _strips(write: Render, role: Role) -> bool:
    """Whether the template takes white space off the ends of this role's contents."""
    padded = " \n" + _SYSTEM_MARK + "\n "
    question, _, next_question, *_ = _MARKS
    chats = {
        "system": _chat([question], padded),
        "user": _chat([padded]),
        "assistant": _chat([question, padded, next_question]),
    }
    return padded not in write(chats[role], True)


# --- checking ---------------------------------------------------------------------------


def _difference(write: Render, turns: ChatTurns) -> str | None:
    """Where the turns and the template part, or None if they agree on all chats tried."""
    systems = [None] if turns.system_place == "none" else [None, *_TEXTS]
    for i, system in enumerate(systems):
        for questions in range(1, 5):
            for shift in range(len(_TEXTS)):
                texts = [_TEXTS[(i + shift + k) % len(_TEXTS)] for k in range(2 * questions - 1)]
                chat = _chat(texts, system)
                if write(chat, True) != render(turns, chat):
                    having = "without" if system is None else "with"
                    return f"on a chat of {questions} questions {having} a system message"
    return None

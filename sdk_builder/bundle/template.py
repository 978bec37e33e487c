"""Jinja chat templates, rendered as transformers renders them, but without transformers.

A template is a program that came with a checkpoint, so it runs in Jinja's sandbox and sees
nothing but the messages and the special tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdk_builder.bundle.turns import Message
from sdk_builder.errors import TemplateError

Render = Callable[[Sequence[Message], bool], str]


def compile_template(source: str, tokens: Mapping[str, str]) -> Render:
    """A function from (messages, add_generation_prompt) to the template's output.

    `tokens` are the special tokens by the names that templates use (bos_token, ...).
    Raises TemplateError where the template does not compile; so does the function where the
    template raises anything, asks for today's date, or fails for another reason.
    """
    try:
        template = _environment().from_string(source)
    except Exception as error:  # whatever a parser says about somebody else's program
        raise TemplateError(f"The chat template is not valid Jinja: {_reason(error)}.") from error

    def render(messages: Sequence[Message], add_generation_prompt: bool) -> str:
        try:
            return template.render(
                messages=[dict(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **tokens,
            )
        except TemplateError:
            raise
        except Exception as error:  # any exception: a template is a program
            raise TemplateError(f"The chat template refuses a chat: {_reason(error)}.") from error

    return render


def _environment() -> Any:
    """Jinja's sandbox with the settings, filters and functions that templates rely on."""
    # Here, so that reading bundles needs no Jinja.
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError as JinjaError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %} marks assistant text for training; here it is only a scope."""

        tags = {"generation"}  # noqa: RUF012 (Jinja's own way)

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def raise_exception(message: str) -> None:
        raise JinjaError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = _refuse_date
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Without Jinja's escaping of HTML characters."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _refuse_date(format: str) -> str:
    raise TemplateError(
        "The chat template writes today's date (strftime_now), which fixed turns cannot hold.",
        "Give a template that has the date as fixed text or leaves it out.",
    )


def _reason(error: Exception) -> str:
    """The first line of what went wrong, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__

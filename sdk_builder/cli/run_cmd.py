"""`shakti-sdk run`: chat with a bundle, or complete text, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sdk_builder.cli import chat
from sdk_builder.cli.answers import Conversation
from sdk_builder.cli.arguments import bundle_argument
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.requests import Answering
from sdk_builder.errors import InputError, Interrupted, UsageError


@click.command("run")
@bundle_argument
@click.argument("prompt", required=False)
@click.option("--raw", is_flag=True, help="Complete the prompt as plain text: no chat turns.")
@click.option("--system", metavar="TEXT", help="The system message of the chat.")
@click.option(
    "--temperature", type=click.FloatRange(min=0.0), metavar="T", help="0 takes the best token."
)
@click.option(
    "--top-p",
    type=click.FloatRange(min=0.0, max=1.0, min_open=True),
    metavar="P",
    help="Sample from the most likely tokens that make up P.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Sample the same way every time.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Longest answer.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End at this text; may be repeated.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to compute on.")
@click.option("--stats", "show_stats", is_flag=True, help="Speed and memory, on stderr.")
@command_options
def run(
    invocation: Invocation,
    *,
    bundle: Path,
    prompt: str | None,
    raw: bool,
    system: str | None,
    threads: int | None,
    show_stats: bool,
    **answering: Any,
) -> None:
    """Ask BUNDLE one PROMPT, or chat with it when there is none.

    A PROMPT of - reads standard input, as does a missing one where input is piped. Omitted
    options take the bundle's own defaults. Ctrl-C stops the answer.
    """
    if raw and system is not None:
        raise UsageError("--system belongs to a chat, --raw does without one.")
    interactive = prompt is None and sys.stdin.isatty()
    if interactive and (raw or invocation.as_json):
        raise UsageError("Give a PROMPT with --raw or --json, or pipe it in.")
    text = None if interactive else _prompt_text(prompt)
    options = Answering(**answering)
    opened = invocation.library.converse(
        bundle, threads=threads, system=system, raw=raw, steps=invocation.steps()
    )
    with opened as conversation:
        if text is None:
            chat.converse(conversation, options, quiet=invocation.quiet, show_stats=show_stats)
        else:
            _answer_once(invocation, conversation, text, options, raw, show_stats)


def _prompt_text(prompt: str | None) -> str:
    """The prompt of the command line, or all of standard input. Raises UsageError, InputError."""
    text = prompt
    if text is None or text == "-":
        try:
            text = sys.stdin.read().removesuffix("\n")
        except UnicodeDecodeError as error:
            raise InputError("Standard input is not UTF-8 text.") from error
    if not text.strip():
        raise UsageError("The prompt is empty.", 'For example: shakti-sdk run BUNDLE "Hello!"')
    return text


def _answer_once(
    invocation: Invocation,
    conversation: Conversation,
    prompt: str,
    options: Answering,
    raw: bool,
    show_stats: bool,
) -> None:
    """One answer: streamed, or as one document. Raises Interrupted after Ctrl-C."""
    generate = conversation.complete if raw else conversation.send
    answer = chat.Answer(generate(prompt, options))
    answer.stream(sys.stdout if not invocation.as_json else None)
    stats = conversation.stats
    if invocation.as_json and not answer.stopped:
        document = {"prompt": prompt, "text": answer.text, "stats": chat.stats_document(stats)}
        invocation.result(document, "")
    elif show_stats:
        click.echo(chat.stats_line(stats), err=True)
    if answer.stopped:
        raise Interrupted("Stopped.", "--max-tokens and --stop bound an answer beforehand.")

"""The chat of `shakti-sdk run`: streaming, Ctrl-C, and the commands that begin with a slash."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TextIO

import click

from sdk_builder import interrupts
from sdk_builder.cli.answers import Conversation, Stats
from sdk_builder.cli.requests import Answering
from sdk_builder.errors import SessionError

PROMPT = "> "
HELP = """\
/reset  forget the conversation
/stats  speed and memory of the last answer
/help   this list
/exit   leave (so does Ctrl-D)
Ctrl-C stops an answer."""


class Answer:
    """One answer while it streams. Ctrl-C stops it; the text so far stays."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self.text = ""
        self.stopped = False

    def stream(self, out: TextIO | None) -> None:
        """Take the answer to its end, writing each piece to `out` at once."""
        try:
            for piece in self._pieces:
                self.text += piece
                if out is not None:
                    out.write(piece)
                    out.flush()
        except KeyboardInterrupt:
            interrupts.answered()
            self.stopped = True
        finally:
            if close := getattr(self._pieces, "close", None):
                close()  # a generator: lets the session put its state in order
        if out is not None and not self.text.endswith("\n"):
            out.write("\n")
            out.flush()


def converse(
    conversation: Conversation,
    options: Answering,
    *,
    quiet: bool = False,
    show_stats: bool = False,
    read_line: Callable[[str], str] = input,
) -> None:
    """Chat until /exit, the end of input, or Ctrl-C twice in a row without an answer between.

    An error of one turn (a prompt too long, say) is shown and the chat goes on.
    """
    with suppress(ImportError):
        import readline  # noqa: F401  (line editing and history for input())
    if not quiet:
        click.echo("Ask away. /help lists commands, /exit leaves.", err=True)
    interrupted = False
    while True:
        try:
            line = read_line(PROMPT).strip()
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            if interrupted:
                return
            interrupts.answered()
            interrupted = True
            click.echo("\nCtrl-C again, or /exit, to leave.", err=True)
            continue
        interrupted = False
        if line.startswith("/"):
            if not _obey(line, conversation):
                return
        elif line:
            interrupted = _take_turn(conversation, line, options, show_stats)


def _take_turn(conversation: Conversation, line: str, options: Answering, show_stats: bool) -> bool:
    """Answer one line; returns whether Ctrl-C stopped the answer."""
    answer = Answer(conversation.send(line, options))
    try:
        answer.stream(sys.stdout)
    except SessionError as error:
        click.echo(f"error: {error.message}", err=True)
        click.echo(f"hint: {error.hint or '/reset begins a new conversation.'}", err=True)
        return False
    left = conversation.stats.dropped_exchanges
    if left:
        which = "oldest exchange" if left == 1 else f"{left} oldest exchanges"
        click.echo(f"(The context was full: the {which} left it.)", err=True)
    if show_stats:
        click.echo(stats_line(conversation.stats), err=True)
    return answer.stopped


def _obey(command: str, conversation: Conversation) -> bool:
    """Carry out a slash command; returns whether the chat goes on."""
    if command in ("/exit", "/quit"):
        return False
    if command == "/reset":
        conversation.reset()
        click.echo("New conversation.", err=True)
    elif command == "/stats":
        click.echo(stats_line(conversation.stats), err=True)
    elif command == "/help":
        click.echo(HELP, err=True)
    else:
        click.echo(f"No such command: {command}\n{HELP}", err=True)
    return True


def stats_line(stats: Stats) -> str:
    """The last answer in numbers, on one line; what was not measured is left out."""
    parts = [f"prompt {stats.prompt_tokens} tokens"]
    if stats.reused_tokens:
        parts[-1] = f"prompt {stats.prompt_tokens} new and {stats.reused_tokens} kept tokens"
    if stats.prefill_tokens_per_s is not None:
        parts[-1] += f" at {stats.prefill_tokens_per_s:.0f}/s"
    if stats.ttft_ms is not None:
        parts.append(f"first token after {stats.ttft_ms:.0f} ms")
    parts.append(f"answer {stats.generated_tokens} tokens")
    if stats.decode_tokens_per_s is not None:
        parts[-1] += f" at {stats.decode_tokens_per_s:.1f}/s"
    parts.append(f"context {stats.context_used}")
    if stats.peak_memory_mib is not None:
        parts.append(f"peak memory {stats.peak_memory_mib:.0f} MiB")
    parts.append(f"ended by {stats.finish_reason}" if stats.finish_reason else "stopped")
    return "; ".join(parts)


def stats_document(stats: Stats) -> dict[str, Any]:
    """The same for programs."""
    return {
        "prompt_tokens": stats.prompt_tokens,
        "reused_tokens": stats.reused_tokens,
        "generated_tokens": stats.generated_tokens,
        "ttft_ms": stats.ttft_ms,
        "prefill_tokens_per_s": stats.prefill_tokens_per_s,
        "decode_tokens_per_s": stats.decode_tokens_per_s,
        "peak_memory_mib": stats.peak_memory_mib,
        "context_used": stats.context_used,
        "finish_reason": stats.finish_reason,
        "dropped_exchanges": stats.dropped_exchanges,
    }

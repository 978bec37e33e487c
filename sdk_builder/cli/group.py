"""The root group: loads a command's module when it is asked for, and ends every run.

Nothing else in the command line catches ShaktiError or exits. A failure prints

    error: what happened
    hint: what to do next

on stderr. With --json stdout holds exactly one document either way: the result, or
{"error": {"code", "family", "cause", "message", "hint"}}.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import click

from sdk_builder import interrupts
from sdk_builder.cli.output import json_text
from sdk_builder.errors import EXIT_CODES, Interrupted, ShaktiError, UsageError

READER_GONE = 141  # 128 + SIGPIPE: what a shell reports for any program whose reader left
BUG = 1

RESUME_HINT = (
    "Run the same command again: nothing half-written was left, and finished downloads are kept."
)


class LazyCommand(NamedTuple):
    """Where a command lives, and its line in the list of commands."""

    module: str
    attribute: str
    summary: str


class ReaderGone(Exception):
    """Whoever read our stdout went away; not an OSError, which click would handle itself."""


@dataclass(frozen=True)
class Failure:
    """An exception as the user sees it."""

    code: int
    family: str
    cause: str
    message: str
    hint: str

    def document(self) -> dict[str, Any]:
        """The value of "error" in a JSON document."""
        return {
            "code": self.code,
            "family": self.family,
            "cause": self.cause,
            "message": self.message,
            "hint": self.hint,
        }


def describe(error: BaseException) -> Failure:
    """What to tell the user about an exception that ended a command."""
    if isinstance(error, click.Abort) or interrupts.is_ctrl_c(error):
        error = Interrupted("Stopped.", RESUME_HINT)
    if isinstance(error, click.ClickException):
        error = _usage_error(error)
    if isinstance(error, ShaktiError):
        cause = type(error).__name__
        return Failure(error.exit_code, family_of(error), cause, error.message, error.hint)
    cause = type(error).__name__
    if isinstance(error, MemoryError):
        hint = "Close other programs, or use a smaller model or a smaller --context."
        return Failure(BUG, "InternalError", cause, "This machine is out of memory.", hint)
    message = f"internal error: {cause}: {error}".rstrip(": ").splitlines()[0]
    return Failure(BUG, "InternalError", cause, message, "Rerun with --debug for the traceback.")


def family_of(error: ShaktiError) -> str:
    """The name of the error's family: its nearest class that has a row in EXIT_CODES."""
    families = {row.family for row in EXIT_CODES}
    names = (cls.__name__ for cls in type(error).__mro__)
    return next((name for name in names if name in families), "InternalError")


def _usage_error(error: click.ClickException) -> UsageError:
    """click's complaint about the command line, as ours."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"See {context.command_path} --help" if context else ""
    return UsageError(error.format_message(), hint)


def has_flag(arguments: Sequence[str], flag: str) -> bool:
    """Whether a flag was typed, even on a command line that cannot be parsed."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    return flag in list(arguments)[:end]


class ShaktiGroup(click.Group):
    """A group of commands that are imported on use, and the only exit point."""

    def __init__(
        self, *args: Any, lazy: Mapping[str, LazyCommand] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table: as a user meets them."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module, now that it is asked for."""
        entry = self.lazy.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table, so that --help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's own, but an unknown command names the nearest one we have."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(
                error.command_name, possibilities=self.lazy, ctx=ctx
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what only we can tell apart leaves as our own exceptions."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            raise Interrupted("Stopped.", RESUME_HINT) from error
        except BrokenPipeError as error:
            raise ReaderGone from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line and leave with its exit code; the only exit point."""
        arguments = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a console may lack a character
        with interrupts.noted():
            code = self._run(arguments, prog_name, complete_var, extra)
        sys.exit(code)

    def _run(
        self,
        arguments: list[str],
        prog_name: str | None,
        complete_var: str | None,
        extra: Mapping[str, Any],
    ) -> int:
        try:
            # click returns the code of an Exit; our commands return nothing
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
            return code if isinstance(code, int) else 0
        except ReaderGone:
            # so that the interpreter's own last flush finds no broken pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return READER_GONE
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return UsageError.exit_code
        except Exception as error:
            failure = describe(error)
            if has_flag(arguments, "--debug"):
                traceback.print_exception(error)
            report(failure, as_json=has_flag(arguments, "--json"))
            return failure.code


def report(failure: Failure, *, as_json: bool) -> None:
    """Print a failure for people on stderr and, with --json, for programs on stdout."""
    if as_json:
        click.echo(json_text({"error": failure.document()}))
    click.echo(f"error: {failure.message}", err=True)
    if failure.hint:
        click.echo(f"hint: {failure.hint}", err=True)

"""What every command shares: --json, -v, -q, --debug, and where its results go."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from sdk_builder.cli.group import describe
from sdk_builder.cli.installed import InstalledLibrary
from sdk_builder.cli.library import Library
from sdk_builder.cli.output import json_text
from sdk_builder.errors import ShaktiError
from sdk_builder.log import Steps

CommandFunction = Callable[..., None]


@dataclass(frozen=True)
class Invocation:
    """One run of a command: the library that it calls, and how it speaks.

    Results go to stdout; steps, hints and remarks to stderr.
    """

    library: Library
    as_json: bool
    verbose: bool
    quiet: bool

    def steps(self) -> Steps:
        """A reporter for the library: a line a step on stderr, none with --quiet."""
        return Steps.silent() if self.quiet else Steps(verbosity=int(self.verbose))

    def result(self, document: dict[str, Any], text: str) -> None:
        """Print the result: the document with --json, else the text."""
        click.echo(json_text(document) if self.as_json else text)

    def remark(self, text: str) -> None:
        """Something beside the result, for a person: on stderr, and not with --quiet."""
        if not (self.quiet or self.as_json):
            click.echo(text, err=True)

    def failed(self, document: dict[str, Any], text: str, error: ShaktiError) -> NoReturn:
        """Print a result that is itself a failure, and end with the error's exit code.

        With --json the one document on stdout holds both the result and the error.
        """
        if not self.as_json:
            click.echo(text)
            raise error
        click.echo(json_text({**document, "error": describe(error).document()}))
        raise click.exceptions.Exit(error.exit_code)


def command_options(function: CommandFunction) -> CommandFunction:
    """Give a command the common options and an Invocation as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @click.option("-v", "--verbose", is_flag=True, help="More detail.")
    @click.option("-q", "--quiet", is_flag=True, help="No steps or hints on stderr.")
    @click.option("--debug", is_flag=True, help="A traceback with every error.")
    @functools.wraps(function)
    def command(
        *,
        as_json: bool,
        verbose: bool,
        quiet: bool,
        debug: bool,
        **options: Any,
    ) -> None:
        # The root group reads --debug itself: it must work on a command line that is wrong.
        context = click.get_current_context()
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose contradict each other.", context)
        library: Library = InstalledLibrary() if context.obj is None else context.obj
        function(Invocation(library, as_json, verbose, quiet), **options)

    return command

"""Arguments that several commands share, and their completion."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from sdk_builder.errors import ShaktiError, UsageError

PATH = click.Path(path_type=Path)  # existence is the library's to check: it knows the fix

bundle_argument = click.argument("bundle", type=PATH)


def complete_model(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of presets and sources; where none fits, files."""
    from sdk_builder.models.sources import known_names

    names = [name for name in known_names() if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


class Counts(click.ParamType):
    """Numbers of tokens with commas between them: ``128,512``."""

    name = "counts"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers, each at least 0 and none twice."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() for word in words):
            self.fail(f"{value!r} is not a list of numbers such as 128,512.", param, ctx)
        if len(set(map(int, words))) != len(words):
            self.fail(f"{value!r} has a number twice.", param, ctx)
        return tuple(map(int, words))


COUNTS = Counts()


def parse_threads(text: str | None) -> tuple[int, ...] | str | None:
    """--threads: None, "auto" or the numbers. Raises UsageError."""
    if text is None or text == "auto":
        return text
    try:
        numbers = COUNTS.convert(text, None, None)
    except click.BadParameter as error:
        raise UsageError(f"--threads: {error.message}", "Give auto, or e.g. 1,2,4.") from error
    if 0 in numbers:
        raise UsageError("--threads: there is no running on 0 threads.")
    return numbers


def complete_device(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """host, all, and the serials of attached phones."""
    return _beginning(incomplete, "host", "all", *_serials())


def complete_phone(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """all, and the serials of attached phones."""
    return _beginning(incomplete, "all", *_serials())


def _beginning(incomplete: str, *names: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _serials() -> list[str]:
    from sdk_builder.device.adb_server import ServerAdb

    try:
        return [phone.serial for phone in ServerAdb().listed()]
    except ShaktiError:  # no adb: the fixed words are still of use
        return []

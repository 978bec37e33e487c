"""Writes docs/cli.md from the commands themselves.

python -m sdk_builder.cli.reference            write it
python -m sdk_builder.cli.reference --check    exit with 1 if it is not current
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdk_builder.cli.root import COMMANDS, cli
from sdk_builder.errors import EXIT_CODES

TARGET = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
WIDTH = 100

INTRODUCTION = """\
# Command line

<!-- Made by: python -m sdk_builder.cli.reference -->

Results go to stdout; steps, hints and errors to stderr. With `--json` stdout holds exactly one
JSON document: the result, or `{"error": {"code", "family", "cause", "message", "hint"}}`. A result
that is itself a failure (`verify`, `doctor`) has both: its own fields, and `error`.
"""


def reference() -> str:
    """The whole page: the commands in the order of their table, then the exit codes."""
    sections = [INTRODUCTION, _help(cli, "shakti-sdk")]
    root = click.Context(cli, info_name="shakti-sdk")
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None  # it is in the table
        sections += _command(command, f"shakti-sdk {name}", "##")
    sections.append(_exit_codes())
    return "\n".join(sections)


def _command(command: click.Command, path: str, mark: str) -> list[str]:
    """A command's section, and those of its subcommands."""
    sections = [f"{mark} {path.removeprefix('shakti-sdk ')}\n\n{_help(command, path)}"]
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            sections += _command(sub, f"{path} {name}", f"{mark}#")
    return sections


def _help(command: click.Command, path: str) -> str:
    context = click.Context(
        command,
        info_name=path,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return f"```text\n{command.get_help(context)}\n```\n"


def _exit_codes() -> str:
    rows = [f"| {row.code} | {row.family or '-'} | {row.meaning} |" for row in EXIT_CODES]
    rows.append("| 141 | - | Whoever read the output of a pipe went away. |")
    return "\n".join(["## Exit codes\n", "| code | family | meaning |", "|---|---|---|", *rows, ""])


def main(arguments: list[str]) -> int:
    """Write the page, or check it; returns the exit code."""
    page = reference()
    if arguments == ["--check"]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == page:
            return 0
        click.echo(f"{TARGET.name} is not current: python -m sdk_builder.cli.reference", err=True)
        return 1
    TARGET.write_text(page, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

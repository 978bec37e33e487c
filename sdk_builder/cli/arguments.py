"""Arguments that several commands share, and their completion."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

PATH = click.Path(path_type=Path)  # existence is the library's to check: it knows the fix

bundle_argument = click.argument("bundle", type=PATH)


def complete_model(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of presets and sources; where none fits, files."""
    from sdk_builder.models.sources import known_names

    names = [name for name in known_names() if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]

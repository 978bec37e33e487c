"""`shakti-sdk completion`: print a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from sdk_builder.errors import UsageError

PROGRAM = "shakti-sdk"
VARIABLE = "_SHAKTI_SDK_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: shakti-sdk completion bash > ~/.local/share/bash-completion/completions/shakti-sdk
    zsh:  shakti-sdk completion zsh > ~/.zfunc/_shakti-sdk   (a folder in $fpath)
    fish: shakti-sdk completion fish > ~/.config/fish/completions/shakti-sdk.fish
    """
    found = get_completion_class(shell)
    root = context.find_root().command
    if found is None:
        raise UsageError(f"No completion for {shell}.")
    click.echo(found(root, {}, PROGRAM, VARIABLE).source())

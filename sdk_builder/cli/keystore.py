"""A user's own signing key: its options, and its passwords, which are no options."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sdk_builder.cli.requests import KeystoreOptions
from sdk_builder.errors import UsageError

STORE_VARIABLE = "SHAKTI_KEYSTORE_PASSWORD"
KEY_VARIABLE = "SHAKTI_KEY_PASSWORD"


def keystore_options(path: Path | None, alias: str | None) -> KeystoreOptions | None:
    """The key to sign with; None: the debug key. Asks for passwords that the environment lacks.

    Raises UsageError for an alias without a keystore, a keystore that is not there, or where
    nobody can be asked.
    """
    if path is None:
        if alias is not None:
            raise UsageError("--key-alias needs --keystore.")
        return None
    if not path.is_file():  # before anybody is asked for its password
        raise UsageError(f"There is no keystore {path}.", "docs/demo.md has the command for one.")
    store = os.environ.get(STORE_VARIABLE)
    key = os.environ.get(KEY_VARIABLE)
    if store is None:
        store = _asked(f"Password of {path.name}", STORE_VARIABLE)
        if key is None:
            key = _asked("Password of the key", KEY_VARIABLE, default="")
    return KeystoreOptions(path, alias or "", store, key or None)


def _asked(question: str, variable: str, default: str | None = None) -> str:
    """A password typed without being shown; with a default, Enter takes that."""
    shown = question if default is None else f"{question} (Enter: the same)"
    try:
        answer = click.prompt(shown, default=default, hide_input=True, show_default=False, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise
        raise UsageError(f"{question} is not known.", f"Set {variable}.") from error
    return str(answer)

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

    Raises UsageError where one of the two options is missing, or nobody can be asked.
    """
    if path is None and alias is None:
        return None
    if path is None or alias is None:
        raise UsageError("--keystore and --key-alias go together.")
    store = os.environ.get(STORE_VARIABLE)
    key = os.environ.get(KEY_VARIABLE)
    if store is None:
        store = _asked(f"Password of {path.name}", STORE_VARIABLE)
        key = (
            _asked(f"Password of the key {alias}", KEY_VARIABLE, default="") if key is None else key
        )
    return KeystoreOptions(path, alias, store, key or store)


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

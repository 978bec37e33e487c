"""Packages that only some sources need, imported when they are asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from sdk_builder.errors import MissingPackageError


def package(name: str, what: str) -> ModuleType:
    """The module `name`, which `what` needs. Raises MissingPackageError."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"{what} needs the package {name.split('.')[0]}, which is not installed.",
            "Install it: pip install 'shakti-sdk[train]', or [eval]",
        ) from error

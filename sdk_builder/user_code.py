"""Modules of the user's own, named on the command line or in a config. No torch."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType


class NoSuchModule(Exception):
    """The module that was named is not there; not one that it imports. name: which."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def import_named(name: str) -> ModuleType:
    """The module `name`, of the working folder too. Raises NoSuchModule, and what its code does."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith(str(error.name)):
            raise  # it is there, and imports another that is not
        raise NoSuchModule(str(error.name)) from error


def place_of(error: BaseException) -> str:
    """File and line of the user's code: the last frame that is not of an installed package."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if "site-packages" not in frame.filename
        and "importlib" not in frame.filename
        and not frame.filename.startswith(str(Path(__file__).parent))
        and not frame.filename.startswith(sys.base_prefix)
    ]
    frame = (own or list(frames))[-1]
    return f"{frame.filename}:{frame.lineno}"

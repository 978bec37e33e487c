"""Every failure that shakti-sdk foresees, as one family of exceptions.

A failure is one line for people plus, where we know it, the next step. The class
decides the exit code of the command line; an exception outside this family is a bug
in shakti-sdk and leaves with exit code 1.

This module imports nothing but the standard library, so that every room may use it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from typing import NamedTuple


class ShaktiError(Exception):
    """A foreseen failure: `message` is one line, `hint` is the next step, or empty."""

    exit_code: int = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)  # both, so that the error survives pickling
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


# --- families: one exit code each -------------------------------------------------------


class UsageError(ShaktiError):
    """The command line or a function's arguments contradict themselves."""

    exit_code = 2


class InputError(ShaktiError):
    """Something we were given to read is missing, damaged or not supported."""

    exit_code = 3


class ExportError(ShaktiError):
    """The model could not be turned into a program."""

    exit_code = 4


class VerificationError(ShaktiError):
    """The program or bundle was made, but does not do what it should."""

    exit_code = 5


class DeviceError(ShaktiError):
    """A phone is missing, ambiguous, not ready, or a run on it failed."""

    exit_code = 6


class ToolchainError(ShaktiError):
    """A program or package that we need is missing, too old, or failed."""

    exit_code = 7


class RegressionFound(ShaktiError):
    """A measurement is worse than its baseline by more than the tolerance."""

    exit_code = 8


class OutputError(ShaktiError):
    """A result could not be written."""

    exit_code = 9


class SessionError(ShaktiError):
    """Running a program failed."""

    exit_code = 10


class Interrupted(ShaktiError):
    """The user stopped the command (Ctrl-C)."""

    exit_code = 130


# --- causes ---------------------------------------------------------------------------------


class UnknownModelError(InputError):
    """No preset, source or file has this name; `nearest` is the closest known name."""

    def __init__(self, message: str, hint: str = "", *, nearest: str | None = None) -> None:
        if nearest and not hint:
            hint = f"Did you mean {nearest}?"
        super().__init__(message, hint)
        self.nearest = nearest


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, contradictory or not supported."""


class TokenizerError(InputError):
    """A tokenizer is missing, damaged, or does not fit the model."""


class TemplateError(InputError):
    """A chat template cannot be read, or says more than chat turns can express."""


class BundleError(InputError):
    """Not a bundle, a damaged bundle, or one made by a newer shakti-sdk."""


class UnsupportedOperatorError(ExportError):
    """The lowered graph holds an operator that the target cannot run."""


class TargetExistsError(OutputError):
    """The output is already there and nobody asked to replace it."""


class DiskFullError(OutputError):
    """The disk, or the user's quota, is full."""


class PermissionDeniedError(OutputError):
    """We may not write there."""


class PromptTooLongError(SessionError):
    """The prompt does not fit in the program's context length."""


class ExitCode(NamedTuple):
    """One row of the table of exit codes that the docs print."""

    code: int
    family: str
    meaning: str


EXIT_CODES: tuple[ExitCode, ...] = (
    ExitCode(0, "", "Success."),
    ExitCode(1, "", "A bug in shakti-sdk: an exception that nobody foresaw."),
    ExitCode(2, "UsageError", "The command line is wrong or contradicts itself."),
    ExitCode(3, "InputError", "A checkpoint, tokenizer, bundle or other input cannot be used."),
    ExitCode(4, "ExportError", "The model could not be turned into a program."),
    ExitCode(5, "VerificationError", "The result was made, but a check on it failed."),
    ExitCode(6, "DeviceError", "A phone is missing or not ready, or a run on it failed."),
    ExitCode(7, "ToolchainError", "A program or package that is needed is missing or failed."),
    ExitCode(8, "RegressionFound", "A measurement is worse than its baseline allows."),
    ExitCode(9, "OutputError", "The result could not be written."),
    ExitCode(10, "SessionError", "Running a program failed."),
    ExitCode(130, "Interrupted", "Stopped by the user."),
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def output_errors(path: str | PathLike[str]) -> Iterator[None]:
    """Turn an OSError raised while writing `path` into the OutputError of its cause.

    Raises DiskFullError, PermissionDeniedError, or OutputError for any other OSError.
    """
    try:
        yield
    except OSError as error:
        raise output_error(error, path) from error


def output_error(error: OSError, path: str | PathLike[str]) -> OutputError:
    """The OutputError for an OSError that came up while writing `path`."""
    shown = fspath(path)
    if error.errno in _FULL:
        return DiskFullError(
            f"The disk is full: cannot write {shown}.",
            "Free some space there, or choose an output on another disk.",
        )
    if error.errno in _DENIED:
        return PermissionDeniedError(
            f"No permission to write {shown}.",
            "Choose an output folder that you may write to, or change its permissions.",
        )
    reason = error.strerror or str(error) or type(error).__name__
    return OutputError(
        f"Cannot write {shown}: {reason}.",
        "Check that the path is right and that its parent is a folder.",
    )

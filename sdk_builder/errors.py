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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class RemoteCommand:
    """A command that was run on a phone, and what came of it; returncode None: it never ended."""

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str
    stderr: str


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
    """A phone is missing, ambiguous, not ready, or a run on it failed.

    `ran` is the command on the phone that showed it, where there was one; `serial` the phone.
    """

    exit_code = 6

    def __init__(
        self, message: str, hint: str = "", *, serial: str = "", ran: RemoteCommand | None = None
    ) -> None:
        super().__init__(message, hint)
        self.serial = serial
        self.ran = ran


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


class InconclusiveError(ShaktiError):
    """The measurements are too few, or too unlike each other, to answer the question."""

    exit_code = 11


class TrainingError(ShaktiError):
    """A training cannot go on, or would not fit."""

    exit_code = 12


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


class DataError(InputError):
    """Training data is missing, or cannot be read."""


class ShardError(DataError):
    """A file of training data is damaged, or cannot be opened."""


class DataShapeError(DataError):
    """The fields of a data set's rows do not tell, or tell in two ways, what they hold."""


class DataLossError(DataError):
    """Too many rows of a data set are unusable, or all of them."""


class UnsupportedOperatorError(ExportError):
    """The lowered graph holds an operator that the target cannot run."""


class MissingPackageError(ToolchainError):
    """A Python package that only some commands need is not installed."""


class JdkError(ToolchainError):
    """There is no Java development kit, or none that the build can use."""


class NetworkError(ToolchainError):
    """Something has to be downloaded, and no connection was to be had."""


class ArtifactMissingError(ToolchainError):
    """No repository that we know has a file that the build needs."""


class TamperedArtifactError(ToolchainError):
    """A file is not the one that the lock file names."""


class CompileError(ToolchainError):
    """A compiler, linker or shrinker refused the app; its own lines are in the hint."""


class KeystoreError(ToolchainError):
    """The keystore or its passwords cannot sign."""


class ApkError(InputError):
    """A file is no APK that we can read."""


class TargetExistsError(OutputError):
    """The output is already there and nobody asked to replace it."""


class DiskFullError(OutputError):
    """The disk, or the user's quota, is full."""


class PermissionDeniedError(OutputError):
    """We may not write there."""


class PromptTooLongError(SessionError):
    """The prompt does not fit in the program's context length."""


class DivergedError(TrainingError):
    """The loss or its gradient became infinite, or no number at all."""


class MemoryShortError(TrainingError):
    """A training needs more memory than there is."""


class ResumeError(TrainingError):
    """A run that was stopped cannot go on as it is asked to now."""


class NoDeviceError(DeviceError):
    """No phone is attached, none has this serial, or adb itself cannot be reached."""


class SeveralDevicesError(DeviceError):
    """More than one phone is attached and the command wants one."""


class UnauthorizedError(DeviceError):
    """The phone has not accepted this computer's key."""


class OfflineError(DeviceError):
    """The phone is attached but does not answer (offline, booting, in recovery)."""


class DeviceLostError(DeviceError):
    """The phone went away while we talked to it."""


class DeviceTimeoutError(DeviceError):
    """A command on the phone did not end in time."""


class CommandFailedError(DeviceError):
    """A command on the phone ended with an error that has no class of its own."""


class DeviceFullError(DeviceError):
    """The phone has no room left."""


class TransferError(DeviceError):
    """A file on the phone is not the one that was sent."""


class WrongAbiError(DeviceError):
    """The phone's processor cannot run the app."""


class AndroidTooOldError(DeviceError):
    """The phone's Android is older than the app needs."""


class AppMissingError(DeviceError):
    """The demo app is not installed on the phone."""


class AppProtocolError(DeviceError):
    """The installed app speaks another version of the benchmark protocol, or none."""


class InstallFailedError(DeviceError):
    """The phone refused to install an app; `reason` is Android's own INSTALL_... word."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        serial: str = "",
        ran: RemoteCommand | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message, hint, serial=serial, ran=ran)
        self.reason = reason


class AppCrashedError(DeviceError):
    """The app ended before it said that it was done; the logcat's tail is in the hint."""


class RunStalledError(DeviceError):
    """The app is there but has said nothing for too long."""


class GateClosedError(DeviceError):
    """The phone did not become cool, or charged, enough in the time allowed."""


class IncompleteRunError(DeviceError):
    """A benchmark ended without all of its samples; what was measured is kept."""


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
    ExitCode(11, "InconclusiveError", "There are too few measurements to answer the question."),
    ExitCode(12, "TrainingError", "A training diverged, or does not fit, or cannot go on."),
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

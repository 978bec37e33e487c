"""What a failure means for the run: worth another attempt, or the end of it."""

from __future__ import annotations

import re

from sdk_builder.benchmark.records import Failure
from sdk_builder.bundle.reader import COPY_AGAIN
from sdk_builder.errors import (
    AppCrashedError,
    DeviceTimeoutError,
    RunStalledError,
    ShaktiError,
    ToolchainError,
    VerificationError,
)

# Errors that another attempt may not meet again; after any other, somebody has to do something.
PASSING = (AppCrashedError, RunStalledError, DeviceTimeoutError)
_DAMAGED = frozenset({"hash_mismatch", "size_mismatch", "bundle_unreadable"})


def cause_of(error: ShaktiError) -> str:
    """The word of a failure line for an error: ``app_crashed`` for AppCrashedError."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def raise_if_final(failure: Failure, where: str) -> None:
    """Raise for a failure on the device `where` that no retry changes.

    Raises VerificationError when its program is not the bundle's or does not work, ToolchainError
    when it has no runtime.
    """
    if failure.cause == "golden_mismatch":
        raise VerificationError(
            f"The program answers otherwise on {where} than where it was exported: "
            f"{failure.message}.",
            "Figures of a program that does not work mean nothing. Check the bundle here with: "
            "shakti-sdk verify BUNDLE",
        )
    if failure.cause in _DAMAGED:
        raise VerificationError(f"The bundle on {where} is damaged: {failure.message}.", COPY_AGAIN)
    if failure.cause == "runtime_missing":
        raise ToolchainError(f"{where} cannot run programs: {failure.message}.")

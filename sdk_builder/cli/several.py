"""What a command ends with that did something on several devices."""

from __future__ import annotations

from collections.abc import Sequence

from sdk_builder import errors
from sdk_builder.cli.group import family_of
from sdk_builder.errors import DeviceError, ShaktiError


def failure_of(failed: Sequence[tuple[str, ShaktiError]], total: int, hint: str) -> ShaktiError:
    """The failure itself where it is the only device's, or, of several, a word on all.

    failed: names of devices with their errors. The family is theirs if they have one in common.
    """
    if len(failed) == 1 and total == 1:
        return failed[0][1]
    names = ", ".join(name for name, _ in failed)
    families = {family_of(error) for _, error in failed}
    family = getattr(errors, families.pop()) if len(families) == 1 else DeviceError
    error: ShaktiError = family(f"{len(failed)} of {total} devices failed: {names}.", hint)
    return error

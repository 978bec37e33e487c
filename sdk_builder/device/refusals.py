"""What adb says when it refuses, and the error of ours that this is: one table."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.device.adb import ShellResult
from sdk_builder.errors import (
    CommandFailedError,
    DeviceError,
    DeviceLostError,
    NoDeviceError,
    OfflineError,
    RemoteCommand,
    SeveralDevicesError,
    UnauthorizedError,
)

ACCEPT = "Unlock the phone and accept the dialog 'Allow USB debugging?', then try again."
PLUG_IN = (
    "Connect the phone by a USB cable that carries data, and switch on 'USB debugging' in its "
    "developer options. `shakti-sdk devices` shows what adb sees."
)
WAIT = (
    "Wait until it has started; if it stays so, unplug it and plug it in again, or switch its "
    "USB debugging off and on."
)
PERMISSIONS = (
    "This user may not open the USB device: install your system's udev rules for Android "
    "(package android-sdk-platform-tools-common or android-udev), then plug the phone in again."
)
CABLE = "Check the cable and the phone's battery, then run the same command again."


@dataclass(frozen=True)
class Refusal:
    """A piece of adb's answer, the error it means, our words for it, and the fix."""

    words: str
    error: type[DeviceError]
    what: str  # completes "Phone SERIAL ..."
    fix: str


# The first row whose words are in adb's answer counts.
REFUSALS = (
    Refusal("unauthorized", UnauthorizedError, "has not accepted this computer", ACCEPT),
    Refusal("authorizing", UnauthorizedError, "has not accepted this computer yet", ACCEPT),
    Refusal("permissions", OfflineError, "cannot be opened by this user", PERMISSIONS),
    Refusal("offline", OfflineError, "is offline", WAIT),
    Refusal("connecting", OfflineError, "is still connecting", WAIT),
    Refusal("recovery", OfflineError, "is in recovery mode", WAIT),
    Refusal("rescue", OfflineError, "is in rescue mode", WAIT),
    Refusal("sideload", OfflineError, "is in sideload mode", WAIT),
    Refusal("bootloader", OfflineError, "is in its bootloader", WAIT),
    Refusal("detached", OfflineError, "is detached from adb", "Run: adb attach"),
    Refusal("no devices", NoDeviceError, "is not attached, and no other is", PLUG_IN),
    Refusal("more than one", SeveralDevicesError, "is there more than once", CABLE),
    Refusal("not found", DeviceLostError, "is not attached any more", CABLE),
    Refusal("closed", DeviceLostError, "hung up", CABLE),
)


def refused(said: str, serial: str, ran: RemoteCommand | None = None) -> DeviceError:
    """The error for what adb said, or for a state that `adb devices` lists."""
    lower = said.lower()
    for row in REFUSALS:
        if row.words in lower:
            return row.error(f"Phone {serial} {row.what}.", row.fix, serial=serial, ran=ran)
    return DeviceError(
        f"adb cannot talk to phone {serial}: {' '.join(said.split())[:200] or 'no reason given'}.",
        WAIT,
        serial=serial,
        ran=ran,
    )


def lost(serial: str, ran: RemoteCommand | None = None) -> DeviceLostError:
    """The error for a connection that ended in the middle of a command."""
    doing = f" while it ran {ran.argv[0]}" if ran and ran.argv else ""
    return DeviceLostError(f"Phone {serial} went away{doing}.", CABLE, serial=serial, ran=ran)


def command_failed(serial: str, what: str, result: ShellResult) -> CommandFailedError:
    """The error for a command that ended badly; `what` completes "On phone SERIAL ..."."""
    said = " ".join((result.ran.stderr or result.text).split())[-300:]
    return CommandFailedError(
        f"On phone {serial} {what} ({said or f'exit code {result.returncode}'}).",
        serial=serial,
        ran=result.ran,
    )

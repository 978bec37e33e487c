"""Start an app's activity, and see whether it comes up and stays up.

`am start` tells only that Android was asked; a crash at the start shows in the processes and in
the log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from sdk_builder.device import logcat
from sdk_builder.device.adb import AdbPhone, ShellResult
from sdk_builder.device.app import COMMAND_S, force_stop
from sdk_builder.device.awake import wake
from sdk_builder.device.refusals import command_failed
from sdk_builder.errors import AppCrashedError, AppMissingError

APPEAR_S = 10.0  # a process is there much sooner, but on a phone that is busy
WATCH_S = 3.0  # what crashes at the start does it within this time
POLL_S = 0.5

# Android brought the app to the front as it was: the extras went nowhere.
_NOT_DELIVERED = "its current task has been brought to the front"


def launch(
    phone: AdbPhone,
    component: str,
    extras: Mapping[str, str],
    *,
    watch_s: float = WATCH_S,
) -> int:
    """Bring the activity `component` (PACKAGE/CLASS) to the front; its process's id.

    Raises AppMissingError where there is no such activity, AppCrashedError (the log's tail is in
    the hint) if the app ends within `watch_s` seconds, CommandFailedError.
    """
    package = component.partition("/")[0]
    wake(phone)
    since = logcat.mark(phone)
    result = _start(phone, component, extras)
    if extras and _NOT_DELIVERED in _said(result):
        force_stop(phone, package)
        _start(phone, component, extras)
    pid = _appeared(phone, package)
    watched_s = 0.0
    while pid is not None and watched_s < watch_s:
        time.sleep(POLL_S)
        watched_s += POLL_S
        if _pid(phone, package) != pid:
            pid = None
    told = logcat.crash(phone, since, package)
    if pid is None or told:
        raise AppCrashedError(
            f"{package} ended right after its start on phone {phone.serial}.",
            told or logcat.tail(phone, since, package),
            serial=phone.serial,
        )
    return pid


def _start(phone: AdbPhone, component: str, extras: Mapping[str, str]) -> ShellResult:
    words = [word for key, value in extras.items() for word in ("-e", key, value)]
    result = phone.shell(["am", "start", "-n", component, *words], timeout_s=COMMAND_S)
    said = _said(result)
    if "does not exist" in said or "unable to resolve Intent" in said:
        raise AppMissingError(
            f"Phone {phone.serial} has no {component}.", serial=phone.serial, ran=result.ran
        )
    # am's exit code is 0 for some failures.
    if result.returncode != 0 or "Error:" in said or "Exception" in said:
        raise command_failed(phone.serial, f"{component} cannot be started", result)
    return result


def _appeared(phone: AdbPhone, package: str) -> int | None:
    """The id of the app's process, as soon as there is one."""
    waited_s = 0.0
    while (pid := _pid(phone, package)) is None and waited_s < APPEAR_S:
        time.sleep(POLL_S)
        waited_s += POLL_S
    return pid


def _pid(phone: AdbPhone, package: str) -> int | None:
    words = phone.shell(["pidof", package], timeout_s=COMMAND_S).text.split()
    return int(words[0]) if words and words[0].isdigit() else None


def _said(result: ShellResult) -> str:
    return result.text + result.ran.stderr

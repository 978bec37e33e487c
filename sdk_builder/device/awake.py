"""Keep a phone awake while it measures, and leave it as it was.

What the settings were is also written to the phone, so that a run that is killed, or whose phone
is unplugged, is tidied up by the next one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.files import PUBLIC_ROOT, read, remove
from sdk_builder.device.push import push_bytes
from sdk_builder.errors import DeviceError

COMMAND_S = 30.0
BEFORE_FILE = f"{PUBLIC_ROOT}/shakti/settings-before.json"
STAY_ON = "global stay_on_while_plugged_in"
SCREEN_OFF = "system screen_off_timeout"  # in ms
NEVER_MS = 2**31 - 1
UNSET = "null"  # what `settings get` says of a setting that has no value

WAKING = (
    ("svc", "power", "stayon", "true"),
    ("settings", "put", *SCREEN_OFF.split(), str(NEVER_MS)),  # for a phone without power
    ("input", "keyevent", "KEYCODE_WAKEUP"),
    ("wm", "dismiss-keyguard"),
)


@contextmanager
def kept_awake(phone: AdbPhone, *, warn: Callable[[str], None]) -> Iterator[None]:
    """Within it the screen is on, and unlocked where that needs no code.

    At the end, also after an error, the settings are put back. `warn` gets a line for each
    thing that did not work; a phone that is lost at the end is such a line, not an error.

    Raises DeviceError where the phone cannot be talked to at the beginning.
    """
    before = _before(phone)
    if before:
        push_bytes(phone, json.dumps(before).encode(), BEFORE_FILE)
    try:
        for command in WAKING:
            _try(phone, command, f"Phone {phone.serial} may fall asleep", warn)
        yield
    finally:
        _put_back(phone, before, warn)


def wake(phone: AdbPhone) -> None:
    """Switch the screen on, and unlock it where that needs no code; as far as the phone lets us."""
    for command in (("input", "keyevent", "KEYCODE_WAKEUP"), ("wm", "dismiss-keyguard")):
        phone.shell(command, timeout_s=COMMAND_S)


def _before(phone: AdbPhone) -> dict[str, str]:
    """The settings as they are, or as they were before a run that never put them back."""
    values: dict[str, str] = {}
    for name in (STAY_ON, SCREEN_OFF):
        result = phone.shell(["settings", "get", *name.split()], timeout_s=COMMAND_S)
        value = result.text.strip()
        if result.returncode == 0 and (value == UNSET or value.isdigit()):
            values[name] = value
    return {**values, **_left_behind(phone, values)}


def _left_behind(phone: AdbPhone, known: Mapping[str, str]) -> dict[str, str]:
    try:
        found = json.loads(read(phone, BEFORE_FILE) or b"{}")
    except ValueError:  # cut off, or not ours
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: value
        for name, value in found.items()
        if name in known and isinstance(value, str) and (value == UNSET or value.isdigit())
    }


def _put_back(phone: AdbPhone, before: Mapping[str, str], warn: Callable[[str], None]) -> None:
    worked = True
    for name, value in before.items():
        if value == UNSET:
            command = ("settings", "delete", *name.split())
        else:
            command = ("settings", "put", *name.split(), value)
        by_hand = shlex.join(["adb", "-s", phone.serial, "shell", *command])
        worked = _try(phone, command, f"Put a setting back by hand: {by_hand}", warn) and worked
    if worked and before:
        try:
            remove(phone, BEFORE_FILE)
        except DeviceError as error:
            warn(f"{BEFORE_FILE} stays on phone {phone.serial}: {error.message}")


def _try(
    phone: AdbPhone, command: tuple[str, ...], trouble: str, warn: Callable[[str], None]
) -> bool:
    """Run a command; a failure of any kind is a warning."""
    try:
        result = phone.shell(command, timeout_s=COMMAND_S)
    except DeviceError as error:
        warn(f"{trouble} ({error.message})")
        return False
    if result.returncode != 0:
        said = " ".join((result.ran.stderr or result.text).split())[:200]
        warn(f"{trouble} ({shlex.join(command)}: {said or f'exit code {result.returncode}'})")
    return result.returncode == 0

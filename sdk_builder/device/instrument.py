"""Run an app's instrumentation and follow what it says.

`am instrument` may end with exit code 0 whatever happened, so its text is what counts; and what
the app itself has written counts more.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sdk_builder.device.adb import AdbPhone
from sdk_builder.errors import DeviceTimeoutError, RunStalledError

TAIL_LINES = 40
MAX_VALUE_CHARS = 2**16  # of one value; noise in the stream looks like the rest of a long one
MAX_LINE_CHARS = 2**12  # of a line of the tail

_LINE = re.compile(r"INSTRUMENTATION_(STATUS|RESULT|STATUS_CODE|CODE|FAILED|ABORTED): ?(.*)", re.S)
_NOT_FOUND = "Unable to find instrumentation"


@dataclass(frozen=True)
class InstrumentOutcome:
    """How an instrumentation ended.

    code: what it ended with (-1 is Activity.RESULT_OK); None: it never said.
    crashed: its process died, or the stream ended before its end was told.
    not_found: the phone has no such instrumentation. reason: the phone's words for either.
    tail: the last lines that were none of the instrumentation's.
    """

    results: Mapping[str, str] = field(default_factory=dict)
    code: int | None = None
    crashed: bool = False
    not_found: bool = False
    reason: str = ""
    tail: str = ""


def instrument(
    phone: AdbPhone,
    component: str,
    arguments: Mapping[str, str],
    *,
    silence_s: float,
    watch: Callable[[Mapping[str, str]], None],
) -> InstrumentOutcome:
    """Start the instrumentation `component` (PACKAGE/CLASS) and wait for its end.

    `watch` gets each status it sends. What `watch` raises ends the wait, not the app.

    Raises RunStalledError when nothing came for `silence_s` seconds, DeviceLostError.
    """
    extras = [word for key, value in arguments.items() for word in ("-e", key, value)]
    argv = ["am", "instrument", "-w", "-r", *extras, component]
    try:
        with phone.lines(argv, silence_s=silence_s) as lines:
            return follow(lines, watch)
    except DeviceTimeoutError as error:
        raise RunStalledError(
            f"The app on phone {phone.serial} has said nothing for {silence_s:g} s.",
            "Look at the phone's screen: it may ask something, or the app may hang. What was "
            "measured is kept; run the same command again to go on.",
            serial=phone.serial,
            ran=error.ran,
        ) from error


def follow(lines: Iterable[str], watch: Callable[[Mapping[str, str]], None]) -> InstrumentOutcome:
    """Read what ``am instrument -r`` prints to its end; anything else in it is passed over."""
    reader = _Reader(watch)
    for line in lines:
        reader.read(line)
    return reader.outcome()


class _Reader:
    """Collects the lines; a line that begins nothing continues the value before it."""

    def __init__(self, watch: Callable[[Mapping[str, str]], None]) -> None:
        self._watch = watch
        self._results: dict[str, str] = {}
        self._status: dict[str, str] = {}
        self._error = ""
        self._failed = ""  # what INSTRUMENTATION_FAILED or _ABORTED said
        self._aborted = False
        self._code: int | None = None
        self._open: tuple[dict[str, str], str] | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def read(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None:
            self._other(line)
            return
        kind, value = found.groups()
        self._open = None
        if kind in ("STATUS", "RESULT"):
            key, _, text = value.partition("=")
            target = self._status if kind == "STATUS" else self._results
            target[key] = text[:MAX_VALUE_CHARS]
            self._open = (target, key)
        elif kind == "STATUS_CODE":
            status, self._status = self._status, {}
            self._error = status.get("Error", self._error)
            self._watch(status)
        elif kind == "CODE":
            self._code = _number(value)
        else:
            self._failed = value[:MAX_LINE_CHARS]
            self._aborted = self._aborted or kind == "ABORTED"

    def _other(self, line: str) -> None:
        self._tail.append(line[:MAX_LINE_CHARS])
        _, exception, component = line.partition("INSTRUMENTATION_FAILED: ")
        if exception:
            self._failed = component[:MAX_LINE_CHARS]
        elif self._open is not None:
            values, key = self._open
            values[key] = f"{values[key]}\n{line}"[:MAX_VALUE_CHARS]

    def outcome(self) -> InstrumentOutcome:
        error = self._error or self._status.get("Error", "")  # its code may never have come
        # INSTRUMENTATION_FAILED also comes where it may not be started; the error then says so.
        unexplained = self._failed and not error and not self._aborted
        not_found = _NOT_FOUND in error or bool(unexplained)
        crash = self._results.get("longMsg") or self._results.get("shortMsg", "")
        silent_end = self._code is None and not not_found
        reason = error or crash or self._failed
        return InstrumentOutcome(
            self._results,
            self._code,
            crashed=bool(crash) or self._aborted or silent_end,
            not_found=not_found,
            reason=reason.strip() or ("it ended without a word" if silent_end else ""),
            tail="\n".join(self._tail),
        )


def _number(text: str) -> int | None:
    found = re.match(r"-?\d{1,9}", text.strip())
    return int(found[0]) if found else None

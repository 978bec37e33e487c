"""The part of a phone's log that explains why an app ended."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from sdk_builder.device.adb import AdbPhone
from sdk_builder.errors import DeviceError

COMMAND_S = 20.0
LINES = 40
MAX_LINE_CHARS = 300
RECENT_LINES = 5000  # that are looked at where the phone's clock is not known

# Speakers about crashes, heard where they speak of an error: others' warnings are noise.
CRASH_TAGS = {"AndroidRuntime", "libc", "DEBUG", "lmkd", "lowmemorykiller"}
_ROW = re.compile(
    r"\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+(?P<pid>\d+)\s+\d+ (?P<level>[VDIWEFS]) (?P<tag>.*?)\s*: "
)
_TIME = re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")


def mark(phone: AdbPhone) -> str:
    """The phone's clock now, as `tail` wants it; empty where the phone does not tell."""
    result = phone.shell(["date", "+%m-%d %H:%M:%S.000"], timeout_s=COMMAND_S)
    time = result.text.strip()
    return time if _TIME.fullmatch(time) else ""


def tail(phone: AdbPhone, since: str, package: str, *, lines: int = LINES) -> str:
    """The last lines about `package`, or about a crash, since `since`.

    Never raises a DeviceError, as it is for the text of another: it says why there is no log.
    """
    argv = ["logcat", "-d", "-v", "threadtime", "-T", since or str(RECENT_LINES)]
    try:
        pids = phone.shell(["pidof", package], timeout_s=COMMAND_S).text.split()
        with phone.lines(argv, silence_s=COMMAND_S) as log:
            return "\n".join(keep(log, package, pids, lines))
    except DeviceError as error:
        return f"(No log: {error.message})"


def crash(phone: AdbPhone, since: str, package: str) -> str:
    """How the log begins to tell of a crash of `package`; empty where it tells of none."""
    told = tail(phone, since, package, lines=RECENT_LINES).splitlines()
    at = next((i for i, line in enumerate(told) if _is_crash(line, package)), None)
    return "" if at is None else "\n".join(told[max(0, at - 1) :][:LINES])


def _is_crash(line: str, package: str) -> bool:
    """Whether a line names a process of `package` as one that crashed."""
    row = _ROW.match(line)
    if row is None or row["tag"] not in CRASH_TAGS or row["level"] not in "EF":
        return False
    # "Process: PKG, PID: 123", "pid 123 (PKG)", "pid: 123, tid: 130, name: x  >>> PKG <<<"
    name = re.escape(package)
    named = rf"Process: {name}, PID: |\({name}\)|>>> {name} <<<"
    return re.search(named, line[row.end() :]) is not None


def keep(log: Iterable[str], package: str, pids: Iterable[str], lines: int = LINES) -> list[str]:
    """The last `lines` of a log (format threadtime) that matter for `package`.

    `pids` are its processes that still run; those that are gone are found in the log.
    """
    name = re.escape(package)
    # "Start proc 123:PKG/u0a1 for", "PKG (pid 123) has died", "PKG, PID: 123",
    # "pid 123 (PKG)", "pid: 123, tid: 130, name: worker  >>> PKG <<<"
    told = re.compile(
        rf"\b(\d+):{name}/|{name} \(pid (\d+)\)|{name}, PID: (\d+)|pid:? (\d+)\b.*{name}"
    )
    ours = set(pids)
    kept: deque[str] = deque(maxlen=lines)
    for line in log:
        row = _ROW.match(line)
        if row is None:
            continue
        names_it = package in line
        if names_it and (found := told.search(line, row.end())):
            ours.update(pid for pid in found.groups() if pid)
        crash = row["tag"] in CRASH_TAGS and row["level"] in "EF"
        if names_it or crash or row["pid"] in ours:
            kept.append(line[:MAX_LINE_CHARS])
    return list(kept)

"""Which phones are there, and which of them a command means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdk_builder.device.adb import Adb, AdbPhone, Listed
from sdk_builder.device.refusals import PLUG_IN, refused
from sdk_builder.errors import NoDeviceError, SeveralDevicesError

READY = "device"
ALL = "all"


@dataclass(frozen=True)
class Chosen:
    """The phones that a command means, ready all; `left_out` are attached but not ready."""

    phones: tuple[AdbPhone, ...]
    left_out: tuple[Listed, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each phone that was left out: why, and the fix."""
        errors = [refused(row.state, row.serial) for row in self.left_out]
        return tuple(f"{error.message} {error.hint}" for error in errors)


def attached(adb: Adb) -> list[Listed]:
    """All phones that adb sees, the ready ones first, then by serial.

    Raises NoDeviceError if adb cannot be reached.
    """
    return sorted(adb.listed(), key=lambda row: (row.state != READY, row.serial))


def choose(adb: Adb, wanted: Sequence[str]) -> Chosen:
    """The phones that `wanted` names: serials, or "all" for every ready one, or nothing.

    Nothing means the only ready phone. Each phone comes once, in the order asked for.

    Raises NoDeviceError where there is none, or none with a serial; UnauthorizedError or
    OfflineError for a phone that is not ready (one asked for, or the only one);
    SeveralDevicesError for nothing where several are ready.
    """
    rows = attached(adb)
    if not rows:
        raise NoDeviceError("No phone is attached.", PLUG_IN)
    serials = list(dict.fromkeys(wanted))
    if serials and ALL not in serials:
        by_serial = {row.serial: row for row in rows}
        return Chosen(tuple(_ready(adb, serial, by_serial) for serial in serials))
    ready = [row for row in rows if row.state == READY]
    left_out = tuple(row for row in rows if row.state != READY)
    if not ready:
        first = refused(rows[0].state, rows[0].serial)
        others = f" None of the other {len(rows) - 1} is ready." if len(rows) > 1 else ""
        raise type(first)(first.message + others, first.hint, serial=first.serial)
    if not serials and len(ready) > 1:
        names = ", ".join(row.serial for row in ready)
        raise SeveralDevicesError(
            f"{len(ready)} phones are attached: {names}.",
            f"Name one (--device {ready[0].serial}), or all of them (--device {ALL}).",
        )
    return Chosen(tuple(adb.phone(row.serial) for row in ready), left_out)


def _ready(adb: Adb, serial: str, rows: dict[str, Listed]) -> AdbPhone:
    row = rows.get(serial)
    if row is None:
        seen = ", ".join(f"{row.serial} ({row.state})" for row in rows.values())
        raise NoDeviceError(
            f"No phone with the serial {serial} is attached.",
            f"Attached are: {seen}.",
            serial=serial,
        )
    if row.state != READY:
        raise refused(row.state, serial)
    return adb.phone(serial)

"""The attached phones as a list for people: what each is, and what keeps it from being measured."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.device.adb import Adb
from sdk_builder.device.app import installed_app, require_runnable
from sdk_builder.device.demo_app import PACKAGE, install_command
from sdk_builder.device.discovery import READY, attached
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.phone_facts import read_facts
from sdk_builder.device.refusals import refused
from sdk_builder.errors import DeviceError


@dataclass(frozen=True)
class DeviceRow:
    """One phone; facts and app_version are None where it was not ready to be asked."""

    serial: str
    state: str
    facts: DeviceFacts | None = None
    app_version: str | None = None
    fix: str = ""


def device_rows(adb: Adb) -> list[DeviceRow]:
    """Every phone that adb lists. A phone that fails to answer is a row with the fix.

    Raises NoDeviceError where adb itself cannot be reached.
    """
    rows = []
    for listed in attached(adb):
        if listed.state != READY:
            fix = refused(listed.state, listed.serial).hint
            rows.append(DeviceRow(listed.serial, listed.state, fix=fix))
            continue
        try:
            rows.append(_ready_row(adb, listed.serial))
        except DeviceError as error:
            rows.append(DeviceRow(listed.serial, "silent", fix=error.message))
    return rows


def _ready_row(adb: Adb, serial: str) -> DeviceRow:
    phone = adb.phone(serial)
    facts = read_facts(phone)
    found = installed_app(phone, PACKAGE)
    version = None if found is None else found.version_name
    try:
        require_runnable(facts)
    except DeviceError as error:
        return DeviceRow(serial, READY, facts, version, error.message)
    fix = "" if found else f"Install the demo app: {install_command(serial)}"
    return DeviceRow(serial, READY, facts, version, fix)

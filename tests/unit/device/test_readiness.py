"""Whether a phone can be measured."""

from __future__ import annotations

import pytest

from sdk_builder.device.app import MIN_API
from sdk_builder.device.fake import FakeApp, FakePhone
from sdk_builder.device.phone_facts import parse_properties
from sdk_builder.device.readiness import examine_phone
from sdk_builder.errors import DeviceLostError
from tests.unit.device import dumps

APP = "io.shakti.demo"
COOL = dumps.THERMAL_PIXEL.replace("Status: 1", "Status: 0")
UNPLUGGED = dumps.BATTERY_PIXEL.replace("powered: true", "powered: false")


def ready() -> FakePhone:
    return FakePhone(
        properties=parse_properties(dumps.GETPROP_PIXEL),
        services={"thermalservice": COOL, "battery": UNPLUGGED},
        files={"/proc/meminfo": dumps.MEMINFO.encode()},
        apps={APP: FakeApp("1.0.0")},
    )


def found(phone: FakePhone) -> dict[str, tuple[str, str, str]]:
    return {
        finding.name: (finding.status, finding.detail, finding.fix)
        for finding in examine_phone(phone, package=APP)
    }


def test_a_phone_in_order_has_nothing_to_fix():
    rows = found(ready())
    assert {name: status for name, (status, _, _) in rows.items()} == dict.fromkeys(
        [
            *("phone", "Android", "ABI", "page size", "memory", "free space"),
            *("battery", "charging", "heat", "demo app"),
        ],
        "ok",
    )
    assert {fix for _, _, fix in rows.values()} == {""}
    assert rows["phone"][1] == "Google Pixel 8 Tensor G3"
    assert rows["page size"][1].startswith("16 KiB (the app's official runtime")
    assert rows["demo app"][1] == "1.0.0"


@pytest.mark.parametrize(
    ("name", "status", "detail", "fix", "change"),
    [
        ("Android", "missing", "Android 7 (API 25)", "Update",
         {"ro.build.version.release": "7", "ro.build.version.sdk": "25"}),
        ("Android", "warning", "not known", f"API {MIN_API}", {"ro.build.version.sdk": ""}),
        ("ABI", "missing", "armeabi-v7a", "64-bit", {"ro.product.cpu.abi": "armeabi-v7a"}),
        ("ABI", "warning", "not known", "arm64-v8a", {"ro.product.cpu.abi": ""}),
        ("page size", "warning", "65536 bytes", "pages", {"ro.product.cpu.pagesize.max": "65536"}),
    ],
)  # fmt: skip
def test_properties_that_keep_the_app_from_running(name, status, detail, fix, change):
    phone = ready()
    phone.properties.update(change)
    row = found(phone)[name]
    assert row[:2] == (status, detail)
    assert fix in row[2]


def battery(old: str, new: str) -> dict[str, str]:
    return {"battery": UNPLUGGED.replace(old, new)}


@pytest.mark.parametrize(
    ("name", "detail", "fix", "services"),
    [
        ("battery", "12 %", "Charge it", battery("level: 67", "level: 12")),
        ("charging", "yes", "Energy cannot be measured", {"battery": dumps.BATTERY_PIXEL}),
        ("heat", "battery 41.0 °C", "cool", battery("temperature: 291", "temperature: 410")),
        ("heat", "status 1 (light)", "cool", {"thermalservice": dumps.THERMAL_PIXEL}),
    ],
)
def test_conditions_that_spoil_a_measurement_are_warnings(name, detail, fix, services):
    phone = ready()
    phone.services.update(services)
    row = found(phone)[name]
    assert row[0] == "warning"
    assert detail in row[1]
    assert fix in row[2]


def test_too_little_memory_space_and_no_app():
    phone = ready()
    phone.files["/proc/meminfo"] = b"MemTotal: 1500000 kB\n"
    phone.capacity_bytes = 300_000_000
    phone.apps.clear()
    rows = found(phone)
    assert rows["memory"][:2] == ("warning", "1.5 GB")
    assert rows["free space"][0] == "warning"
    assert rows["free space"][1].startswith("0.3 GB")
    assert rows["demo app"] == (
        "missing",
        "not installed",
        "shakti-sdk demo install --device FAKE1",
    )


def test_what_a_phone_does_not_tell_is_no_warning_about_it():
    phone = FakePhone(apps={APP: FakeApp()})
    rows = found(phone)
    assert {name for name, row in rows.items() if row[0] != "ok"} == {"Android", "ABI"}
    assert rows["heat"][1] == rows["battery"][1] == "not known"


def test_a_phone_that_goes_away_is_an_error():
    phone = ready()
    phone.unplug_after(calls=3)
    with pytest.raises(DeviceLostError):
        examine_phone(phone, package=APP)

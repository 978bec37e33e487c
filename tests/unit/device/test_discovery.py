"""Which phone a command means."""

from __future__ import annotations

import pytest

from sdk_builder.device.discovery import attached, choose
from sdk_builder.device.fake import FakeAdb, FakePhone
from sdk_builder.errors import (
    NoDeviceError,
    OfflineError,
    SeveralDevicesError,
    UnauthorizedError,
)


def adb_with(**states: str) -> FakeAdb:
    return FakeAdb([FakePhone(serial, state=state) for serial, state in states.items()])


def serials(chosen) -> list[str]:
    return [phone.serial for phone in chosen.phones]


def test_phones_are_listed_ready_ones_first():
    rows = attached(adb_with(D="device", A="offline", C="device", B="unauthorized"))
    assert [row.serial for row in rows] == ["C", "D", "A", "B"]


@pytest.mark.parametrize("wanted", [[], ["all"], ["A"]])
def test_no_phone_at_all_is_an_error_with_a_fix(wanted):
    with pytest.raises(NoDeviceError, match="No phone is attached") as caught:
        choose(adb_with(), wanted)
    assert "USB debugging" in caught.value.hint


def test_nothing_asked_for_is_the_only_ready_phone():
    chosen = choose(adb_with(A="device", B="unauthorized"), [])
    assert serials(chosen) == ["A"]
    (warning,) = chosen.warnings
    assert "B" in warning
    assert "accept" in warning


def test_several_ready_phones_and_nothing_asked_for_names_them_all():
    with pytest.raises(SeveralDevicesError) as caught:
        choose(adb_with(A1="device", B2="device"), [])
    assert "A1" in caught.value.message
    assert "B2" in caught.value.message


def test_all_are_the_ready_ones_and_the_others_are_said():
    chosen = choose(adb_with(A="device", B="offline", C="device"), ["all"])
    assert serials(chosen) == ["A", "C"]
    assert [row.serial for row in chosen.left_out] == ["B"]


@pytest.mark.parametrize("wanted", [[], ["all"]])
@pytest.mark.parametrize(
    ("state", "error"), [("unauthorized", UnauthorizedError), ("recovery", OfflineError)]
)
def test_phones_of_which_none_is_ready_raise_the_reason(wanted, state, error):
    with pytest.raises(error) as caught:
        choose(adb_with(A=state), wanted)
    assert (caught.value.serial, bool(caught.value.hint)) == ("A", True)


def test_serials_asked_for_come_once_each_in_that_order():
    assert serials(choose(adb_with(A="device", B="device"), ["B", "A", "B"])) == ["B", "A"]


def test_a_serial_that_is_not_there_lists_those_that_are():
    with pytest.raises(NoDeviceError, match="serial A ") as caught:
        choose(adb_with(A2="device", B="offline"), ["A"])
    assert "A2 (device), B (offline)" in caught.value.hint


def test_a_phone_asked_for_that_is_not_ready_says_why():
    with pytest.raises(UnauthorizedError, match="has not accepted"):
        choose(adb_with(A="unauthorized", B="device"), ["B", "A"])
    with pytest.raises(OfflineError) as caught:
        choose(adb_with(**{"A": "no permissions (missing udev rules?)"}), ["A"])
    assert "udev" in caught.value.hint

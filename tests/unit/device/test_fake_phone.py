"""The fake phone that is shipped: what users' tests may rely on."""

from __future__ import annotations

import hashlib

import pytest

from sdk_builder.device.adb import Adb, AdbPhone, Listed
from sdk_builder.device.fake import FakeAdb, FakePhone, Reply
from sdk_builder.errors import (
    DeviceLostError,
    DeviceTimeoutError,
    NoDeviceError,
    OfflineError,
    UnauthorizedError,
)


def test_it_is_the_seam():
    phone: AdbPhone = FakePhone("A")
    adb: Adb = FakeAdb([FakePhone("A")])
    assert adb.phone(phone.serial).serial == "A"


def test_the_example_of_the_docstring_works():
    phone = FakePhone("R5CT1", properties={"ro.product.model": "Pixel 8"})
    phone.commands["vibrate"] = lambda call: Reply(f"for {call.argv[1]} ms")
    there = FakeAdb([phone]).phone("R5CT1")
    assert there.shell(["vibrate", "200"], timeout_s=1).text == "for 200 ms"
    assert there.shell(["getprop", "ro.product.model"], timeout_s=1).text == "Pixel 8\n"
    assert ("vibrate", "200") in phone.ran


@pytest.mark.parametrize(
    ("state", "error"),
    [("unauthorized", UnauthorizedError), ("offline", OfflineError), ("absent", DeviceLostError)],
)
def test_a_phone_that_is_not_ready_refuses(state, error):
    phone = FakePhone("A", state=state)
    with pytest.raises(error) as caught:
        phone.shell(["id"], timeout_s=1)
    assert caught.value.serial == "A"
    with pytest.raises(error), phone.lines(["id"], silence_s=1):
        pytest.fail("it never opened")


def test_the_list_shows_what_is_plugged_in():
    phones = [FakePhone("A"), FakePhone("B", state="offline"), FakePhone("C", state="absent")]
    assert FakeAdb(phones).listed() == [Listed("A", "device"), Listed("B", "offline")]
    with pytest.raises(NoDeviceError):
        FakeAdb(reachable=False).listed()
    with pytest.raises(DeviceLostError):
        FakeAdb().phone("Z").shell(["id"], timeout_s=1)


def test_it_goes_away_after_so_many_calls_and_comes_back():
    phone = FakePhone()
    phone.unplug_after(calls=2)
    for _ in range(2):
        assert phone.shell(["true"], timeout_s=1).returncode == 0
    with pytest.raises(DeviceLostError):
        phone.shell(["true"], timeout_s=1)
    assert FakeAdb([phone]).listed() == []
    phone.plug_in()
    assert phone.shell(["true"], timeout_s=1).returncode == 0


def test_it_goes_away_in_the_middle_of_what_is_written_and_keeps_what_came():
    phone = FakePhone()
    phone.unplug_after(stdin_bytes=5)
    with pytest.raises(DeviceLostError):
        phone.shell(["sh", "-c", 'cat > "$1"', "sh", "/sdcard/f"], timeout_s=1, stdin=[b"abc"] * 3)
    assert phone.files["/sdcard/f"] == b"abcab"


def test_a_command_may_end_in_silence_or_take_the_phone_away():
    phone = FakePhone()
    phone.commands["hang"] = lambda call: Reply("one\r\ntwo\n", ends="silence")
    phone.commands["die"] = lambda call: Reply("one\n", ends="lost")
    with phone.lines(["hang"], silence_s=9) as lines:
        assert [next(lines), next(lines)] == ["one", "two"]
        with pytest.raises(DeviceTimeoutError, match="9 s"):
            next(lines)
    with pytest.raises(DeviceTimeoutError) as caught:
        phone.shell(["hang"], timeout_s=3)
    assert caught.value.ran is not None
    assert caught.value.ran.returncode is None
    with pytest.raises(DeviceLostError):
        phone.shell(["die"], timeout_s=3)
    assert phone.state == "absent"


def test_its_disk_fills_up():
    phone = FakePhone(capacity_bytes=10)
    result = phone.shell(
        ["sh", "-c", 'cat > "$1"', "sh", "/sdcard/f"], timeout_s=1, stdin=[b"x" * 8, b"y" * 8]
    )
    assert (result.returncode, phone.files["/sdcard/f"]) == (1, b"x" * 8 + b"y" * 2)
    assert b"No space left on device" in result.stderr
    assert phone.free_bytes == 0


def test_its_shell_does_what_a_shell_does_with_arguments_that_look_like_code():
    phone = FakePhone(files={"/sdcard/; rm -rf > x": b"one\n"})
    odd = "/sdcard/; rm -rf > x"
    run = phone.shell(["sh", "-c", 'cat "$1" | sha256sum', "sh", odd], timeout_s=1)
    assert run.text.split()[0] == hashlib.sha256(b"one\n").hexdigest()
    script = 'cat "$1" && echo yes || echo no ; echo end'
    assert phone.shell(["sh", "-c", script, "sh", odd], timeout_s=1).text == "one\nyes\nend\n"
    missing = phone.shell(["sh", "-c", script, "sh", "/sdcard/none"], timeout_s=1)
    assert (missing.text, missing.returncode) == ("no\nend\n", 0)
    assert phone.files == {odd: b"one\n"}


def test_a_program_that_it_has_not_is_not_found():
    assert FakePhone().shell(["perf"], timeout_s=1).returncode == 127

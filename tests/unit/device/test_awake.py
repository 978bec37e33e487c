"""A phone is kept awake, and left as it was."""

from __future__ import annotations

import pytest

from sdk_builder.device.awake import BEFORE_FILE, kept_awake
from sdk_builder.device.fake import FakePhone, Reply
from sdk_builder.errors import DeviceLostError

STAY, OFF = ("global", "stay_on_while_plugged_in"), ("system", "screen_off_timeout")


def sleepy() -> FakePhone:
    return FakePhone("P1", settings={STAY: "0", OFF: "30000"})


@pytest.fixture
def warnings() -> list[str]:
    return []


def test_it_is_awake_within_and_as_before_after(warnings):
    phone = sleepy()
    with kept_awake(phone, warn=warnings.append):
        assert phone.settings[STAY] == "15"
        assert int(phone.settings[OFF]) > 24 * 3600 * 1000
        assert ("input", "keyevent", "KEYCODE_WAKEUP") in phone.ran
        assert ("wm", "dismiss-keyguard") in phone.ran
    assert phone.settings == {STAY: "0", OFF: "30000"}
    assert (warnings, phone.files) == ([], {})


def test_a_setting_that_had_no_value_has_none_again(warnings):
    phone = FakePhone(settings={OFF: "60000"})
    with kept_awake(phone, warn=warnings.append):
        pass
    assert phone.settings == {OFF: "60000"}


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_it_is_put_back_after_an_error_which_stays_that_error(warnings, error):
    phone = sleepy()
    with pytest.raises(type(error)) as caught, kept_awake(phone, warn=warnings.append):
        raise error
    assert caught.value is error
    assert phone.settings == {STAY: "0", OFF: "30000"}


def test_a_phone_lost_within_is_that_error_and_what_to_do_by_hand_is_said(warnings):
    phone = sleepy()
    with (
        pytest.raises(DeviceLostError, match="while it ran die"),
        kept_awake(phone, warn=warnings.append),
    ):
        phone.commands["die"] = lambda call: Reply(ends="lost")
        phone.shell(["die"], timeout_s=1)
    assert len(warnings) == 2
    assert "adb -s P1 shell settings put global stay_on_while_plugged_in 0" in warnings[0]
    assert "screen_off_timeout 30000" in warnings[1]


def test_a_phone_lost_at_the_very_end_is_only_a_warning(warnings):
    phone = sleepy()
    with kept_awake(phone, warn=warnings.append):
        phone.unplug_after(calls=0)
    assert len(warnings) == 2


def test_the_next_run_puts_back_what_a_killed_one_could_not(warnings):
    phone = sleepy()
    with kept_awake(phone, warn=warnings.append):
        phone.unplug_after(calls=0)
    phone.plug_in()
    assert phone.settings[STAY] == "15"
    with kept_awake(phone, warn=warnings.append):
        pass
    assert phone.settings == {STAY: "0", OFF: "30000"}
    assert phone.files == {}


@pytest.mark.parametrize("left", [b"", b"{", b"[1]", b'{"global x": "1; reboot"}', b"\xff"])
def test_what_others_left_in_our_place_is_not_believed(warnings, left):
    phone = sleepy()
    phone.folders.add("/data/local/tmp/shakti")
    phone.files[BEFORE_FILE] = left
    with kept_awake(phone, warn=warnings.append):
        pass
    assert phone.settings == {STAY: "0", OFF: "30000"}
    assert not any("reboot" in " ".join(argv) for argv in phone.ran)


def test_a_phone_that_lets_nobody_change_settings_is_measured_with_warnings(warnings):
    phone = sleepy()
    phone.commands["settings"] = lambda call: Reply("", 255, "SecurityException: no\n")
    phone.commands["wm"] = lambda call: Reply("", 1, "wm: unknown\n")
    entered = False
    with kept_awake(phone, warn=warnings.append):
        entered = True
    assert entered
    assert any("SecurityException" in warning for warning in warnings)
    assert any("dismiss-keyguard" in warning for warning in warnings)

"""Starting an app and seeing whether it stays."""

from __future__ import annotations

import pytest

from sdk_builder.device.fake import Call, FakeApp, FakePhone, Reply
from sdk_builder.device.fake_commands import COMMANDS
from sdk_builder.device.launch import APPEAR_S, WATCH_S, launch
from sdk_builder.errors import AppCrashedError, AppMissingError, CommandFailedError

APP = "io.shakti.demo"
MAIN = f"{APP}/.MainActivity"


def phone_with(app: FakeApp | None = None) -> FakePhone:
    return FakePhone("P1", apps={APP: app or FakeApp()})


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, each time; nobody really waits."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def start(phone: FakePhone, extras: dict[str, str] | None = None) -> int:
    return launch(phone, MAIN, extras or {})


def starts(phone: FakePhone) -> list[tuple[str, ...]]:
    return [argv for argv in phone.ran if argv[:2] == ("am", "start")]


def test_an_app_that_stays_is_started_awake_with_its_extras(waits):
    phone = phone_with()
    pid = start(phone, {"bundle": "/data/it's; x"})
    assert (pid, sum(waits)) == (phone.running[APP], WATCH_S)
    assert starts(phone) == [("am", "start", "-n", MAIN, "-e", "bundle", "/data/it's; x")]
    assert phone.ran.index(("input", "keyevent", "KEYCODE_WAKEUP")) < phone.ran.index(
        starts(phone)[0]
    )


def test_an_app_that_crashes_is_told_with_its_log():
    phone = phone_with(FakeApp(crash="java.lang.IllegalStateException: no bundle"))
    with pytest.raises(AppCrashedError, match="right after its start") as caught:
        start(phone)
    assert "no bundle" in caught.value.hint
    assert caught.value.serial == "P1"


def test_a_crash_whose_process_waits_for_the_dialog_is_a_crash():
    phone = phone_with(FakeApp(crash="java.lang.Error: x"))
    phone.running[APP] = 77
    with pytest.raises(AppCrashedError):
        start(phone)


def pids(phone: FakePhone, *answers: bytes) -> None:
    """Let the phone answer so, one after the other, the last for ever."""
    left = list(answers)
    phone.commands["pidof"] = lambda call: Reply(left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize("later", [b"", b"88\n"])
def test_a_process_that_ends_or_is_another_one_meanwhile_is_a_crash(later):
    phone = phone_with()
    pids(phone, b"77\n", b"77\n", later)
    with pytest.raises(AppCrashedError):
        start(phone)


def test_a_process_that_takes_its_time_is_waited_for(waits):
    phone = phone_with()
    answers = [b"", b"", b"", b"77\n"]
    phone.commands["pidof"] = lambda call: Reply(answers.pop(0) if len(answers) > 1 else answers[0])
    assert start(phone) == 77
    assert WATCH_S < sum(waits) < APPEAR_S


def test_an_app_that_was_only_brought_to_the_front_is_started_again_for_its_extras():
    phone = phone_with()
    front = "Warning: Activity not started, its current task has been brought to the front\n"

    def am(call: Call) -> Reply:
        said = COMMANDS["am"](call)
        first = call.argv[1] == "start" and len(starts(phone)) == 1
        return Reply(front) if first else said

    phone.commands["am"] = am
    start(phone, {"bundle": "/b"})
    assert len(starts(phone)) == 2
    assert ("am", "force-stop", APP) in phone.ran

    phone.ran.clear()
    start(phone)  # without extras nothing was lost
    assert len(starts(phone)) == 1


def test_an_app_that_is_not_there_is_missing():
    with pytest.raises(AppMissingError, match="P1"):
        start(FakePhone("P1"))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("java.lang.SecurityException: Permission Denial", 1),
        ("Error: Activity not started, voice control not allowed", 0),
        ("", 255),
    ],
)
def test_a_start_that_android_refuses_is_told_in_its_words(said, code):
    phone = phone_with()
    phone.commands["am"] = lambda call: Reply(f"{said}\n", code)
    with pytest.raises(CommandFailedError, match="cannot be started") as caught:
        start(phone)
    assert said[:20] in caught.value.message

"""Following an instrumentation: what `am instrument -w -r` prints, and what disturbs it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.device.fake import FakePhone, Reply
from sdk_builder.device.instrument import MAX_VALUE_CHARS, InstrumentOutcome, follow, instrument
from sdk_builder.errors import DeviceLostError, RunStalledError

COMPONENT = "io.shakti.demo/.BenchInstrumentation"
DESCRIBED = """\
INSTRUMENTATION_RESULT: shakti_protocol=1
INSTRUMENTATION_RESULT: shakti_results_dir=/sdcard/a=b
INSTRUMENTATION_CODE: -1
"""


def status(done: int, now: str = "prefill-128") -> str:
    return (
        f"INSTRUMENTATION_STATUS: shakti_done={done}\n"
        "INSTRUMENTATION_STATUS: shakti_total=6\n"
        f"INSTRUMENTATION_STATUS: shakti_now={now}\n"
        "INSTRUMENTATION_STATUS_CODE: 0\n"
    )


def followed(text: str) -> tuple[InstrumentOutcome, list[Mapping[str, str]]]:
    seen: list[Mapping[str, str]] = []
    return follow(text.splitlines(), seen.append), seen


def run(phone: FakePhone, **arguments: str) -> InstrumentOutcome:
    return instrument(phone, COMPONENT, arguments, silence_s=30, watch=lambda seen: None)


def test_arguments_are_passed_one_by_one_and_results_come_back():
    phone = FakePhone()
    phone.commands["am"] = lambda call: Reply(DESCRIBED)
    outcome = run(phone, action="run", plan="/data/a b;$(id).json")
    assert outcome == InstrumentOutcome(
        {"shakti_protocol": "1", "shakti_results_dir": "/sdcard/a=b"}, -1
    )
    assert phone.ran == [
        (
            *("am", "instrument", "-w", "-r", "-e", "action", "run"),
            *("-e", "plan", "/data/a b;$(id).json", COMPONENT),
        )
    ]


def test_each_status_is_seen_once_and_whole():
    outcome, seen = followed(status(0) + status(1, "decode-128@512") + DESCRIBED)
    assert [(row["shakti_done"], row["shakti_now"]) for row in seen] == [
        ("0", "prefill-128"),
        ("1", "decode-128@512"),
    ]
    assert not outcome.crashed


def test_values_may_go_over_several_lines():
    text = (
        "INSTRUMENTATION_RESULT: shakti_message=first\n  second=2\n\nlast\n"
        "INSTRUMENTATION_RESULT: shakti_status=failed\nINSTRUMENTATION_CODE: -1\n"
    )
    outcome, _ = followed(text)
    assert outcome.results == {
        "shakti_message": "first\n  second=2\n\nlast",
        "shakti_status": "failed",
    }


def test_a_crash_is_one_whatever_the_exit_code_says():
    phone = FakePhone()
    crash = (
        "INSTRUMENTATION_RESULT: shortMsg=Process crashed.\n"
        "INSTRUMENTATION_RESULT: longMsg=java.lang.OutOfMemoryError\nINSTRUMENTATION_CODE: 0\n"
    )
    phone.commands["am"] = lambda call: Reply(status(3) + crash, 0)
    outcome = run(phone)
    assert (outcome.crashed, outcome.not_found, outcome.code) == (True, False, 0)
    assert outcome.reason == "java.lang.OutOfMemoryError"


@pytest.mark.parametrize("text", ["", status(2), status(2)[:-40], "INSTRUMENTATION_RESULT: a=b\n"])
def test_a_stream_that_ends_without_its_end_is_a_crash(text):
    outcome, _ = followed(text)
    assert (outcome.crashed, outcome.code) == (True, None)
    assert outcome.reason


def test_a_system_that_goes_down_is_a_crash():
    outcome, _ = followed("INSTRUMENTATION_ABORTED: System has crashed.\n")
    assert (outcome.crashed, outcome.not_found) == (True, False)
    assert outcome.reason == "System has crashed."


def test_an_app_that_is_missing_is_not_found():
    outcome = run(FakePhone())
    assert (outcome.not_found, outcome.crashed) == (True, False)
    assert "Unable to find instrumentation info" in outcome.reason
    old, _ = followed(f"INSTRUMENTATION_FAILED: {COMPONENT}\n")
    assert (old.not_found, old.crashed) == (True, False)


def test_an_instrumentation_that_may_not_start_is_there_but_failed():
    outcome, _ = followed(
        "INSTRUMENTATION_STATUS: Error=Permission Denial: starting instrumentation\n"
        f"INSTRUMENTATION_STATUS_CODE: -1\nINSTRUMENTATION_FAILED: {COMPONENT}\n"
    )
    assert (outcome.not_found, outcome.crashed) == (False, True)
    assert "Permission Denial" in outcome.reason


def test_noise_disturbs_nothing_and_stays_bounded():
    noise = "".join(f"W/noise({n}): nothing of ours\n" for n in range(10_000))
    outcome, seen = followed(noise + status(0) + noise + status(1) + noise + DESCRIBED + noise)
    assert [row["shakti_done"] for row in seen] == ["0", "1"]
    assert outcome.results["shakti_results_dir"] == "/sdcard/a=b"
    assert outcome.tail.splitlines()[-1] == "W/noise(9999): nothing of ours"
    assert len(outcome.tail.splitlines()) == 40
    open_value, _ = followed("INSTRUMENTATION_RESULT: a=b\n" + noise)
    assert len(open_value.results["a"]) == MAX_VALUE_CHARS


def test_silence_is_a_stalled_run():
    phone = FakePhone("P1")
    phone.commands["am"] = lambda call: Reply(status(2), ends="silence")
    with pytest.raises(RunStalledError, match="30 s") as caught:
        run(phone)
    assert caught.value.serial == "P1"
    assert caught.value.ran is not None


def test_a_phone_that_is_unplugged_is_lost_after_what_it_said():
    phone = FakePhone()
    phone.commands["am"] = lambda call: Reply(status(2), ends="lost")
    seen: list[Mapping[str, str]] = []
    with pytest.raises(DeviceLostError):
        instrument(phone, COMPONENT, {}, silence_s=30, watch=seen.append)
    assert [row["shakti_done"] for row in seen] == ["2"]


WORDS = st.sampled_from(
    [*status(1).splitlines(), *DESCRIBED.splitlines(), "INSTRUMENTATION_CODE: x"]
)


@given(st.lists(st.one_of(WORDS, st.text(max_size=20))))
def test_any_text_has_an_outcome(lines):
    outcome = follow(lines, lambda seen: None)
    assert outcome.crashed or outcome.code is not None or outcome.not_found

"""What of a phone's log explains an app's end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.device.fake import FakePhone, Reply
from sdk_builder.device.logcat import LINES, crash, keep, mark, tail

APP = "io.shakti.demo"


def row(pid: int, level: str, tag: str, text: str) -> str:
    return f"11-24 03:06:42.123 {pid:>5} {pid + 7:>5} {level} {tag:<8}: {text}"


STARTED = row(900, "I", "ActivityManager", f"Start proc 4321:{APP}/u0a271 for instrumentation")
SAID = row(4321, "I", "Bench", "loading model.pte")
NATIVE = row(4321, "F", "libc", f"Fatal signal 11 (SIGSEGV) in tid 4330, pid 4321 ({APP})")
TOMBSTONE = row(5000, "F", "DEBUG", "    #00 pc 0001 libexecutorch.so")
DIED = row(900, "I", "ActivityManager", f"Process {APP} (pid 4321) has died: fg TOP")
NOISE = [row(100 + n % 50, "W", f"noise{n % 9}", f"nothing {n}") for n in range(10_000)]
OTHERS = [
    "--------- beginning of main",
    row(77, "W", "libc", 'Access denied finding property "x"'),
    row(77, "D", "AndroidRuntime", "Calling main entry com.android.commands.am.Am"),
    row(43210, "I", "Bench", "not ours"),
    "odd line",
    "",
]


def test_only_lines_of_our_process_and_of_crashes_are_kept():
    ours = [STARTED, SAID, NATIVE, TOMBSTONE, DIED]
    mixed = [*NOISE[:4000], *OTHERS]
    for line in ours:
        mixed += [line, *NOISE[4000:5000], *OTHERS]
    assert keep(mixed, APP, []) == ours


def test_a_process_that_still_runs_is_known_by_its_number():
    assert keep([SAID, *NOISE], APP, ["4321"]) == [SAID]
    assert keep([SAID, *NOISE], APP, []) == []


def test_each_way_of_naming_a_process_is_understood():
    java = row(4321, "E", "AndroidRuntime", f"Process: {APP}, PID: 4321")
    stone = row(5000, "F", "DEBUG", f"pid: 4321, tid: 4330, name: worker  >>> {APP} <<<")
    for line in (STARTED, NATIVE, DIED, java, stone):
        assert keep([line, SAID], APP, []) == [line, SAID]


def test_the_end_counts_and_lines_are_bounded():
    many = [STARTED, *(row(4321, "I", "Bench", f"{n} {'x' * 9999}") for n in range(10_000))]
    kept = keep(many, APP, [], lines=5)
    assert [line.split(": ", 1)[1].split()[0] for line in kept] == [
        str(n) for n in range(9995, 10_000)
    ]
    assert max(map(len, kept)) == 300


def test_the_tail_is_asked_for_since_the_mark():
    phone = FakePhone(log=[*NOISE, STARTED, SAID])
    since = mark(phone)
    assert since == "11-24 03:06:41.000"
    assert tail(phone, since, APP) == f"{STARTED}\n{SAID}"
    assert phone.ran[-1] == ("logcat", "-d", "-v", "threadtime", "-T", since)


def test_a_phone_without_a_clock_gives_its_last_lines():
    phone = FakePhone()
    phone.commands["date"] = lambda call: Reply("", 1, "date: bad\n")
    assert mark(phone) == ""
    tail(phone, "", APP)
    assert phone.ran[-1][-1] == "5000"


def test_a_phone_that_is_gone_has_no_log_but_no_error_either():
    phone = FakePhone("P1", state="absent")
    assert "P1" in tail(phone, "", APP)


@given(st.lists(st.text()), st.integers(1, 5))
def test_any_log_is_read(lines, count):
    assert len(keep(lines, APP, ["1"], lines=count)) <= count


# --- crashes ----------------------------------------------------------------------------------

JAVA = [
    row(4321, "E", "AndroidRuntime", "FATAL EXCEPTION: main"),
    row(4321, "E", "AndroidRuntime", f"Process: {APP}, PID: 4321"),
    row(4321, "E", "AndroidRuntime", "java.lang.IllegalStateException: no bundle"),
    *(row(4321, "E", "AndroidRuntime", f"\tat Frame{n}") for n in range(100)),
]


def test_a_crash_is_told_from_its_beginning():
    told = crash(FakePhone(log=[STARTED, SAID, *JAVA]), "", APP).splitlines()
    assert told[:3] == JAVA[:3]
    assert len(told) == LINES


def test_a_native_crash_is_one():
    stone = row(5000, "F", "DEBUG", f"pid: 4321, tid: 4330, name: worker  >>> {APP} <<<")
    for line in (NATIVE, stone):
        assert line in crash(FakePhone(log=[SAID, line]), "", APP)


def test_what_is_no_crash_of_this_app_is_none():
    other = [line.replace(APP, f"{APP}.other") for line in JAVA]
    calm = row(4321, "I", "AndroidRuntime", f"Process: {APP}, PID: 4321")
    assert crash(FakePhone(log=[STARTED, SAID, *other, calm, *OTHERS]), "", APP) == ""
    assert crash(FakePhone(), "", APP) == ""

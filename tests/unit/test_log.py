"""Steps: one line each on stderr, whatever stderr is."""

from __future__ import annotations

import io
import os
import select
import sys
import time

import pytest

from sdk_builder.log import BAR_AFTER_S, Steps, StepTime, bar_text, format_seconds


class Clock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def steps(stream, clock):
    return Steps(stream=stream, clock=clock)


def test_finished_step_is_one_line_with_its_time(steps, stream, clock):
    with steps.step("Quantizing") as step:
        clock.now += 4.1
        step.result("Quantized 211 tensors")
    assert stream.getvalue() == "✓ Quantized 211 tensors  4.1 s\n"
    assert steps.finished == [StepTime("Quantized 211 tensors", steps.finished[0].seconds, True)]
    assert steps.finished[0].seconds == pytest.approx(4.1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failing_step_shows_a_cross_and_the_error_goes_on(steps, stream, error):
    with pytest.raises(error), steps.step("Lowering"):
        raise error
    assert stream.getvalue() == "✗ Lowering  0.00 s\n"
    assert [step.ok for step in steps.finished] == [False]


def test_inner_step_is_printed_before_the_outer_one(steps, stream):
    with steps.step("Exporting"), steps.step("Reading"):
        pass
    assert stream.getvalue().splitlines() == ["✓ Reading  0.00 s", "✓ Exporting  0.00 s"]


@pytest.mark.parametrize(("verbosity", "lines"), [(0, 1), (1, 2)])
def test_notes_need_verbosity(stream, clock, verbosity, lines):
    steps = Steps(stream=stream, clock=clock, verbosity=verbosity)
    with steps.step("Reading") as step:
        step.note("30 layers")
    assert len(stream.getvalue().splitlines()) == lines
    assert ("· 30 layers" in stream.getvalue()) == (verbosity > 0)


def test_warning_is_shown_without_verbosity(steps, stream):
    steps.warn("No chat turns")
    assert stream.getvalue() == "! No chat turns\n"


def test_progress_is_not_written_to_a_file(steps, stream, clock):
    with steps.step("Quantizing") as step:
        clock.now += 60
        step.progress(1, 2)
        assert stream.getvalue() == ""


def test_stdout_stays_free_for_results(capsys):
    steps = Steps(verbosity=1)
    with steps.step("Reading") as step:
        step.note("detail")
    steps.warn("careful")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 3


def test_silent_steps_are_timed_but_not_shown(capsys):
    steps = Steps.silent()
    with steps.step("Reading") as step:
        step.progress(1, 2)
    steps.warn("careful")
    assert capsys.readouterr() == ("", "")
    assert [step.title for step in steps.finished] == ["Reading"]


def test_stream_without_unicode_gets_words_instead_of_ticks(clock):
    buffer = io.BytesIO()
    steps = Steps(stream=io.TextIOWrapper(buffer, encoding="ascii"), clock=clock)
    with steps.step("Reading modèle"):
        pass
    assert buffer.getvalue() == b"ok Reading mod?le  0.00 s\n"


def test_closed_pipe_does_not_stop_the_work():
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = os.fdopen(write_end, "w")
    steps = Steps(stream=stream)
    with steps.step("Reading"):
        pass
    assert steps.finished[0].ok
    with pytest.raises(BrokenPipeError):  # what was not written is still in the buffer
        stream.close()


def test_closed_stream_does_not_stop_the_work(stream):
    stream.close()
    with Steps(stream=stream).step("Reading"):
        pass


def read_until(screen: int, text: str, seconds: float = 20.0) -> str:
    """What a terminal shows, up to and including the first read that has `text` in it."""
    shown = b""
    deadline = time.monotonic() + seconds
    while text not in shown.decode(errors="replace") and time.monotonic() < deadline:
        if select.select([screen], [], [], 0.1)[0]:
            shown += os.read(screen, 65536)
    return shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_terminal_shows_a_bar_for_a_long_step_only(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stream:
        steps = Steps(stream=stream, clock=clock)
        with steps.step("Reading [INST]") as short:
            short.progress(1, 2)
        assert bar_text(1, 2) not in read_until(screen, "✓")
        with steps.step("Quantizing") as long:
            clock.now += BAR_AFTER_S
            long.progress(1, 2)
            shown = read_until(screen, bar_text(1, 2))
            assert "Quantizing" in shown
            assert bar_text(1, 2) in shown
        assert "Quantizing" in read_until(screen, "2.0 s")
    os.close(screen)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_terminal_shows_what_a_step_is_at_and_then_its_title(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stream:
        with Steps(stream=stream).step("Round 1") as step:
            step.say("decode-128")
            assert "decode-128" in read_until(screen, "Round 1: decode-128")
        assert "Round 1: " not in read_until(screen, "✓").rpartition("✓")[2]
    os.close(screen)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 s"),
        (0.0949, "0.09 s"),
        (0.1, "0.1 s"),
        (4.1, "4.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (123.4, "2 min 03 s"),
        (3600, "60 min 00 s"),
    ],
)
def test_durations_read_well(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(0, 4, "────   0%"), (2, 4, "━━──  50%"), (9, 4, "━━━━ 100%"), (1, 0, "────   0%")],
)
def test_bar_is_clamped_to_its_width(done, total, text):
    assert bar_text(done, total, width=4) == text

"""Ctrl-C is told from a defect, also where compiled code swallowed it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from sdk_builder import interrupts
from sdk_builder.errors import ExportError, Interrupted


def swallowed() -> Exception:
    """What a C++ extension does: drop the KeyboardInterrupt, raise an error of its own."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        while True:  # until the handler ran
            pass
    except KeyboardInterrupt:
        return RuntimeError("could not determine the shape of object")


@pytest.fixture(autouse=True)
def python_handles_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    interrupts.answered()
    signal.signal(signal.SIGINT, before)


def test_an_error_without_ctrl_c_is_an_error():
    with interrupts.noted():
        assert not interrupts.is_ctrl_c(RuntimeError("shape"))
        assert not interrupts.is_ctrl_c(ExportError("no"))


def test_ctrl_c_in_the_chain_is_found_without_a_note():
    error = RuntimeError("shape")
    error.__cause__ = KeyboardInterrupt()
    assert interrupts.is_ctrl_c(error)
    assert interrupts.is_ctrl_c(KeyboardInterrupt())


def test_swallowed_ctrl_c_is_known_by_the_signal():
    with interrupts.noted():
        error = swallowed()
        assert interrupts.is_ctrl_c(error)
        wrapped = ExportError("The program could not be lowered.")
        wrapped.__cause__ = error
        assert interrupts.is_ctrl_c(wrapped)


def test_what_says_itself_that_it_was_interrupted_keeps_its_words():
    with interrupts.noted():
        swallowed()
        assert not interrupts.is_ctrl_c(Interrupted("Stopped. Trials are kept."))


def test_after_an_answered_ctrl_c_an_error_is_an_error():
    with interrupts.noted():
        error = swallowed()
        interrupts.answered()
        assert not interrupts.is_ctrl_c(error)


def test_a_new_command_begins_without_a_note():
    with interrupts.noted():
        error = swallowed()
    with interrupts.noted():
        assert not interrupts.is_ctrl_c(error)


def test_another_handler_is_kept_and_ours_is_removed():
    with interrupts.noted():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.noted():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_command_may_run_in_another_thread():
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with interrupts.noted():
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failures == []

"""Whether Ctrl-C is behind an exception, even where compiled code has replaced it.

Ctrl-C raises KeyboardInterrupt wherever Python happens to be. When that is inside a call that
a C++ extension makes, the extension may drop the exception and raise one of its own ("could
not determine the shape of object", "ImportError"), with or without a link to the first. So a
command also notes that the signal came.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from sdk_builder.errors import Interrupted, ShaktiError


@dataclass
class _Note:
    came: bool = False


_NOTE = _Note()


def _raise_noted(number: int, frame: FrameType | None) -> None:
    _NOTE.came = True
    signal.default_int_handler(number, frame)


@contextmanager
def noted() -> Iterator[None]:
    """While inside, Ctrl-C is noted as well as raised; elsewhere than the main thread, nothing.

    A process that ignores the signal, or has a handler of its own, keeps that.
    """
    _NOTE.came = False
    before = signal.getsignal(signal.SIGINT)
    try:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, _raise_noted)
    except ValueError:  # not the main thread, which alone gets signals
        before = None
    try:
        yield
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)


def answered() -> None:
    """Forget a Ctrl-C that was dealt with: what fails after it fails for its own reasons."""
    _NOTE.came = False


def is_ctrl_c(error: BaseException | None) -> bool:
    """Whether Ctrl-C led to `error`: what our own errors say of other causes is believed,
    unless the signal came and nobody answered it."""
    if _NOTE.came and isinstance(error, Exception) and not isinstance(error, Interrupted):
        return True
    while error is not None and not isinstance(error, (KeyboardInterrupt, ShaktiError)):
        error = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt)

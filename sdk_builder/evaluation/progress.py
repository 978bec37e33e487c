"""How far a long measurement is and how long it will take, beside its step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sdk_builder.log import Step, format_seconds

_ESTIMATE_AFTER_S = 3.0  # the first pieces are slower than the rest: weights are read from disk


@dataclass
class Progress:
    """Shows `done` of `total` units of work on a step, with the time that is left.

    The unit is what takes the time (tokens to compute), so that the estimate holds for long and
    short pieces alike.
    """

    step: Step
    total: float
    done: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _started: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def add(self, amount: float, what: str = "") -> None:
        """`amount` more is done; `what` says at what it is, for a person."""
        self.done += amount
        self.step.progress(self.done, self.total)
        said = ", ".join(text for text in (what, self.left()) if text)
        if said:
            self.step.say(said)

    def left(self) -> str:
        """``2 min 03 s left``; empty where it is too early to say, or all is done."""
        passed = self.clock() - self._started
        if passed < _ESTIMATE_AFTER_S or self.done <= 0 or self.done >= self.total:
            return ""
        return f"{format_seconds(passed / self.done * (self.total - self.done))} left"

"""The seam between the runner and what it measures: a phone, or this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sdk_builder.benchmark.protocol import RoundPlan
from sdk_builder.benchmark.records import RuntimeFacts
from sdk_builder.benchmark.subject import Subject
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.log import Steps


@dataclass(frozen=True)
class Progress:
    """How far a round is: `done` of `total` cases, `now` the case that runs."""

    done: int
    total: int
    now: str


class Target(Protocol):
    """Where a benchmark runs. Everything raises ShaktiError, a phone its DeviceErrors."""

    @property
    def facts(self) -> DeviceFacts: ...

    @property
    def runtime(self) -> RuntimeFacts: ...

    def prepare(self, subject: Subject, steps: Steps) -> str:
        """Bring it there, unless it is there already; the folder that holds it then."""
        ...

    def conditions(self) -> Conditions:
        """The conditions now."""
        ...

    def measuring(self) -> AbstractContextManager[None]:
        """Held while rounds run (a phone is kept awake); puts everything back at the end."""
        ...

    def run_round(self, plan: RoundPlan, watch: Callable[[Progress], None]) -> None:
        """Run one round in a new process and return when that has ended.

        Whether it ended well is in its output, not in this call; it raises where the process
        could not be started, crashed, fell silent, or was lost sight of.
        """
        ...

    def output(self, plan: RoundPlan) -> bytes:
        """What the round's process has written so far; empty if it never wrote."""
        ...

"""Time that is left, by a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdk_builder.evaluation.progress import Progress
from sdk_builder.log import SilentDisplay, Steps


@dataclass
class Seen(SilentDisplay):
    said: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def at(self, task: int, text: str) -> None:
        self.said.append(text)

    def progress(self, task: int, done: float, total: float) -> None:
        self.shares.append(done / total)


def test_time_left_is_by_units_done():
    now = [0.0]
    steps, seen = Steps.silent(), Seen()
    steps.display, steps.clock = seen, lambda: now[0]
    with steps.step("Scoring") as step:
        progress = Progress(step, total=100, clock=lambda: now[0])
        now[0] = 1.0
        progress.add(10)  # too early to say
        now[0] = 10.0
        progress.add(10, "b")
        now[0] = 40.0
        progress.add(80)  # nothing is left
    assert seen.said == ["Scoring: b, 40.0 s left"]
    assert seen.shares == [0.2, 1.0]

"""The seam of a search: whoever measures a candidate, and a stand-in that ships. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sdk_builder.log import Step
from sdk_builder.tuning.records import Measurement
from sdk_builder.tuning.space import Candidate


class Runner(Protocol):
    """Measures candidates of one model on one text."""

    def reference_perplexity(self) -> float:
        """Of the float model over the same tokens."""
        ...

    def run(self, candidate: Candidate, baseline: Candidate | None, step: Step) -> Measurement:
        """Export and measure; `baseline` None: this is the one that others are compared with.

        Raises ShaktiError.
        """
        ...

    def discard(self, candidate: Candidate) -> None:
        """Delete what `run` left of a candidate, if anything."""
        ...


@dataclass
class ScriptedRunner:
    """Answers from `script`: a measurement or an exception to raise; `ran` are those asked for."""

    script: Mapping[Candidate, Measurement | BaseException]
    perplexity: float = 10.0
    ran: list[Candidate] = field(default_factory=list)
    baselines: list[Candidate | None] = field(default_factory=list)
    kept: set[Candidate] = field(default_factory=set)
    before: Callable[[Candidate], None] = lambda candidate: None

    def reference_perplexity(self) -> float:
        return self.perplexity

    def run(self, candidate: Candidate, baseline: Candidate | None, step: Step) -> Measurement:
        self.before(candidate)
        self.ran.append(candidate)
        self.baselines.append(baseline)
        answer = self.script[candidate]
        if isinstance(answer, BaseException):
            raise answer
        self.kept.add(candidate)
        return answer

    def discard(self, candidate: Candidate) -> None:
        self.kept.discard(candidate)

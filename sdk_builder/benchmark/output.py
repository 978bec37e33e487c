"""What a round's process left behind, read with suspicion: it may have died at any byte."""

from __future__ import annotations

from dataclasses import dataclass

from sdk_builder.benchmark.gates import invalid_reason
from sdk_builder.benchmark.protocol import RoundPlan
from sdk_builder.benchmark.records import (
    Failure,
    Heartbeat,
    Line,
    RoundEnd,
    RoundStart,
    Run,
    Sample,
    decode_line,
)
from sdk_builder.errors import InputError

_SHOWN = 60  # characters of a skipped line


@dataclass(frozen=True)
class ParsedOutput:
    """The lines that count, and for each one that was skipped where it is and why."""

    lines: tuple[Line, ...]
    skipped: tuple[str, ...] = ()


def parse_output(data: bytes, plan: RoundPlan | None = None) -> ParsedOutput:
    """The lines of an output file; what is no line is skipped, wherever it is.

    Heartbeats are dropped. Of samples of one case and attempt the first is kept. With a plan,
    lines of another run, round or attempt, and samples of other cases, are skipped, and the
    samples are marked invalid, or not, by the plan's gate.
    """
    lines: list[Line] = []
    skipped: list[str] = []
    seen: set[tuple[object, ...]] = set()
    begun: RoundStart | None = None  # the process that wrote what follows
    for number, text in enumerate(data.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            line = decode_line(text)
        except InputError as error:
            shown = text[:_SHOWN].decode("utf-8", "replace")
            skipped.append(f"line {number}: {error.message}: {shown!r}")
            continue
        if isinstance(line, Heartbeat):
            continue
        if isinstance(line, RoundStart):
            begun = line
        reason = _foreign(line, plan, begun)
        if reason:
            skipped.append(f"line {number}: {reason}")
            continue
        key = key_of(line)
        if key not in seen:
            seen.add(key)
            lines.append(_judged(line, plan))
    return ParsedOutput(tuple(lines), tuple(skipped))


def key_of(line: Line) -> tuple[object, ...]:
    """Equal for two lines that say the same thing, so that merging twice adds nothing."""
    if isinstance(line, Sample):
        return ("sample", line.round, line.attempt, line.case)
    if isinstance(line, Failure):
        return ("failure", line.round, line.attempt, line.at, line.cause)
    if isinstance(line, (RoundStart, RoundEnd)):
        return (line.type, line.round, line.attempt)
    return (line.type,)


def _foreign(line: Line, plan: RoundPlan | None, begun: RoundStart | None) -> str:
    """Why a line does not belong into the output of `plan`; empty if it does."""
    if isinstance(line, (Run, Heartbeat)):
        return f"a {line.type} line does not belong here"
    if plan is None:
        return ""
    if begun is not None and begun.run_id != plan.run_id:
        return f"of another run ({begun.run_id})"
    if (line.round, line.attempt) != (plan.round, plan.attempt):
        return (
            f"of round {line.round}, attempt {line.attempt}, "
            f"not of round {plan.round}, attempt {plan.attempt}"
        )
    if not isinstance(line, Sample):
        return ""
    if begun is not None and begun.program_sha256 not in (None, plan.program.sha256):
        return "a sample of another program"
    return "" if line.case in plan.cases else f"{line.case.id} was not asked for"


def _judged(line: Line, plan: RoundPlan | None) -> Line:
    if not isinstance(line, Sample) or plan is None:
        return line
    return line.model_copy(update={"invalid_reason": invalid_reason(line, plan.gate)})

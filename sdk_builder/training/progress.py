"""What a training says while it runs: a bar with loss and speed, and logs.jsonl.

A line of logs.jsonl is one event, with units in its names: ``train`` (a mean over the steps since
the last one), ``evaluation``, and ``resume``.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sdk_builder.errors import output_errors
from sdk_builder.log import Step, Steps, format_seconds

LOG = "logs.jsonl"
_RENAMED = {"grad_norm": "gradient_norm", "eval_loss": "loss"}
_LEFT_OUT = ("epoch", "total_flos", "train_loss", "num_input_tokens_seen")


@dataclass(frozen=True)
class Work:
    """What an optimizer step does; None where sequences differ in length.

    flops: of all processes, for forward and backward; causal_flops: with each pair of positions
    that attention looks at counted once. peak_flops_per_s: of all devices together, if known.
    """

    tokens: int | None = None
    flops: float | None = None
    causal_flops: float | None = None
    peak_flops_per_s: float | None = None


class Progress(TrainerCallback):
    """Shows and logs; only in the first process."""

    def __init__(self, path: Path, step: Step, steps: Steps, work: Work, resumed: int) -> None:
        self._path, self._step, self._steps, self._work = path, step, steps, work
        self._started = self._since = time.perf_counter()
        self._since_step = resumed
        _cut(path, resumed)
        if resumed:
            self._write({"event": "resume", "step": resumed})

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        self._step.progress(state.global_step, state.max_steps)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock: compiling and loading are behind, or count with the first steps."""
        self._started = self._since = time.perf_counter()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write an event."""
        logs = dict(kwargs.get("logs") or {})
        now = time.perf_counter()
        event: dict[str, Any] = {"step": state.global_step, "elapsed_s": now - self._started}
        if "eval_loss" in logs:
            event |= {"event": "evaluation", "loss": logs["eval_loss"]}
            self._since, self._since_step = now, state.global_step  # no training time
        elif "loss" in logs:
            event |= {"event": "train", **_plain(logs), **self._speed(state.global_step, now)}
            self._since, self._since_step = now, state.global_step
            self._say(event, state)
        else:
            return
        self._write(event)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Neither is saving."""
        self._since, self._since_step = time.perf_counter(), state.global_step

    def _speed(self, step: int, now: float) -> dict[str, Any]:
        """Of the steps since the last event: seconds, tokens a second, shares of the peak."""
        count, seconds = step - self._since_step, now - self._since
        if count <= 0 or seconds <= 0:
            return {}
        found: dict[str, Any] = {"step_s": seconds / count}
        work = self._work
        if work.tokens:
            found["tokens"] = step * work.tokens
            found["tokens_per_s"] = count * work.tokens / seconds
        if work.peak_flops_per_s and work.flops and work.causal_flops:
            peak = work.peak_flops_per_s * seconds / count
            found["mfu"] = work.flops / peak
            found["mfu_causal"] = work.causal_flops / peak
        return found

    def _say(self, event: dict[str, Any], state: TrainerState) -> None:
        parts = [f"step {event['step']} of {state.max_steps}", f"loss {event['loss']:.3f}"]
        if "tokens_per_s" in event:
            parts.append(f"{event['tokens_per_s']:,.0f} tokens/s")
        if "mfu" in event:
            parts.append(f"MFU {event['mfu']:.1%}")
        if "step_s" in event:
            left = (state.max_steps - state.global_step) * event["step_s"]
            parts.append(f"{format_seconds(left)} left")
        self._step.say(", ".join(parts))
        self._steps.note(", ".join(parts))

    def _write(self, event: dict[str, Any]) -> None:
        """Raises OutputError."""
        with output_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


def _plain(logs: dict[str, Any]) -> dict[str, Any]:
    """What the trainer logs, under our names; rewards and the like of a stage are kept."""
    return {
        _RENAMED.get(name, name): value
        for name, value in logs.items()
        if name not in _LEFT_OUT and isinstance(value, (int, float))
    }


def read_log(path: Path) -> list[dict[str, Any]]:
    """The events of a log; a last line that was cut short is left out."""
    events = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events


def _cut(path: Path, step: int) -> None:
    """Leave out what comes after the step that a run goes on from: it is logged again."""
    kept = [one for one in read_log(path) if one.get("step", 0) <= step] if step else []
    new = path.with_name(f".{path.name}.new")
    new.write_text("".join(json.dumps(one) + "\n" for one in kept), encoding="utf-8")
    os.replace(new, path)

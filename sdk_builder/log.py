"""Steps with a clock: what a long command is doing, on stderr.

One line a finished step, for example ``✓ Quantized 211 tensors  4.1 s``; a cross where the
step failed. On a terminal the running step shows a spinner and, when it lasts, a bar.
Results never come through here: they go to stdout.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TextIO, cast

if TYPE_CHECKING:
    from rich.progress import TaskID

BAR_AFTER_S = 2.0  # a shorter step shows no bar: it would only flicker
Mark = Literal["ok", "failed", "warning", "note"]

_SYMBOLS: dict[Mark, str] = {"ok": "✓", "failed": "✗", "warning": "!", "note": "·"}
_ASCII_SYMBOLS: dict[Mark, str] = {"ok": "ok", "failed": "FAILED", "warning": "!", "note": "-"}
_STYLES: dict[Mark, str] = {"ok": "green", "failed": "bold red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True)
class StepTime:
    """A step that ended: its final text, how long it took, and whether it succeeded."""

    title: str
    seconds: float
    ok: bool


def format_seconds(seconds: float) -> str:
    """A duration for people: ``0.04 s``, ``4.1 s``, ``2 min 03 s``."""
    if seconds < 0.095:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


class Step:
    """A running step; `Steps.step` makes it."""

    def __init__(self, title: str, steps: Steps) -> None:
        self.title = title
        self._steps = steps
        self._started = steps.clock()
        self._task = steps.display.begin(title)

    @property
    def seconds(self) -> float:
        """How long the step has been running."""
        return self._steps.clock() - self._started

    def progress(self, done: float, total: float) -> None:
        """Say that `done` of `total` is finished; any unit, as long as both have the same."""
        if self.seconds >= BAR_AFTER_S:
            self._steps.display.progress(self._task, done, total)

    def say(self, text: str) -> None:
        """What the step is at, beside its title as long as it runs; only a terminal shows it."""
        self._steps.display.at(self._task, f"{self.title}: {text}")

    def note(self, text: str) -> None:
        """A detail that only -v shows."""
        self._steps.note(text)

    def result(self, text: str) -> None:
        """What the finished line says instead of the title ("Quantized 211 tensors")."""
        self.title = text

    def _end(self, ok: bool) -> StepTime:
        """Take the step off the display and print its line."""
        ended = StepTime(self.title, self.seconds, ok)
        self._steps.display.end(self._task)
        mark: Mark = "ok" if ok else "failed"
        self._steps.display.line(mark, ended.title, format_seconds(ended.seconds))
        return ended


class Steps:
    """Reports steps to stderr. Steps may nest; an inner step's line comes first.

    `verbosity` 1 adds notes. `finished` keeps every step that ended, in that order.
    """

    def __init__(
        self,
        *,
        verbosity: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.verbosity = verbosity
        self.clock = clock
        self.display: Display = _display(sys.stderr if stream is None else stream)
        self.finished: list[StepTime] = []

    @classmethod
    def silent(cls) -> Steps:
        """A reporter that keeps `finished` and shows nothing."""
        steps = cls()
        steps.display = SilentDisplay()
        return steps

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time what happens inside; any exception marks the step as failed and goes on."""
        step = Step(title, self)
        ok = False
        try:
            yield step
            ok = True
        finally:
            self.finished.append(step._end(ok))

    def note(self, text: str) -> None:
        """A detail that only -v shows."""
        if self.verbosity >= 1:
            self.display.line("note", text)

    def warn(self, text: str) -> None:
        """Something that the user should know, though the work goes on."""
        self.display.line("warning", text)


# --- displays ---------------------------------------------------------------------------


class Display(Protocol):
    """Where steps are shown."""

    def begin(self, title: str) -> int: ...

    def progress(self, task: int, done: float, total: float) -> None: ...

    def at(self, task: int, text: str) -> None: ...

    def end(self, task: int) -> None: ...

    def line(self, mark: Mark, text: str, duration: str = "") -> None: ...


def _display(stream: TextIO) -> Display:
    """A live display on a terminal that can draw one, plain lines anywhere else."""
    try:
        is_terminal = stream.isatty()
    except ValueError:  # closed
        return SilentDisplay()
    if is_terminal and os.environ.get("TERM") != "dumb":
        return _Terminal(stream)
    return _Plain(stream)


def _symbols(stream: TextIO) -> dict[Mark, str]:
    """Ticks and crosses, or words where the stream's encoding lacks them."""
    try:
        "".join(_SYMBOLS.values()).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return _ASCII_SYMBOLS
    return _SYMBOLS


class SilentDisplay:
    """Shows nothing; a display of another kind may begin with it."""

    def begin(self, title: str) -> int:
        return 0

    def progress(self, task: int, done: float, total: float) -> None:
        pass

    def at(self, task: int, text: str) -> None:
        pass

    def end(self, task: int) -> None:
        pass

    def line(self, mark: Mark, text: str, duration: str = "") -> None:
        pass


class _Plain(SilentDisplay):
    """One line a finished step, for pipes, files and CI logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._symbols = _symbols(stream)

    def line(self, mark: Mark, text: str, duration: str = "") -> None:
        tail = f"  {duration}" if duration else ""
        line = f"{self._symbols[mark]} {text}{tail}\n"
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads stderr any more; that must not stop the work


class _Terminal:
    """A spinner for each running step, through rich, which is imported only here."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._symbols = _symbols(stream)
        self._console = Console(file=stream, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[bar]}", markup=False, style="cyan"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            refresh_per_second=8,
            # rich would send what others print to stdout through its own console: to stderr.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def begin(self, title: str) -> TaskID:
        if not self._progress.tasks:
            self._progress.start()
        return self._progress.add_task(title, total=None, bar="")

    def progress(self, task: int, done: float, total: float) -> None:
        self._progress.update(cast("TaskID", task), bar=bar_text(done, total))

    def at(self, task: int, text: str) -> None:
        self._progress.update(cast("TaskID", task), description=text)

    def end(self, task: int) -> None:
        self._progress.remove_task(cast("TaskID", task))
        if not self._progress.tasks:
            self._progress.stop()

    def line(self, mark: Mark, text: str, duration: str = "") -> None:
        from rich.text import Text

        tail = f"  {duration}" if duration else ""
        line = Text.assemble((self._symbols[mark], _STYLES[mark]), f" {text}", (tail, "dim"))
        self._console.print(line, soft_wrap=True)


def bar_text(done: float, total: float, width: int = 24) -> str:
    """A bar such as ``━━━━━━────── 50 %``; a share outside 0 to 1 is clamped."""
    share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
    filled = round(share * width)
    return f"{'━' * filled}{'─' * (width - filled)} {share:4.0%}"

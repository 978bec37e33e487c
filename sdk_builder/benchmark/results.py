"""A result file: written line by line, read back whatever a crash left of it.

The first line is the run; a line is complete when its newline is there. A process that dies in
the middle of a line leaves a torn one at the end, which readers ignore and the next writer
cuts off. Anything else that is no record is damage, and an error that names the line.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from pathlib import Path
from types import TracebackType

from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import (
    Failure,
    Heartbeat,
    Line,
    RoundEnd,
    RoundStart,
    Run,
    Sample,
    decode_line,
    encode_line,
)
from sdk_builder.errors import (
    InputError,
    OutputError,
    TargetExistsError,
    output_error,
    output_errors,
)
from sdk_builder.locks import try_lock

OTHER_FILE = "Give another file, or ask for a fresh run to replace this one."
NOT_OURS = "Result files are the .jsonl files that shakti-sdk bench writes."

_WHAT_A_KEY_HOLDS = ("plan", "bundle", "device", "runtime")


@dataclass(frozen=True)
class Parsed:
    """What the bytes of a result file hold; `torn`: the last line was cut off and is left out.

    intact_bytes: how many bytes the lines take.
    """

    lines: tuple[Line, ...]
    torn: bool
    intact_bytes: int


def parse(data: bytes, where: str = "result file") -> Parsed:
    """The records in the bytes of a result file; `where` names it in errors.

    Raises InputError for a line that is no record, unless it is the last one.
    """
    *whole, rest = data.split(b"\n")
    lines: list[Line] = []
    intact_bytes = 0
    for number, text in enumerate(whole, start=1):
        try:
            lines.append(decode_line(text))
        except InputError as error:
            if number == len(whole) and not rest:
                return Parsed(tuple(lines), True, intact_bytes)
            raise InputError(
                f"{where}:{number}: {error.message}.",
                "The file is damaged: remove that line if you can do without it.",
            ) from error
        intact_bytes += len(text) + 1
    return Parsed(tuple(lines), bool(rest), intact_bytes)


@dataclass(frozen=True)
class Results:
    """A run and everything that was written about it, in order."""

    run: Run
    lines: tuple[Line, ...] = ()

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, the invalid ones too."""
        return tuple(line for line in self.lines if isinstance(line, Sample))

    @cached_property
    def valid(self) -> tuple[Sample, ...]:
        """The samples that count."""
        return tuple(one for one in self.samples if one.invalid_reason is None)

    @property
    def invalid(self) -> tuple[Sample, ...]:
        """The samples that left the gate."""
        return tuple(one for one in self.samples if one.invalid_reason is not None)

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(line for line in self.lines if isinstance(line, Failure))

    @property
    def rounds(self) -> tuple[RoundStart, ...]:
        """The processes that began to measure."""
        return tuple(line for line in self.lines if isinstance(line, RoundStart))

    @property
    def ends(self) -> tuple[RoundEnd, ...]:
        return tuple(line for line in self.lines if isinstance(line, RoundEnd))

    def valid_of(self, case: Case) -> tuple[Sample, ...]:
        """The samples of a case that count: at most one a round."""
        return tuple(one for one in self.valid if one.case == case)

    def missing(self, round_number: int) -> tuple[Case, ...]:
        """The plan's cases without a sample that counts in this round."""
        there = {one.case for one in self.valid if one.round == round_number}
        return tuple(case for case in self.run.plan.cases if case not in there)

    @property
    def next_round(self) -> int | None:
        """The first round that misses something; None when the run is complete."""
        return next((r for r in range(self.run.plan.rounds) if self.missing(r)), None)

    @property
    def next_attempt(self) -> int:
        """One more than the last attempt that left any line."""
        return 1 + max((attempt_of(line) for line in self.lines), default=-1)


def attempt_of(line: Line) -> int:
    """The attempt that a line belongs to; -1 for lines of the whole run."""
    return -1 if isinstance(line, (Run, Heartbeat)) else line.attempt


def results_of(parsed: Parsed, where: str) -> Results:
    """The run that the first line tells of. Raises InputError if it does not."""
    if not parsed.lines or not isinstance(parsed.lines[0], Run):
        raise InputError(f"{where} is no result file: it does not begin with a run.", NOT_OURS)
    run, rest = parsed.lines[0], parsed.lines[1:]
    if any(isinstance(line, Run) for line in rest):
        raise InputError(f"{where} holds several runs; a result file has one.")
    kept = tuple(line for line in rest if not isinstance(line, Heartbeat))
    return Results(run, kept)


def read_results(path: Path) -> Results:
    """Read a result file, also one that is being written.

    Raises InputError for a file that is missing, unreadable, damaged, or something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    return results_of(parse(data, str(path)), str(path))


class ResultFile:
    """An open result file, which no other process writes meanwhile. Use it as a context manager.

    `create` makes one, `open` goes on with one. `results` is what it holds.
    """

    def __init__(self, path: Path, file: FileIO, results: Results) -> None:
        self.path = path
        self.results = results
        self._file = file  # unbuffered: what failed to be written is not tried again

    @classmethod
    def create(cls, path: Path, run: Run, *, replace: bool = False) -> ResultFile:
        """Begin a file with its run line, whole or not at all; its folder is made.

        Raises TargetExistsError if something is there and is not to be replaced, OutputError.
        """
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if replace and path.exists():
            _open_locked(path).close()  # not while another run writes it
        with output_errors(path), _temporary(path, encode_line(run).encode()) as temporary:
            if replace:
                temporary.replace(path)
            else:
                _put(temporary, path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> ResultFile:
        """Open a file to go on with it; a torn last line is cut off.

        Raises InputError when it is no intact result file, OutputError when it cannot be written
        or another process writes it.
        """
        file = _open_locked(path)
        try:
            parsed = parse(file.read(), str(path))
            results = results_of(parsed, str(path))
            with output_errors(path):
                file.truncate(parsed.intact_bytes)
                file.seek(0, os.SEEK_END)
        except BaseException:
            file.close()
            raise
        return cls(path, file, results)

    @classmethod
    def go_on(cls, path: Path, run: Run, *, fresh: bool = False) -> ResultFile:
        """The file at `path` if it holds a run with the same key; a new one if there is none.

        fresh: replace what is there. Raises InputError where it belongs to another run, and what
        `create` and `open` raise.
        """
        if fresh or not path.exists():
            return cls.create(path, run, replace=fresh)
        file = cls.open(path)
        pairs = zip(_WHAT_A_KEY_HOLDS, file.results.run.key, run.key, strict=True)
        differing = [name for name, theirs, ours in pairs if theirs != ours]
        if differing:
            file.close()
            what = " and another ".join(differing)
            raise InputError(f"{path} holds a run with another {what}.", OTHER_FILE)
        return file

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines; they are on disk when this returns. Raises OutputError."""
        new = tuple(lines)
        if not new:
            return
        end = self._file.tell()
        try:
            _write_all(self._file, b"".join(encode_line(line).encode() for line in new))
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # then readers see a torn line, which they know
                self._file.truncate(end)
                self._file.seek(end)
            raise output_error(error, self.path) from error
        self.results = Results(self.results.run, (*self.results.lines, *new))

    def close(self) -> None:
        """Close the file and let others write it."""
        self._file.close()

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]


def _open_locked(path: Path) -> FileIO:
    with output_errors(path):
        file = FileIO(path, "r+")
        try:
            taken = not try_lock(file)
        except OSError:
            file.close()
            raise
    if taken:
        file.close()
        raise OutputError(
            f"Another benchmark writes {path}.", "Wait for it to end, or give another file."
        )
    return file


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside `path` with this content on disk; removed if it was not moved."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp's files are for their owner alone
        yield Path(name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _put(temporary: Path, path: Path) -> None:
    """Give the file its name, unless something has that. Raises TargetExistsError, OSError."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise TargetExistsError(f"{path} is there already.", OTHER_FILE) from error
    except OSError:  # a file system without links: FAT, some network shares
        if path.exists():
            raise TargetExistsError(f"{path} is there already.", OTHER_FILE) from None
        temporary.rename(path)

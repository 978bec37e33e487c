"""One round on this machine, in a process of its own: the reference for what the app does.

    python -m sdk_builder.benchmark.worker --plan PLAN.json --output-dir DIR

Lines are appended to DIR/<the plan's output_name>; each is on disk before the next case begins.
stdout says ``DONE<TAB>TOTAL<TAB>CASE_ID`` whenever a case starts, at the end, and at least every
heartbeat_s seconds as long as the engine's calls return. The exit code is 0 if a round_end was
written, whatever its status; else 1, with the reason on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from sdk_builder.benchmark.protocol import RoundPlan
from sdk_builder.benchmark.records import Line, encode_line
from sdk_builder.benchmark.target import Progress
from sdk_builder.benchmark.targets.host_conditions import read_conditions, scripted_conditions
from sdk_builder.benchmark.worker import artificial as artificial_engine
from sdk_builder.benchmark.worker.artificial import ArtificialBench, ArtificialSpec
from sdk_builder.benchmark.worker.engines import BenchEngine, ExecutorchBench
from sdk_builder.benchmark.worker.round import Round
from sdk_builder.bundle.reader import Bundle
from sdk_builder.bundle.record import Record
from sdk_builder.errors import InputError, OutputError, ShaktiError, output_errors
from sdk_builder.locks import try_lock

LOCK_NAME = "worker.lock"  # in the output folder; locked while a worker measures
LOCK_WAIT_S = 60.0  # longer than a worker that lost its runner needs to notice


_R = TypeVar("_R", bound=Record)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        measure(
            _read(RoundPlan, arguments.plan),
            arguments.output_dir,
            artificial=_specification(arguments),
            conditions_file=arguments.conditions_file,
        )
    except ShaktiError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        # Whoever started us is gone. What was measured is on disk; Python must not flush stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write("Nobody reads the progress any more; stopped.\n")
        return 1
    return 0


def measure(
    plan: RoundPlan,
    output_dir: Path,
    *,
    artificial: ArtificialSpec | None = None,
    conditions_file: Path | None = None,
) -> None:
    """Measure a round, append its lines to its file in `output_dir`, progress to stdout.

    Raises InputError, OutputError; what goes wrong with the bundle or its program is in the lines.
    """
    listeners: list[Callable[[Progress], None]] = [_print_progress]

    def make_engine(bundle: Bundle) -> BenchEngine:
        if artificial is None:
            return ExecutorchBench(bundle)
        engine = ArtificialBench(
            artificial, bundle.manifest, round_number=plan.round, attempt=plan.attempt
        )
        listeners.append(engine.on_progress)
        return engine

    def say(progress: Progress) -> None:
        for listener in listeners:
            listener(progress)

    look = read_conditions if conditions_file is None else scripted_conditions(conditions_file)
    with output_errors(output_dir):
        output_dir.mkdir(parents=True, exist_ok=True)
    with locked(output_dir), _appending(output_dir / plan.output_name) as write:
        Round(plan, make_engine, look=look, write=write, say=say).run()


@contextmanager
def locked(folder: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the folder's lock: no worker measures. Raises OutputError after `wait_s` seconds."""
    path = folder / LOCK_NAME
    end = time.monotonic() + wait_s
    with output_errors(path):
        file = path.open("ab")
    with file:
        while not _try_lock(file, path):
            if time.monotonic() > end:
                raise OutputError(
                    f"Another benchmark measures on this machine (it holds {path}).",
                    "Wait for it, or stop it: two at once would slow each other down.",
                )
            time.sleep(0.1)
        yield


def _try_lock(file: BinaryIO, path: Path) -> bool:
    with output_errors(path):
        return try_lock(file)


@contextmanager
def _appending(path: Path) -> Iterator[Callable[[Line], None]]:
    """Writes lines behind what the file has; each one is on disk when the call returns."""
    with output_errors(path):
        file = path.open("a+b")

    def write(line: Line) -> None:
        with output_errors(path):
            file.write(encode_line(line).encode())
            file.flush()
            os.fsync(file.fileno())

    try:
        _end_torn_line(file)
        yield write
    finally:
        with output_errors(path):  # it may still hold what found no room
            file.close()


def _end_torn_line(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _print_progress(progress: Progress) -> None:
    sys.stdout.write(f"{progress.done}\t{progress.total}\t{progress.now}\n")
    sys.stdout.flush()


def _specification(arguments: argparse.Namespace) -> ArtificialSpec | None:
    if arguments.engine != "artificial":
        return None
    if arguments.artificial is None:
        return ArtificialSpec()
    return _read(ArtificialSpec, arguments.artificial)


def _read(kind: type[_R], path: Path) -> _R:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InputError(f"{path}: {where}: {first['msg']}.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sdk_builder.benchmark.worker",
        description=__doc__,
        epilog=f"{artificial_engine.__doc__}\n{ArtificialSpec.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--plan", type=Path, required=True, help="the round plan, a JSON file")
    parser.add_argument("--output-dir", type=Path, required=True, help="where its lines go")
    parser.add_argument(
        "--engine",
        choices=("executorch", "artificial"),
        default="executorch",
        help="what runs the program (default: %(default)s)",
    )
    parser.add_argument(
        "--artificial", type=Path, help="the artificial engine's specification, a JSON file"
    )
    parser.add_argument(
        "--conditions-file",
        type=Path,
        help="take the conditions from this JSON file instead of this machine: an object with "
        "fields of Conditions, or a list of them, one a look, the last one for all further ones; "
        "it is read anew for each look",
    )
    return parser

"""`bench` from request to results: choose the targets, name the files, run them.

Phones run side by side; this machine, and a peer on it, by themselves, when the phones are done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from sdk_builder.benchmark.analysis.summary import CaseRow, case_rows, peak_memory_bytes
from sdk_builder.benchmark.fleet import Job, run_fleet
from sdk_builder.benchmark.plans import auto_threads, make_plan, quick_plan
from sdk_builder.benchmark.protocol import Plan
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.runner import Limits, Outcome, new_run, run_benchmark
from sdk_builder.benchmark.subject import Subject, subject_of
from sdk_builder.benchmark.target import Target
from sdk_builder.benchmark.targets.host import WORK_FOLDER, HostTarget
from sdk_builder.benchmark.targets.host_conditions import read_conditions
from sdk_builder.benchmark.targets.host_facts import read_facts
from sdk_builder.benchmark.targets.llama_cpp import LlamaBench, LlamaBenchTarget, peer_plan
from sdk_builder.benchmark.targets.phone import PhoneTarget
from sdk_builder.bundle.checks import require_intact
from sdk_builder.bundle.reader import Bundle
from sdk_builder.device.adb import Adb, AdbPhone
from sdk_builder.device.discovery import choose
from sdk_builder.errors import InputError, ShaktiError, UsageError
from sdk_builder.log import Steps

HOST = "host"
AUTO = "auto"


@dataclass(frozen=True)
class Peer:
    """Another tool, to be measured on this machine with a model file of its own."""

    name: str
    binary: Path
    model: Path


@dataclass(frozen=True)
class BenchRequest:
    """What to measure, and where; None leaves it to the protocol.

    devices: "host", "all", serials; empty: the one attached phone. output: the results' folder.
    threads: numbers, or "auto" for 1, 2, 4, ... up to the cores. again: measure anew beside a
    complete result. clean: take the bundle off the phones at the end.
    """

    bundle: Path
    devices: tuple[str, ...] = ()
    output: Path = Path("bench")
    rounds: int | None = None
    prefill: tuple[int, ...] | None = None
    decode: tuple[int, ...] | None = None
    depths: tuple[int, ...] | None = None
    threads: tuple[int, ...] | str | None = None
    quick: bool = False
    max_wait_s: float = 900.0
    again: bool = False
    clean: bool = False
    peer: Peer | None = None


@dataclass(frozen=True)
class Benched:
    """What came of it on one device; `error` says why it is not complete."""

    device: str
    path: Path | None = None
    rows: tuple[CaseRow, ...] = ()
    peak_memory_bytes: int | None = None
    notes: tuple[str, ...] = ()
    already: bool = False
    error: ShaktiError | None = None


def run_bench(request: BenchRequest, adb: Callable[[], Adb], steps: Steps) -> list[Benched]:
    """Measure the bundle everywhere; a device that fails is told of in its own result.

    Raises UsageError, BundleError, and NoDeviceError and the like where no phone can be chosen.
    """
    _check(request)
    with Bundle.open(request.bundle) as bundle:
        require_intact(bundle)
        phones = _phones(request, adb, steps)
        done = _run([_phone_place(request, phone) for phone in phones], request, bundle, steps)
        if HOST in request.devices:
            done += _run([_host_place(request)], request, bundle, steps)
        if request.peer is not None:
            done += _run([_peer_place(request, request.peer)], request, bundle, steps)
    return done


# --- places ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Somewhere to measure: `connect` reaches it, in the thread that will measure there."""

    name: str
    connect: Callable[[Steps], Target]


def _phones(request: BenchRequest, adb: Callable[[], Adb], steps: Steps) -> Sequence[AdbPhone]:
    wanted = [device for device in request.devices if device != HOST]
    if not wanted and (HOST in request.devices or request.peer is not None):
        return ()
    chosen = choose(adb(), wanted)
    for warning in chosen.warnings:
        steps.warn(warning)
    return chosen.phones


def _phone_place(request: BenchRequest, phone: AdbPhone) -> _Place:
    return _Place(phone.serial, lambda steps: PhoneTarget(phone, steps))


def _host_place(request: BenchRequest) -> _Place:
    return _Place("this machine", lambda steps: HostTarget(request.output / WORK_FOLDER))


def _peer_place(request: BenchRequest, peer: Peer) -> _Place:
    def connect(steps: Steps) -> Target:
        with steps.step(f"Trying {peer.name}"):
            return LlamaBenchTarget(
                LlamaBench(peer.binary, peer.model),
                facts=read_facts(),
                look=read_conditions,
                output_dir=request.output / WORK_FOLDER,
            )

    return _Place(f"{peer.name} on this machine", connect)


# --- running --------------------------------------------------------------------------------


class _Notebook:
    """What a job leaves behind even if it fails: its file and its notes."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.notes: tuple[str, ...] = ()
        self.already = False


def _run(
    places: Sequence[_Place], request: BenchRequest, bundle: Bundle, steps: Steps
) -> list[Benched]:
    books = [_Notebook() for _ in places]
    jobs = [
        Job(place.name, _job(place, book, request, bundle))
        for place, book in zip(places, books, strict=True)
    ]
    ended = run_fleet(jobs, steps) if jobs else []
    return [_benched(one.name, book, one.error) for one, book in zip(ended, books, strict=True)]


def _job(
    place: _Place, book: _Notebook, request: BenchRequest, bundle: Bundle
) -> Callable[[Steps, Event], Outcome]:
    def run(steps: Steps, stop: Event) -> Outcome:
        target = place.connect(steps)
        subject = target.subject if isinstance(target, LlamaBenchTarget) else subject_of(bundle)
        plan, book.notes = _plan(request, subject, target)
        book.path, book.already = _result_path(request, target, subject, plan)
        limits = Limits(max_wait_s=request.max_wait_s)
        outcome = run_benchmark(target, subject, plan, book.path, steps, limits=limits, stop=stop)
        if request.clean and isinstance(target, PhoneTarget):
            target.remove_bundle(bundle)
        return outcome

    return run


def _plan(request: BenchRequest, subject: Subject, target: Target) -> tuple[Plan, tuple[str, ...]]:
    """The plan for one target, with notes on what was left out."""
    threads, notes = _threads(request, target)
    context_length = subject.facts.context_length
    if request.quick:
        plan, more = quick_plan(context_length, threads=threads)
    else:
        given = {
            name: value
            for name in ("rounds", "prefill", "decode", "depths")
            if (value := getattr(request, name)) is not None
        }
        plan, more = make_plan(context_length, threads=threads, **given)
    notes = (*notes, *more)
    if isinstance(target, LlamaBenchTarget):
        plan, left_out = peer_plan(plan)
        notes = (*notes, *left_out)
    return plan, notes


def _threads(
    request: BenchRequest, target: Target
) -> tuple[tuple[int | None, ...], tuple[str, ...]]:
    if request.threads is None:
        return (None,), ()
    if not target.runtime.threads_settable:
        return (None,), ("the runtime there chooses its threads itself: --threads is left out",)
    if request.threads == AUTO:
        return auto_threads(target.facts), ()
    return tuple(int(count) for count in request.threads), ()


def _benched(name: str, book: _Notebook, error: ShaktiError | None) -> Benched:
    done = Benched(name, book.path, notes=book.notes, already=book.already, error=error)
    if book.path is None or not book.path.exists():
        return replace(done, path=None)
    try:
        results = read_results(book.path)
    except ShaktiError as unreadable:
        return replace(done, error=error or unreadable)
    return replace(done, rows=case_rows(results), peak_memory_bytes=peak_memory_bytes(results))


# --- files ----------------------------------------------------------------------------------


def _result_path(
    request: BenchRequest, target: Target, subject: Subject, plan: Plan
) -> tuple[Path, bool]:
    """The file for this run, and whether it is complete already.

    What the run is stands in the file; the name only keeps runs of different kinds apart, and
    the next free one is taken with `again`.
    """
    run = new_run(target, subject, plan)
    key = hashlib.sha256("\0".join(run.key).encode()).hexdigest()[:8]
    words = (run.bundle.name, run.bundle.scheme, run.device.model, key)
    parts = [re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-.") for word in words]
    stem = "-".join(part for part in parts if part)
    number = 1
    while True:
        path = request.output / f"{stem}{'' if number == 1 else f'-{number}'}.jsonl"
        if not path.exists():
            return path, False
        complete = read_results(path).next_round is None
        if not complete or not request.again:
            return path, complete
        number += 1


def _check(request: BenchRequest) -> None:
    given = [request.rounds, request.prefill, request.decode, request.depths]
    if request.quick and any(one is not None for one in given):
        raise UsageError("A quick benchmark has its own rounds and cases: leave the others out.")
    for path in (request.peer.binary, request.peer.model) if request.peer else ():
        if not path.is_file():
            raise InputError(f"{path} is not there.", "The peer needs its program and its model.")

"""The seam between the command line and the rest of the package.

Commands call a `Library`: `installed.py` has the real one; tests put a small fake in its place,
as the `obj` of click's context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from sdk_builder.log import Steps

if TYPE_CHECKING:
    from sdk_builder.benchmark.analysis.comparison import Comparison
    from sdk_builder.bundle.manifest import Manifest
    from sdk_builder.catalogue import Entry
    from sdk_builder.device.facts import DeviceFacts
    from sdk_builder.errors import ShaktiError
    from sdk_builder.findings import Finding

DEVICES = ("android", "host")


@dataclass(frozen=True)
class ExportOptions:
    """What the user asked of an export; the fields of `pipeline.ExportRequest`."""

    model: str
    output: Path
    device: str
    quant: str
    context_length: int
    chunk: int | None  # tokens; None: the pipeline's choice
    seed: int | None
    tokenizer: Path | None
    force: bool
    verify: bool
    zip: bool


@dataclass(frozen=True)
class Answering:
    """How to generate; None leaves it to the bundle's own defaults."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How to evaluate, in tokens; None leaves it to the evaluation."""

    tokens: int | None = None
    window: int | None = None
    stride: int | None = None


@dataclass(frozen=True)
class PeerOptions:
    """Another tool to measure on this machine, with its own model file."""

    name: str  # "llama.cpp"
    binary: Path
    model: Path


@dataclass(frozen=True)
class BenchOptions:
    """What the user asked of a benchmark; None leaves it to the protocol's defaults.

    devices: "host", "all", serials; empty: the one attached phone.
    """

    bundle: Path
    devices: tuple[str, ...]
    output: Path
    rounds: int | None
    prefill: tuple[int, ...] | None
    decode: tuple[int, ...] | None
    depths: tuple[int, ...] | None
    threads: tuple[int, ...] | str | None
    quick: bool
    max_wait_s: float
    again: bool
    clean: bool
    peer: PeerOptions | None


@dataclass(frozen=True)
class ReportOptions:
    """What the user asked of a report; results are files or folders."""

    results: tuple[Path, ...]
    output: Path
    formats: tuple[str, ...]
    title: str | None
    grid_g_per_kwh: float | None
    base: tuple[Path, ...]  # to compare with
    force: bool


@dataclass(frozen=True)
class CompareOptions:
    """What the user asked of a comparison; shares are text such as "3%"."""

    base: Path
    new: Path
    margin: str
    confidence: float
    run_to_run_sd: str | None
    across: tuple[Literal["devices", "plans", "runtimes"], ...]  # that may differ


class BundleView(Protocol):
    """An opened bundle."""

    @property
    def path(self) -> Path: ...

    @property
    def manifest(self) -> Manifest: ...


class Exported(Protocol):
    """What an export made."""

    @property
    def bundle(self) -> BundleView: ...

    @property
    def zip_path(self) -> Path | None: ...


class Check(Protocol):
    """One check of a verification."""

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> Literal["pass", "fail", "skipped"]: ...

    @property
    def detail(self) -> str: ...


class Verified(Protocol):
    """The outcome of a verification; `ok` is false if any check failed."""

    @property
    def results(self) -> Sequence[Check]: ...

    @property
    def ok(self) -> bool: ...


class Stats(Protocol):
    """The last answer in numbers; rates are tokens a second, None where there was nothing."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def reused_tokens(self) -> int: ...

    @property
    def generated_tokens(self) -> int: ...

    @property
    def ttft_ms(self) -> float | None: ...

    @property
    def prefill_tokens_per_s(self) -> float | None: ...

    @property
    def decode_tokens_per_s(self) -> float | None: ...

    @property
    def peak_memory_mib(self) -> float | None: ...

    @property
    def context_used(self) -> int: ...

    @property
    def finish_reason(self) -> str: ...


class Conversation(Protocol):
    """A loaded bundle. Text comes in pieces; closing the iterator stops the answer."""

    @property
    def stats(self) -> Stats: ...

    def send(self, text: str, answering: Answering) -> Iterator[str]:
        """The answer to the next turn of the chat."""
        ...

    def complete(self, text: str, answering: Answering) -> Iterator[str]:
        """What follows `text`, without chat turns."""
        ...

    def reset(self) -> None:
        """Forget the chat."""
        ...


class Perplexity(Protocol):
    """The outcome of an evaluation."""

    @property
    def perplexity(self) -> float: ...

    @property
    def tokens(self) -> int: ...

    @property
    def window(self) -> int: ...

    @property
    def stride(self) -> int: ...


class DeviceRow(Protocol):
    """An attached phone; facts and app_version are None where it was not ready to be asked."""

    @property
    def serial(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def facts(self) -> DeviceFacts | None: ...

    @property
    def app_version(self) -> str | None: ...

    @property
    def fix(self) -> str: ...


class CaseRow(Protocol):
    """A case of a benchmark in numbers: of its valid samples, in `unit`."""

    @property
    def case(self) -> str: ...

    @property
    def samples(self) -> int: ...

    @property
    def invalid(self) -> int: ...

    @property
    def median(self) -> float: ...

    @property
    def low_quartile(self) -> float: ...

    @property
    def high_quartile(self) -> float: ...

    @property
    def unit(self) -> str: ...


class Benched(Protocol):
    """What came of a benchmark on one device; `error` says why it is not complete."""

    @property
    def device(self) -> str: ...

    @property
    def path(self) -> Path | None: ...

    @property
    def rows(self) -> Sequence[CaseRow]: ...

    @property
    def peak_memory_bytes(self) -> int | None: ...

    @property
    def notes(self) -> Sequence[str]: ...

    @property
    def already(self) -> bool: ...

    @property
    def error(self) -> ShaktiError | None: ...


class Written(Protocol):
    """The files of a report."""

    @property
    def paths(self) -> Sequence[Path]: ...

    @property
    def warnings(self) -> Sequence[str]: ...


class Library(Protocol):
    """Everything that commands ask of the rest of the package. All raise ShaktiError."""

    def catalogue(self, name: str | None) -> Sequence[Entry]: ...

    def export(self, options: ExportOptions, steps: Steps) -> Exported: ...

    def open_bundle(self, path: Path) -> BundleView: ...

    def verify(self, path: Path, against: str | None, steps: Steps) -> Verified: ...

    def converse(
        self, path: Path, *, threads: int | None, system: str | None, raw: bool, steps: Steps
    ) -> AbstractContextManager[Conversation]: ...

    def perplexity(self, path: Path, text: str, limits: Limits, steps: Steps) -> Perplexity: ...

    def doctor(self, *, network: bool) -> Sequence[Finding]: ...

    def doctor_device(self, wanted: str, steps: Steps) -> Sequence[Finding]: ...

    def devices(self, steps: Steps) -> Sequence[DeviceRow]: ...

    def bench(self, options: BenchOptions, steps: Steps) -> Sequence[Benched]: ...

    def report(self, options: ReportOptions, steps: Steps) -> Written: ...

    def compare(self, options: CompareOptions) -> Comparison: ...

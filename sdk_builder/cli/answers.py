"""What commands get from the library: as much of each result as they print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sdk_builder.cli.requests import Answering

if TYPE_CHECKING:
    from sdk_builder.app.inspection import ApkReport
    from sdk_builder.bundle.manifest import Manifest
    from sdk_builder.device.facts import DeviceFacts
    from sdk_builder.errors import ShaktiError
    from sdk_builder.tuning.choice import Row


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

    @property
    def dropped_exchanges(self) -> int: ...


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


class Against(Protocol):
    """A bundle beside a reference, over the same tokens."""

    @property
    def name(self) -> str: ...

    @property
    def perplexity(self) -> float: ...

    @property
    def ratio(self) -> float: ...

    @property
    def ratio_stderr(self) -> float: ...

    @property
    def kl(self) -> float: ...

    @property
    def top1(self) -> float: ...


class PerplexityResult(Protocol):
    """The figures of one bundle on a text."""

    @property
    def perplexity(self) -> float: ...

    @property
    def tokens(self) -> int: ...

    @property
    def window(self) -> int: ...

    @property
    def stride(self) -> int: ...

    @property
    def nll(self) -> float: ...

    @property
    def nll_stderr(self) -> float: ...

    @property
    def against(self) -> Against | None: ...


class Perplexity(Protocol):
    """A bundle's figures; the document is the record of them."""

    @property
    def bundle(self) -> Path: ...

    @property
    def result(self) -> PerplexityResult: ...

    @property
    def document(self) -> dict[str, Any]: ...


class Score(Protocol):
    """One metric of one task of lm-eval; stderr None: the metric has none."""

    @property
    def task(self) -> str: ...

    @property
    def metric(self) -> str: ...

    @property
    def filter(self) -> str: ...

    @property
    def value(self) -> float: ...

    @property
    def stderr(self) -> float | None: ...

    @property
    def documents(self) -> int: ...


class HarnessScores(Protocol):
    """A bundle's scores; those of several bundles are in the same order."""

    @property
    def bundle(self) -> Path: ...

    @property
    def scores(self) -> Sequence[Score]: ...

    @property
    def document(self) -> dict[str, Any]: ...


class Harnessed(Protocol):
    """What bundles scored on lm-eval's tasks, in their order, and what differs between them;
    `document` is the whole record."""

    @property
    def scores(self) -> Sequence[HarnessScores]: ...

    @property
    def document(self) -> dict[str, Any]: ...


class SuiteAnswer(Protocol):
    """What bundles scored on a suite: `document` is the whole record, `outcomes` those of each
    item on each bundle."""

    @property
    def document(self) -> dict[str, Any]: ...

    @property
    def outcomes(self) -> Sequence[Mapping[str, Any]]: ...


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


class Tuned(Protocol):
    """The outcome of a tuning; `command` and `bundle` are of the recommended candidate."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def recommended(self) -> Row | None: ...

    @property
    def reference_perplexity(self) -> float | None: ...

    @property
    def baseline(self) -> str: ...

    @property
    def stopped(self) -> str: ...

    @property
    def plots(self) -> Sequence[Path]: ...

    @property
    def command(self) -> str: ...

    @property
    def bundle(self) -> Path | None: ...

    @property
    def trials(self) -> Path: ...


class PlannedTraining(Protocol):
    """What a training would do; `problem` is why it cannot."""

    @property
    def document(self) -> Mapping[str, Any]: ...

    @property
    def problem(self) -> ShaktiError | None: ...


class TrainedModel(Protocol):
    """What a training made; None where there is no such number."""

    @property
    def folder(self) -> Path: ...

    @property
    def steps(self) -> int: ...

    @property
    def tokens(self) -> int | None: ...

    @property
    def final_loss(self) -> float | None: ...

    @property
    def eval_loss(self) -> float | None: ...

    @property
    def resumed_from(self) -> int | None: ...

    @property
    def duration_s(self) -> float: ...

    @property
    def export_options(self) -> tuple[str, ...]:
        """The format that it was trained for, if for one."""
        ...

    def as_document(self) -> dict[str, Any]: ...


class BuiltDemo(Protocol):
    """A built APK of the demo app."""

    @property
    def path(self) -> Path: ...

    @property
    def report(self) -> ApkReport: ...

    @property
    def warnings(self) -> Sequence[str]: ...

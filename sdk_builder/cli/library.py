"""The seam between the command line and the rest of the package.

Commands call a `Library`: `installed.py` has the real one; tests put a small fake in its place,
as the `obj` of click's context. requests.py has what it is asked, answers.py what it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sdk_builder.cli.answers import (
    Benched,
    BuiltDemo,
    BundleView,
    Conversation,
    DeviceRow,
    Exported,
    Harnessed,
    Perplexity,
    PlannedTraining,
    SuiteAnswer,
    TrainedModel,
    Tuned,
    Verified,
    Written,
)
from sdk_builder.cli.requests import (
    BenchOptions,
    CardOptions,
    CompareOptions,
    DemoBuildOptions,
    DemoInstallOptions,
    DomainOptions,
    ExportOptions,
    HarnessOptions,
    PerplexityOptions,
    ProfileOptions,
    ReportOptions,
    SuiteOptions,
    TrainOptions,
    TuneOptions,
)
from sdk_builder.log import Steps

if TYPE_CHECKING:
    from sdk_builder.app.inspection import ApkReport
    from sdk_builder.app.install import OnPhone
    from sdk_builder.benchmark.analysis.comparison import Comparison
    from sdk_builder.catalogue import Entry
    from sdk_builder.findings import Finding
    from sdk_builder.profiling.result import Profile


class Library(Protocol):
    """Everything that commands ask of the rest of the package. All raise ShaktiError."""

    def catalogue(self, name: str | None) -> Sequence[Entry]: ...

    def export(self, options: ExportOptions, steps: Steps) -> Exported: ...

    def open_bundle(self, path: Path) -> BundleView: ...

    def verify(self, path: Path, against: str | None, steps: Steps) -> Verified: ...

    def converse(
        self, path: Path, *, threads: int | None, system: str | None, raw: bool, steps: Steps
    ) -> AbstractContextManager[Conversation]: ...

    def perplexity(self, options: PerplexityOptions, steps: Steps) -> Sequence[Perplexity]: ...

    def harness(self, options: HarnessOptions, steps: Steps) -> Harnessed: ...

    def suite(self, options: SuiteOptions, steps: Steps) -> SuiteAnswer: ...

    def domain(self, options: DomainOptions, steps: Steps) -> SuiteAnswer: ...

    def require_new(self, output: Path | None, *, force: bool) -> None: ...

    def write_result(self, output: Path, document: dict[str, Any], *, force: bool) -> None: ...

    def write_lines(
        self, output: Path, rows: Sequence[Mapping[str, Any]], *, force: bool
    ) -> None: ...

    def tune(self, options: TuneOptions, steps: Steps) -> Tuned: ...

    def plan_training(self, options: TrainOptions, steps: Steps) -> PlannedTraining: ...

    def train(self, options: TrainOptions, steps: Steps) -> TrainedModel: ...

    def profile(self, options: ProfileOptions, steps: Steps) -> Profile: ...

    def doctor(self, *, network: bool) -> Sequence[Finding]: ...

    def doctor_device(self, wanted: str, steps: Steps) -> Sequence[Finding]: ...

    def devices(self, steps: Steps) -> Sequence[DeviceRow]: ...

    def bench(self, options: BenchOptions, steps: Steps) -> Sequence[Benched]: ...

    def report(self, options: ReportOptions, steps: Steps) -> Written: ...

    def card(self, options: CardOptions, steps: Steps) -> str: ...

    def compare(self, options: CompareOptions) -> Comparison: ...

    def doctor_app(self) -> Sequence[Finding]: ...

    def build_demo(self, options: DemoBuildOptions, steps: Steps) -> BuiltDemo: ...

    def inspect_demo(self, apk: Path) -> ApkReport: ...

    def install_demo(self, options: DemoInstallOptions, steps: Steps) -> Sequence[OnPhone]: ...

    def run_demo(
        self, devices: Sequence[str], bundle: Path | None, steps: Steps
    ) -> Sequence[OnPhone]: ...

    def uninstall_demo(
        self,
        devices: Sequence[str],
        confirm: Callable[[Sequence[str]], bool],
        steps: Steps,
        *,
        pushed_bundles: bool,
    ) -> Sequence[OnPhone]:
        """`confirm` gets the serials of the phones that have the app; empty: it said no."""
        ...

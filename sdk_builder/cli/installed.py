"""The library that commands call: the package itself.

Each method imports what it needs, so that no command pays for another one's torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from sdk_builder.cli.conversation import SessionConversation
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
    from sdk_builder.app.build import BuildRequest
    from sdk_builder.app.inspection import ApkReport
    from sdk_builder.app.install import OnPhone
    from sdk_builder.benchmark.analysis.comparison import Comparison
    from sdk_builder.catalogue import Entry
    from sdk_builder.device.adb import Adb, AdbPhone
    from sdk_builder.findings import Finding
    from sdk_builder.profiling.result import Profile


class InstalledLibrary:
    """Implements `Library`."""

    def catalogue(self, name: str | None) -> Sequence[Entry]:
        """Sources and presets; all, or the one of this name."""
        from sdk_builder.catalogue import entries

        return entries(name)

    def export(self, options: ExportOptions, steps: Steps) -> Exported:
        """Make a bundle."""
        with steps.step("Loading the exporter"):  # seconds of imports
            from sdk_builder.pipeline import ExportRequest, run_export

        return run_export(ExportRequest(**asdict(options)), steps)

    def open_bundle(self, path: Path) -> BundleView:
        """Read a bundle's manifest."""
        from sdk_builder.bundle.reader import Bundle

        return Bundle.open(path)

    def verify(self, path: Path, against: str | None, steps: Steps) -> Verified:
        """Check a bundle."""
        from sdk_builder.bundle.reader import Bundle
        from sdk_builder.verify import verify_bundle

        return verify_bundle(Bundle.open(path), against=against, steps=steps)

    @contextmanager
    def converse(
        self, path: Path, *, threads: int | None, system: str | None, raw: bool, steps: Steps
    ) -> Iterator[Conversation]:
        """Load a bundle to talk to."""
        from sdk_builder.bundle.reader import Bundle

        bundle = Bundle.open(path)
        with steps.step(f"Loading {bundle.manifest.name}"):
            from sdk_builder.runtime import Session

            session = Session(bundle, threads=threads)
        with session:
            chat = None if raw else session.chat(system=system)
            yield SessionConversation(session, chat)

    def perplexity(self, options: PerplexityOptions, steps: Steps) -> Sequence[Perplexity]:
        """Measure bundles on a text."""
        from sdk_builder.evaluation.measure import PerplexityRequest, measure_perplexity

        return measure_perplexity(PerplexityRequest(**vars(options)), steps)

    def harness(self, options: HarnessOptions, steps: Steps) -> Harnessed:
        """Run lm-eval's tasks on bundles."""
        from sdk_builder.evaluation.harness import HarnessRequest, run_and_compare

        return run_and_compare(HarnessRequest(**vars(options)), steps)

    def suite(self, options: SuiteOptions, steps: Steps) -> SuiteAnswer:
        """Score a suite's items on bundles."""
        from sdk_builder.evaluation.suites.run import SuiteRequest, run_suite

        return run_suite(SuiteRequest(**vars(options)), steps)

    def domain(self, options: DomainOptions, steps: Steps) -> SuiteAnswer:
        """Score what bundles answer about healthcare, law and finance."""
        from sdk_builder.evaluation.domain.suite import DomainRequest, run_domain

        asked = {name: value for name, value in vars(options).items() if value is not None}
        return run_domain(DomainRequest(**asked), steps)

    def require_new(self, output: Path | None, *, force: bool) -> None:
        """Raises TargetExistsError for a result that is there already."""
        from sdk_builder.evaluation.record import require_new

        require_new(output, force=force)

    def write_result(self, output: Path, document: dict[str, Any], *, force: bool) -> None:
        """Write a result as JSON."""
        from sdk_builder.evaluation.record import write_document

        write_document(output, document, force=force)

    def write_lines(self, output: Path, rows: Sequence[Mapping[str, Any]], *, force: bool) -> None:
        """Write rows as JSON lines."""
        from sdk_builder.evaluation.record import write_lines

        write_lines(output, rows, force=force)

    def tune(self, options: TuneOptions, steps: Steps) -> Tuned:
        """Search for the best export within limits."""
        with steps.step("Loading the exporter"):
            from sdk_builder.tuning.request import TuneRequest
            from sdk_builder.tuning.tune import run_tune

        return run_tune(TuneRequest(**vars(options)), steps)

    def plan_training(self, options: TrainOptions, steps: Steps) -> PlannedTraining:
        """What a training would do and need."""
        from sdk_builder.training.settings_file import load_settings

        settings = load_settings(options.stage, options.config, options.overrides)
        with steps.step("Loading the trainer"):
            from sdk_builder.training.plan import make_plan
        return make_plan(settings, steps)

    def train(self, options: TrainOptions, steps: Steps) -> TrainedModel:
        """Train a model."""
        from sdk_builder.training.settings_file import load_settings

        settings = load_settings(options.stage, options.config, options.overrides)
        with steps.step("Loading the trainer"):
            from sdk_builder.training.run import train

        return train(settings, steps, resume=not options.fresh)

    def profile(self, options: ProfileOptions, steps: Steps) -> Profile:
        """Measure where a bundle's time goes."""
        from sdk_builder.profiling.measure import ProfileRequest, run_profile

        return run_profile(ProfileRequest(**vars(options)), steps)

    def doctor(self, *, network: bool) -> Sequence[Finding]:
        """Look at this machine."""
        from sdk_builder.doctor import examine

        return examine(network=network)

    def doctor_device(self, wanted: str, steps: Steps) -> Sequence[Finding]:
        """Look at a phone; an empty `wanted` is the one that is attached."""
        from sdk_builder.device.demo_app import PACKAGE
        from sdk_builder.device.discovery import choose
        from sdk_builder.device.readiness import examine_phone

        (phone,) = choose(self.adb(), [wanted] if wanted else []).phones
        with steps.step(f"Looking at {phone.serial}"):
            return examine_phone(phone, package=PACKAGE)

    def devices(self, steps: Steps) -> Sequence[DeviceRow]:
        """The attached phones, and what each is."""
        from sdk_builder.benchmark.devices import device_rows

        with steps.step("Looking for phones"):
            return device_rows(self.adb())

    def bench(self, options: BenchOptions, steps: Steps) -> Sequence[Benched]:
        """Measure a bundle."""
        from sdk_builder.benchmark.bench import BenchRequest, Peer, run_bench

        fields = dict(vars(options))
        fields["peer"] = None if options.peer is None else Peer(**vars(options.peer))
        return run_bench(BenchRequest(**fields), self.adb, steps)

    def report(self, options: ReportOptions, steps: Steps) -> Written:
        """Make a report."""
        from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH
        from sdk_builder.benchmark.result_sets import result_files

        grid = DEFAULT_GRID_G_PER_KWH if options.grid_g_per_kwh is None else options.grid_g_per_kwh
        files = [] if options.paper else result_files(options.results, side_by_side=True)
        with steps.step("Writing the report") as step:
            from sdk_builder.report.paper_report import write_paper_report
            from sdk_builder.report.write import write_report

            if options.paper:
                written = write_paper_report(
                    options.results,
                    options.output,
                    formats=options.formats,
                    title=options.title,
                    grid_g_per_kwh=grid,
                    force=options.force,
                )
            else:
                written = write_report(
                    files,
                    options.output,
                    formats=options.formats,
                    title=options.title,
                    grid_g_per_kwh=grid,
                    base=result_files(options.base),
                    force=options.force,
                )
            step.result(f"Wrote {len(written.paths)} files")
        return written

    def card(self, options: CardOptions, steps: Steps) -> str:
        """Make a model card, and write it where it is to be written."""
        from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH

        grid = DEFAULT_GRID_G_PER_KWH if options.grid_g_per_kwh is None else options.grid_g_per_kwh
        self.require_new(options.output, force=options.force)
        with steps.step("Writing the card"):
            from sdk_builder.report.card import card_of, write_card

            text = card_of(options.bundle, options.results, grid_g_per_kwh=grid)
            if options.output is not None:
                write_card(text, options.output, force=options.force)
        return text

    def compare(self, options: CompareOptions) -> Comparison:
        """Test whether one measurement is slower than another."""
        from sdk_builder.benchmark.analysis.comparison import compare, parse_margin
        from sdk_builder.benchmark.result_sets import measured

        spread = options.run_to_run_sd
        return compare(
            measured(options.base),
            measured(options.new),
            margin=parse_margin(options.margin),
            confidence=options.confidence,
            run_to_run_sd=None if spread is None else parse_margin(spread),
            across=options.across,
        )

    def doctor_app(self) -> Sequence[Finding]:
        """Look at what building the demo app takes."""
        from sdk_builder.app.toolchain import examine_toolchain

        return examine_toolchain()

    def build_demo(self, options: DemoBuildOptions, steps: Steps) -> BuiltDemo:
        """Build the demo app. Raises TargetExistsError for an APK that is there already."""
        from sdk_builder.app.build import build_apk
        from sdk_builder.bundle.staging import target_exists

        request = _build_request(options)
        if request.apk.exists() and not options.force:
            raise target_exists(request.apk)
        return build_apk(request, steps)

    def inspect_demo(self, apk: Path) -> ApkReport:
        """Look into an APK."""
        from sdk_builder.app.inspection import inspect_apk

        return inspect_apk(apk)

    def install_demo(self, options: DemoInstallOptions, steps: Steps) -> Sequence[OnPhone]:
        """Put the app on phones, built before if need be."""
        from sdk_builder.app.install import chosen_phones, install

        phones = chosen_phones(self.adb(), options.devices, steps)
        apk = options.apk or self._demo_apk(options, phones, steps)
        return install(phones, apk, options.bundle, self.inspect_demo, steps)

    def run_demo(
        self, devices: Sequence[str], bundle: Path | None, steps: Steps
    ) -> Sequence[OnPhone]:
        """Open the app on phones."""
        from sdk_builder.app.install import chosen_phones, run

        return run(chosen_phones(self.adb(), devices, steps), bundle, steps)

    def uninstall_demo(
        self,
        devices: Sequence[str],
        confirm: Callable[[Sequence[str]], bool],
        steps: Steps,
        *,
        pushed_bundles: bool,
    ) -> Sequence[OnPhone]:
        """Take the app off phones."""
        from sdk_builder.app.install import chosen_phones, uninstall

        phones = chosen_phones(self.adb(), devices, steps)
        return uninstall(phones, confirm, steps, pushed_bundles=pushed_bundles)

    def _demo_apk(
        self, options: DemoInstallOptions, phones: Sequence[AdbPhone], steps: Steps
    ) -> Path:
        """The APK that was built, or one that is built now for these phones."""
        from sdk_builder.app.install import is_stale, wanted_abis

        wanted = DemoBuildOptions(
            output=options.output,
            runtime=options.runtime,
            abis=wanted_abis(phones),
            keystore=None,
            repositories=(),
            shrink=True,
            offline=False,
            force=False,
        )
        there = _build_request(wanted).apk
        if not there.is_file():
            return self.build_demo(wanted, steps).path
        if is_stale(there):
            again = f"shakti-sdk demo build --runtime {options.runtime} --force"
            steps.warn(f"The app's sources are newer than {there}. To build it again: {again}")
        return there

    def adb(self) -> Adb:
        """The adb server of this machine; nothing is asked of it yet."""
        from sdk_builder.device.adb_server import ServerAdb

        return ServerAdb()


def _build_request(options: DemoBuildOptions) -> BuildRequest:
    from sdk_builder.app.build import BuildRequest
    from sdk_builder.app.signing import Keystore

    fields = dict(vars(options))
    del fields["force"]  # which is ours to look at
    fields["keystore"] = None if options.keystore is None else Keystore(**vars(options.keystore))
    return BuildRequest(**fields)

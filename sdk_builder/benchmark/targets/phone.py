"""A phone as a target: the demo app's instrumentation, started and read over adb.

The app's own JSONL file is the result; what `am instrument` prints is only progress, because it
says success even where the app crashed. While the app measures, no other command is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from sdk_builder.benchmark import protocol
from sdk_builder.benchmark.output import parse_output
from sdk_builder.benchmark.protocol import RoundPlan
from sdk_builder.benchmark.records import RoundEnd, RuntimeFacts
from sdk_builder.benchmark.subject import Subject
from sdk_builder.benchmark.target import Progress
from sdk_builder.bundle.reader import Bundle
from sdk_builder.device import app, bundles, files, logcat, push
from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.awake import kept_awake
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.demo_app import PACKAGE
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.instrument import InstrumentOutcome, instrument
from sdk_builder.device.phone_facts import read_facts
from sdk_builder.device.readings import read_conditions
from sdk_builder.errors import AppCrashedError, AppMissingError, AppProtocolError
from sdk_builder.log import Steps

DESCRIBE_TIMEOUT_S = 60.0  # the first start of an app after its installation compiles it
SILENCE_HEARTBEATS = 6  # heartbeats that may be missed before the app counts as stalled
INSTALL_HINT = "Install the app of this shakti-sdk: shakti-sdk demo install"


@dataclass(frozen=True)
class AppDescription:
    """What the app said of itself; results_dir is where it writes its JSONL files."""

    runtime: RuntimeFacts
    results_dir: PurePosixPath


def describe_app(phone: AdbPhone) -> AppDescription:
    """Ask the installed app what it is.

    Raises AppMissingError, or AppProtocolError if it speaks another protocol or none.
    """
    if app.installed_app(phone, PACKAGE) is None:
        raise AppMissingError(
            f"The demo app is not installed on {phone.serial}.", INSTALL_HINT, serial=phone.serial
        )
    outcome = instrument(
        phone,
        protocol.INSTRUMENTATION,
        {protocol.ACTION: protocol.DESCRIBE},
        silence_s=DESCRIBE_TIMEOUT_S,
        watch=lambda status: None,
    )
    said = outcome.results
    spoken = said.get(protocol.KEY_PROTOCOL, "")
    if spoken != str(protocol.PROTOCOL):
        raise _protocol_error(phone.serial, spoken)
    results_dir = PurePosixPath(said.get(protocol.KEY_RESULTS_DIR, ""))
    if not results_dir.is_absolute() or ".." in results_dir.parts:
        raise AppProtocolError(
            f"The app on {phone.serial} names no folder for its results.",
            INSTALL_HINT,
            serial=phone.serial,
        )
    runtime = RuntimeFacts(
        name=said.get(protocol.KEY_RUNTIME, "unknown"),
        version=said.get(protocol.KEY_RUNTIME_VERSION, ""),
        app=PACKAGE,
        app_version=said.get(protocol.KEY_APP_VERSION, ""),
        protocol=protocol.PROTOCOL,
        threads_settable=said.get(protocol.KEY_THREADS_SETTABLE) == "true",
    )
    return AppDescription(runtime, results_dir)


def _protocol_error(serial: str, spoken: str) -> AppProtocolError:
    ours = protocol.PROTOCOL
    if not spoken:
        message = f"The app on {serial} does not answer as a benchmark (protocol {ours} is wanted)."
        return AppProtocolError(message, INSTALL_HINT, serial=serial)
    newer = spoken.isdigit() and int(spoken) > ours
    message = f"The app on {serial} speaks benchmark protocol {spoken}, this shakti-sdk {ours}."
    hint = "Update shakti-sdk, or: shakti-sdk demo install" if newer else INSTALL_HINT
    return AppProtocolError(message, hint, serial=serial)


class PhoneTarget:
    """Implements `Target`. Reads the phone's facts and the app's description at once.

    silence_s: how long the app may say nothing; None: as its plan's heartbeat suggests.

    Raises WrongAbiError, AndroidTooOldError, AppMissingError, AppProtocolError.
    """

    def __init__(self, phone: AdbPhone, steps: Steps, *, silence_s: float | None = None) -> None:
        self.phone = phone
        self._steps = steps
        self._silence_s = silence_s
        self.facts: DeviceFacts = read_facts(phone)
        app.require_runnable(self.facts)
        self._app = describe_app(phone)

    @property
    def runtime(self) -> RuntimeFacts:
        return self._app.runtime

    def prepare(self, subject: Subject, steps: Steps) -> str:
        """Push what is not there yet; every file's SHA-256 is checked on the phone."""
        return bundles.bring_bundle(self.phone, subject.require_bundle(), steps)

    def conditions(self) -> Conditions:
        return read_conditions(self.phone)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Awake, screen unlocked where that needs no code."""
        with kept_awake(self.phone, warn=self._steps.warn):
            yield

    def run_round(self, plan: RoundPlan, watch: Callable[[Progress], None]) -> None:
        """Start the app's instrumentation on `plan` and follow it to its end.

        Raises AppCrashedError (with the logcat's tail), RunStalledError, DeviceLostError.
        """
        path = f"{protocol.PLANS_FOLDER}/{plan.output_name.removesuffix('.jsonl')}.json"
        self._push_plan(plan, path)
        app.force_stop(self.phone, PACKAGE)
        since = logcat.mark(self.phone)
        outcome = instrument(
            self.phone,
            protocol.INSTRUMENTATION,
            {protocol.ACTION: protocol.RUN, protocol.PLAN_ARGUMENT: path},
            silence_s=self._silence_s or float(plan.heartbeat_s * SILENCE_HEARTBEATS),
            watch=lambda status: _tell(status, watch),
        )
        files.remove(self.phone, path)
        self._require_end(outcome, since)
        self._require_record(plan, outcome)

    def output(self, plan: RoundPlan) -> bytes:
        """What the app wrote. One that still runs, unwatched, is stopped: it would write on."""
        app.force_stop(self.phone, PACKAGE)
        return files.read(self.phone, str(self._app.results_dir / plan.output_name)) or b""

    def remove_bundle(self, bundle: Bundle) -> None:
        """Take the bundle off the phone again."""
        bundles.remove_bundle(self.phone, bundle)

    def _push_plan(self, plan: RoundPlan, path: str) -> None:
        files.make_folder(self.phone, str(PurePosixPath(path).parent))
        push.push_bytes(self.phone, json.dumps(plan.model_dump(mode="json")).encode(), path)

    def _require_end(self, outcome: InstrumentOutcome, since: str) -> None:
        if outcome.not_found:
            raise _protocol_error(self.phone.serial, "")
        if outcome.crashed or protocol.KEY_STATUS not in outcome.results:
            raise AppCrashedError(
                f"The app on {self.phone.serial} ended before it was done"
                + (f": {outcome.reason}" if outcome.reason else "."),
                logcat.tail(self.phone, since, PACKAGE),
                serial=self.phone.serial,
            )

    def _require_record(self, plan: RoundPlan, outcome: InstrumentOutcome) -> None:
        """Raise for an app that failed and could not even write that into its results."""
        if outcome.results[protocol.KEY_STATUS] != "failed":
            return
        written = parse_output(self.output(plan), plan).lines
        if not any(isinstance(line, RoundEnd) for line in written):
            said = outcome.results.get(protocol.KEY_MESSAGE, "").strip() or "it gives no reason"
            raise AppCrashedError(
                f"The app on {self.phone.serial} could not write its results: {said}",
                "Free some space on the phone, then try again.",
                serial=self.phone.serial,
            )


def _tell(status: Mapping[str, str], watch: Callable[[Progress], None]) -> None:
    done, total = status.get(protocol.KEY_DONE, ""), status.get(protocol.KEY_TOTAL, "")
    if done.isdigit() and total.isdigit():
        watch(Progress(int(done), int(total), status.get(protocol.KEY_NOW, "")))

"""The demo app on a phone that is not there: it speaks the protocol, with an artificial engine.

For tests of scripts that benchmark phones::

    from sdk_builder.benchmark.targets.fake_app import FakeBenchApp
    from sdk_builder.device.fake import FakeAdb, FakePhone

    phone = FakePhone("R5CT1", properties={...})
    FakeBenchApp().install(phone)
    run_bench(BenchRequest(bundle), lambda: FakeAdb([phone]), Steps.silent())
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdk_builder.benchmark import protocol
from sdk_builder.benchmark.protocol import RoundPlan
from sdk_builder.benchmark.records import Line, encode_line
from sdk_builder.benchmark.target import Progress
from sdk_builder.benchmark.worker.artificial import ArtificialBench, ArtificialSpec
from sdk_builder.benchmark.worker.round import Round
from sdk_builder.device.conditions import Conditions, utc_now
from sdk_builder.device.demo_app import PACKAGE
from sdk_builder.device.fake import Call, FakeApp, FakePhone, NoSpace, Reply
from sdk_builder.device.fake_commands import COMMANDS

RESULTS_DIR = f"/sdcard/Android/data/{PACKAGE}/files/bench"
INSTANT = ArtificialSpec(load_ms=0, prefill_ms_per_token=0, decode_ms_per_token=0)


@dataclass
class FakeBenchApp:
    """An installed app. looks: conditions it reads, one a look, the last for all further ones.

    crashes, losses: the attempts in which its process dies, or the phone is unplugged, after the
    round's first case; what it wrote until then stays.
    """

    spec: ArtificialSpec = INSTANT
    protocol: int = protocol.PROTOCOL
    threads_settable: bool = True
    results_dir: str = RESULTS_DIR
    looks: Sequence[Conditions] = ()
    crashes: frozenset[int] = frozenset()
    losses: frozenset[int] = frozenset()
    plans: list[RoundPlan] = field(default_factory=list)
    _looked: int = 0

    def install(self, phone: FakePhone, *, version_name: str = "1.0.0") -> None:
        """Be on the phone, and answer its `am`."""
        phone.apps[PACKAGE] = FakeApp(version_name)
        phone.folders.add(self.results_dir)
        phone.commands["am"] = self.am

    def am(self, call: Call) -> Reply:
        """``am instrument`` of our instrumentation; anything else as on any phone."""
        arguments = call.arguments
        if arguments[:1] != ("instrument",) or arguments[-1] != protocol.INSTRUMENTATION:
            return COMMANDS["am"](call)
        given = {
            arguments[i + 1]: arguments[i + 2]
            for i, word in enumerate(arguments[:-2])
            if word == "-e"
        }
        if given.get(protocol.ACTION) == protocol.DESCRIBE:
            return Reply(self._description(call.phone))
        return self._run(call.phone, given[protocol.PLAN_ARGUMENT])

    def _description(self, phone: FakePhone) -> str:
        said = {
            protocol.KEY_PROTOCOL: str(self.protocol),
            protocol.KEY_APP_VERSION: phone.apps[PACKAGE].version_name,
            protocol.KEY_RUNTIME: "artificial",
            protocol.KEY_RUNTIME_VERSION: "1",
            protocol.KEY_THREADS_SETTABLE: str(self.threads_settable).lower(),
            protocol.KEY_RESULTS_DIR: self.results_dir,
        }
        return _block("RESULT", said) + "INSTRUMENTATION_CODE: -1\n"

    def _run(self, phone: FakePhone, plan_path: str) -> Reply:
        plan = RoundPlan.model_validate_json(phone.files[plan_path])
        self.plans.append(plan)
        said: list[str] = []
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._copy_bundle(phone, plan.bundle_dir, Path(folder))
                status = self._measure(phone, plan, folder, said)
        except _Gone as gone:
            if plan.attempt in self.losses:
                return Reply("".join(said), ends="lost")
            crash = _block("RESULT", {"shortMsg": str(gone)}) + "INSTRUMENTATION_CODE: 0\n"
            return Reply("".join(said) + crash)
        end = _block("RESULT", {protocol.KEY_STATUS: status}) + "INSTRUMENTATION_CODE: -1\n"
        return Reply("".join(said) + end)

    def _measure(self, phone: FakePhone, plan: RoundPlan, folder: str, said: list[str]) -> str:
        output = posixpath.join(self.results_dir, plan.output_name)

        def write(line: Line) -> None:
            try:
                phone.write(output, encode_line(line).encode(), append=True)
            except NoSpace as full:
                raise _Gone("java.io.IOException: No space left on device") from full

        def say(progress: Progress) -> None:
            if progress.done and plan.attempt in self.crashes | self.losses:
                raise _Gone("Process crashed.")
            status = {
                protocol.KEY_DONE: str(progress.done),
                protocol.KEY_TOTAL: str(progress.total),
                protocol.KEY_NOW: progress.now,
            }
            said.append(_block("STATUS", status) + "INSTRUMENTATION_STATUS_CODE: 0\n")

        end = Round(
            plan.model_copy(update={"bundle_dir": folder}),
            lambda bundle: ArtificialBench(
                self.spec, bundle.manifest, round_number=plan.round, attempt=plan.attempt
            ),
            look=self._look,
            write=write,
            say=say,
        ).run()
        return end.status

    def _look(self) -> Conditions:
        self._looked += 1
        if not self.looks:
            return Conditions(at=utc_now(), thermal_status=0)
        return self.looks[min(self._looked, len(self.looks)) - 1]

    def _copy_bundle(self, phone: FakePhone, source: str, folder: Path) -> None:
        for path, data in phone.files.items():
            if posixpath.dirname(path) == source:
                (folder / posixpath.basename(path)).write_bytes(data)


class _Gone(Exception):
    """The app's process ended in the middle."""


def _block(kind: str, values: dict[str, str]) -> str:
    return "".join(f"INSTRUMENTATION_{kind}: {key}={value}\n" for key, value in values.items())

"""This machine as a target: each round is a worker process."""

from __future__ import annotations

import os
import shutil
import site
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from sdk_builder.benchmark.protocol import PROTOCOL, RoundPlan
from sdk_builder.benchmark.records import RuntimeFacts
from sdk_builder.benchmark.subject import Subject
from sdk_builder.benchmark.target import Progress
from sdk_builder.benchmark.targets.host_conditions import read_conditions
from sdk_builder.benchmark.targets.host_facts import read_facts
from sdk_builder.benchmark.worker.process import LOCK_NAME, locked
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import (
    AppCrashedError,
    InputError,
    RunStalledError,
    ToolchainError,
    output_errors,
)
from sdk_builder.log import Steps
from sdk_builder.process import stream

WORK_FOLDER = ".shakti-bench"  # beside the result file
_ROOT = Path(__file__).parents[3]


def executorch_facts() -> RuntimeFacts:
    """The runtime of this machine. Raises ToolchainError where it is not installed."""
    try:
        version = metadata.version("executorch")
    except metadata.PackageNotFoundError as error:
        raise ToolchainError(
            "The ExecuTorch runtime is not installed on this machine.",
            "Install all of shakti-sdk (not only requirements-device.txt), or measure phones.",
        ) from error
    return RuntimeFacts(
        name="executorch", version=version, protocol=PROTOCOL, threads_settable=True
    )


class HostTarget:
    """Implements `Target` for this machine.

    work: a folder for plan and output files, which lasts until a run is complete: what a killed
    run left there is collected by the next one. silence_s: how long one call of the engine may
    take; worker_arguments: more arguments for the worker (see its --help); runtime: what
    those make of it, if it is not ExecuTorch.

    Raises ToolchainError where ExecuTorch is not installed.
    """

    def __init__(
        self,
        work: Path,
        *,
        silence_s: float = 600.0,
        worker_arguments: Sequence[str] = (),
        runtime: RuntimeFacts | None = None,
    ) -> None:
        self.facts: DeviceFacts = read_facts()
        self.runtime: RuntimeFacts = runtime or executorch_facts()
        self._work = work
        self._silence_s = silence_s
        self._worker_arguments = tuple(worker_arguments)
        self._run_ids: set[str] = set()

    @classmethod
    def beside(cls, path: Path) -> HostTarget:
        """A target whose work folder is beside the result file `path`."""
        return cls(path.parent / WORK_FOLDER)

    def prepare(self, subject: Subject, steps: Steps) -> str:
        """The bundle is here already."""
        return str(subject.require_bundle().path.resolve())

    def conditions(self) -> Conditions:
        return read_conditions()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Removes the work files when the block ends without an error."""
        with output_errors(self._work):
            self._work.mkdir(parents=True, exist_ok=True)
        yield
        for run_id in self._run_ids:
            for path in self._work.glob(f"{run_id}-*"):
                path.unlink(missing_ok=True)
        if [path.name for path in self._work.iterdir()] in ([], [LOCK_NAME]):
            shutil.rmtree(self._work, ignore_errors=True)

    def run_round(self, plan: RoundPlan, watch: Callable[[Progress], None]) -> None:
        """Raises AppCrashedError when the worker died, RunStalledError when it fell silent."""
        self._run_ids.add(plan.run_id)
        path = self._work / plan.output_name.replace(".jsonl", ".json")
        with output_errors(path):
            path.write_text(plan.model_dump_json(), encoding="utf-8")
        stream(
            [
                *(sys.executable, "-m", "sdk_builder.benchmark.worker"),
                *("--plan", path, "--output-dir", self._work),
                *self._worker_arguments,
            ],
            on_line=lambda line: _tell(line, watch),
            silence_s=self._silence_s,
            what="measuring on this machine",
            env=_environment(),
            error=AppCrashedError,
            silence_error=RunStalledError,
        )

    def output(self, plan: RoundPlan) -> bytes:
        """What the worker wrote; one that lost its runner is waited for, it stops soon."""
        self._run_ids.add(plan.run_id)
        path = self._work / plan.output_name
        if not path.exists():
            return b""
        with locked(self._work):
            try:
                return path.read_bytes()
            except OSError as error:
                raise InputError(f"Cannot read {path}: {error.strerror}.") from error


def _tell(line: str, watch: Callable[[Progress], None]) -> None:
    done, _, rest = line.partition("\t")
    total, _, now = rest.partition("\t")
    if done.isdigit() and total.isdigit():
        watch(Progress(int(done), int(total), now))


def _environment() -> dict[str, str]:
    """Ours, in which Python finds this package also where it is not installed."""
    environment = dict(os.environ)
    if str(_ROOT) not in site.getsitepackages():
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *([others] if others else [])])
    return environment

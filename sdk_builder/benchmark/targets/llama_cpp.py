"""`--peer llama.cpp`: the same cases, timed by llama.cpp's own llama-bench on a GGUF file.

Each case of a round is one llama-bench process with one repetition, on the processor only
(`-ngl 0`), so that rounds are independent as ours are. What differs from our own measurement:
llama-bench feeds random tokens instead of picked ones and takes no argmax, warms up in its own
way in each process, and its conditions are read around the whole process, loading included. It
has no load and no ttft case, no time for each token and no peak memory: those stay out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sdk_builder.benchmark.gates import closed_reason
from sdk_builder.benchmark.protocol import PROTOCOL, Case, Plan, ProgramCheck, RoundPlan
from sdk_builder.benchmark.records import (
    BundleFacts,
    Failure,
    Line,
    RoundEnd,
    RoundStart,
    RuntimeFacts,
    Sample,
    encode_line,
)
from sdk_builder.benchmark.subject import Subject
from sdk_builder.benchmark.target import Progress
from sdk_builder.benchmark.targets.gguf_header import GgufFacts, read_gguf_facts
from sdk_builder.benchmark.worker.process import locked
from sdk_builder.bundle.reader import file_chunks, sha256_of
from sdk_builder.bundle.record import Count, Positive
from sdk_builder.device.conditions import Conditions, utc_now
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import InputError, ShaktiError, ToolchainError, UsageError, output_errors
from sdk_builder.log import Steps
from sdk_builder.process import run

NAME = "llama.cpp"
GET_IT = "Build llama.cpp (cmake --build build --target llama-bench) and give that file's path."
UPDATE = "Update llama.cpp: a depth (-d) came to llama-bench in 2025."
_HELP_TIMEOUT_S = 60.0
CASE_TIMEOUT_S = 3600.0
_PROBE = Case(kind="prefill", tokens=1)
_KINDS = ("prefill", "decode")


class BenchRow(BaseModel):
    """What we use of a line that llama-bench writes with `-o jsonl`; the rest is ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    build_commit: str
    build_number: int
    backends: str = ""
    model_type: str
    model_size: Positive  # bytes of all tensors
    model_n_params: Positive
    n_threads: Positive
    n_prompt: Count
    n_gen: Count
    n_depth: Count
    samples_ns: Annotated[tuple[Positive, ...], Field(min_length=1)]

    def answers(self, case: Case) -> bool:
        """Whether the line is about this case."""
        prompt, generated = _shape(case)
        return (
            (self.n_prompt, self.n_gen, self.n_depth) == (prompt, generated, case.depth)
            and case.threads in (None, self.n_threads)
            and len(self.samples_ns) == 1
        )


def peer_plan(plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan without the cases that llama-bench does not have, and notes that say so.

    Raises UsageError when nothing is left.
    """
    kept = tuple(case for case in plan.cases if case.kind in _KINDS)
    left_out = [case.id for case in plan.cases if case.kind not in _KINDS]
    if not kept:
        raise UsageError(
            f"llama-bench measures none of {', '.join(left_out)}.",
            "Plan a prefill or a decode case.",
        )
    notes = (f"left out, llama-bench has no such case: {', '.join(left_out)}",) if left_out else ()
    return plan.model_copy(update={"cases": kept}), notes


def parse_rows(text: str) -> list[BenchRow]:
    """The result lines among what llama-bench wrote to its standard output.

    Lines that are no JSON object are passed over. Raises ToolchainError for an object that is
    no result.
    """
    rows = []
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        try:
            rows.append(BenchRow.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "line"
            raise ToolchainError(
                f"llama-bench wrote a line that we do not understand: {where}: {first['msg']}.",
                UPDATE,
            ) from error
    return rows


@dataclass(frozen=True)
class LlamaBench:
    """llama-bench and the model that it runs."""

    binary: Path
    model: Path
    timeout_s: float = CASE_TIMEOUT_S

    def check(self) -> None:
        """Raise ToolchainError unless the program is a llama-bench that is new enough."""
        told = run(
            [self.binary, "--help"],
            timeout_s=_HELP_TIMEOUT_S,
            what="looking at llama-bench",
            missing_hint=GET_IT,
            check=False,
        )
        words = told.stdout + told.stderr
        if "--n-prompt" not in words or "--n-gen" not in words:
            raise ToolchainError(f"{self.binary} is not llama.cpp's llama-bench.", GET_IT)
        if "--n-depth" not in words or "jsonl" not in words:
            raise ToolchainError(f"{self.binary} is too old.", UPDATE)

    def time(self, case: Case) -> BenchRow:
        """Run one case once, in a new process.

        Raises InputError if the model does not load, ToolchainError for every other failure.
        """
        done = run(
            self._command(case),
            timeout_s=self.timeout_s,
            what=f"measuring {case.id}",
            error=self._failure,
            missing_hint=GET_IT,
        )
        rows = parse_rows(done.stdout)
        if len(rows) != 1 or not rows[0].answers(case):
            raise ToolchainError(
                f"llama-bench did not measure {case.id}: it wrote {len(rows)} results.",
                (done.stderr or done.stdout).strip()[-2000:],
            )
        return rows[0]

    def _command(self, case: Case) -> list[str | Path]:
        prompt, generated = _shape(case)
        shape = ["-p", str(prompt), "-n", str(generated), "-d", str(case.depth)]
        threads = ["-t", str(case.threads)] if case.threads else []
        rest = ["-r", "1", "-ngl", "0", "-o", "jsonl"]
        return [self.binary, "-m", self.model, *shape, *threads, *rest]

    def _failure(self, message: str, output: str) -> ShaktiError:
        if "failed to load model" in output:
            return InputError(
                f"llama-bench cannot load {self.model}.",
                "Check that it is a whole GGUF file, of a model that this llama.cpp knows.\n"
                + output,
            )
        return ToolchainError(message, output)


class LlamaBenchTarget:
    """This machine, measured through llama-bench: a `Target` for the runner."""

    def __init__(
        self,
        bench: LlamaBench,
        *,
        facts: DeviceFacts,
        look: Callable[[], Conditions],
        output_dir: Path,
    ) -> None:
        """Check the program and the model, with a first run of one token.

        facts, look: of this machine. output_dir: for the rounds' files.
        Raises ToolchainError or InputError, with the fix.
        """
        header = read_gguf_facts(bench.model)
        bench.check()
        row = bench.time(_PROBE)
        self._bench = bench
        self._facts = facts
        self._look = look
        self._output_dir = output_dir
        self.bundle = _bundle_facts(bench.model, header, row)
        self._runtime = RuntimeFacts(
            name=NAME, version=_version(row), protocol=PROTOCOL, threads_settable=True
        )

    @property
    def facts(self) -> DeviceFacts:
        """This machine."""
        return self._facts

    @property
    def runtime(self) -> RuntimeFacts:
        """llama.cpp, with its build."""
        return self._runtime

    @property
    def program(self) -> ProgramCheck:
        """The GGUF file, as round plans name it; golden prompts do not apply."""
        return ProgramCheck(
            file=re.sub(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_.-]", "_", self._bench.model.name)[:128],
            size_bytes=self.bundle.program_size_bytes,
            sha256=self.bundle.program_sha256,
            thorough=False,
            exact=False,
            least_share=0.0,
        )

    @property
    def subject(self) -> Subject:
        """The GGUF file as what is measured."""
        return Subject(self.bundle, self.program, None)

    def prepare(self, subject: Subject, steps: Steps) -> str:
        """The folder of the GGUF file, which stays where it is."""
        return str(self._bench.model.resolve().parent)

    def conditions(self) -> Conditions:
        """The conditions now."""
        return self._look()

    def measuring(self) -> AbstractContextManager[None]:
        """Nothing has to be held."""
        return nullcontext()

    def run_round(self, plan: RoundPlan, watch: Callable[[Progress], None]) -> None:
        """Time every case, each in a process of its own, and write lines as our worker does.

        A case that fails ends the round with a `failure` line. Raises UsageError for a case that
        llama-bench does not have, OutputError if the file cannot be written.
        """
        if strange := [case.id for case in plan.cases if case.kind not in _KINDS]:
            raise UsageError(f"llama-bench has no case such as {', '.join(strange)}.")
        path = self._output_dir / plan.output_name
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent), output_errors(path), path.open("a", encoding="utf-8") as file:
            for line in self._lines(plan, watch):
                file.write(encode_line(line))
                file.flush()

    def _lines(self, plan: RoundPlan, watch: Callable[[Progress], None]) -> Iterator[Line]:
        """What a round has to say, as it happens."""
        yield RoundStart(
            protocol=PROTOCOL, run_id=plan.run_id, round=plan.round, attempt=plan.attempt,
            at=utc_now(), program_sha256=None, conditions=self._look(),
        )  # fmt: skip
        for done, case in enumerate(plan.cases):
            watch(Progress(done, len(plan.cases), case.id))
            try:
                sample = self._sample(plan, case)
            except ShaktiError as error:
                yield Failure(
                    round=plan.round, attempt=plan.attempt, at=utc_now(), case=case,
                    cause="peer_failed", message=" ".join(error.message.split()),
                )  # fmt: skip
                yield self._end(plan, "failed", error.message)
                return
            yield sample
            reason = closed_reason(sample.after, plan.gate, starting=False)
            if reason:
                yield self._end(plan, "left_gate", reason)
                return
        yield self._end(plan, "complete", "")

    def _sample(self, plan: RoundPlan, case: Case) -> Sample:
        """One case, timed. Raises InputError if the model file is not the plan's any more."""
        model = self._bench.model
        if not model.is_file() or model.stat().st_size != plan.program.size_bytes:
            raise InputError(f"{model} has changed since the run began.", "Start a new run.")
        before = self._look()
        row = self._bench.time(case)
        return Sample(
            round=plan.round, attempt=plan.attempt, case=case, at=utc_now(),
            duration_ms=row.samples_ns[0] / 1e6, before=before, after=self._look(),
        )  # fmt: skip

    def _end(
        self, plan: RoundPlan, status: Literal["complete", "left_gate", "failed"], message: str
    ) -> RoundEnd:
        return RoundEnd(
            round=plan.round, attempt=plan.attempt, at=utc_now(), status=status,
            message=" ".join(message.split()),
        )  # fmt: skip

    def output(self, plan: RoundPlan) -> bytes:
        """What the round has written so far."""
        path = self._output_dir / plan.output_name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""


def _shape(case: Case) -> tuple[int, int]:
    """llama-bench's numbers of prompt and of generated tokens."""
    return (case.tokens, 0) if case.kind == "prefill" else (0, case.tokens)


def _version(row: BenchRow) -> str:
    """``b6123 (9c1f2e3)``, and what it computes with where that is not the processor alone."""
    backends = f", {row.backends}" if row.backends not in ("", "CPU") else ""
    return f"b{row.build_number} ({row.build_commit}){backends}"


def _bundle_facts(model: Path, header: GgufFacts, row: BenchRow) -> BundleFacts:
    """The GGUF file as results describe a bundle; what it measures like is in its hash."""
    if not header.context_length:
        raise InputError(f"{model} does not say how long a context its model has.")
    try:
        sha256 = sha256_of(file_chunks(model))
        size_bytes = model.stat().st_size
    except OSError as error:
        raise InputError(f"Cannot read {model}: {error.strerror}.") from error
    # model_type: architecture, size class, and the file type: "llama 8B Q4_K - Medium".
    words = row.model_type.split(maxsplit=2)
    return BundleFacts(
        name=model.stem,
        identity=sha256,
        model=header.name or model.stem,
        family=header.architecture or words[0],
        parameters=row.model_n_params,
        untrained=False,
        scheme=words[-1],
        bits_per_weight=row.model_size * 8 / row.model_n_params,
        program_sha256=sha256,
        program_size_bytes=size_bytes,
        context_length=header.context_length,
    )

"""A target without a device, bundles without a model, and any record there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sdk_builder import Bundle
from sdk_builder.benchmark.protocol import KINDS, Case, Gate, Plan, RoundPlan, WarmUp
from sdk_builder.benchmark.records import (
    BundleFacts,
    Failure,
    Golden,
    Line,
    RoundEnd,
    RoundStart,
    Run,
    RuntimeFacts,
    Sample,
    encode_line,
)
from sdk_builder.benchmark.subject import Subject
from sdk_builder.benchmark.target import Progress
from sdk_builder.benchmark.worker.artificial import ArtificialBench, ArtificialSpec
from sdk_builder.benchmark.worker.round import Round
from sdk_builder.bundle.writer import BundleWriter
from sdk_builder.device.conditions import Conditions
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.log import Steps
from tests.unit.bundle.samples import PROGRAM, TOKENIZER, sample_manifest

COOL = Conditions(at="2026-01-01T00:00:00.000Z", thermal_status=0, battery_temperature_c=30.0)
HOT = Conditions(at="2026-01-01T00:00:00.000Z", thermal_status=2, battery_temperature_c=44.0)
QUICK = ArtificialSpec(load_ms=0, prefill_ms_per_token=0, decode_ms_per_token=0)
RUNTIME = RuntimeFacts(name="artificial", protocol=1, threads_settable=True)
NO_WARM_UP = WarmUp(prefill_tokens=0, decode_tokens=0)
RUN_ID = "0123456789abcdef"


def make_bundle(folder: Path, **changes: Any) -> Bundle:
    """A bundle whose program is never run."""
    with BundleWriter(folder) as writer:
        writer.write_bytes("model.pte", PROGRAM)
        writer.write_text("tokenizer.json", TOKENIZER)
        return writer.commit(sample_manifest(**changes))


def plan_of(*cases: Case, rounds: int = 2, gate: Gate | None = None) -> Plan:
    """A plan without a warm-up; by default a load, a prefill and a decode."""
    default = (
        Case(kind="load"),
        Case(kind="prefill", tokens=8),
        Case(kind="decode", tokens=4),
    )
    return Plan(cases=cases or default, rounds=rounds, warm_up=NO_WARM_UP, gate=gate or Gate())


def host_facts(**changes: Any) -> DeviceFacts:
    return DeviceFacts(kind="host", id="here", model="a machine").model_copy(update=changes)


@dataclass
class FakeTarget:
    """Runs each round's real clockwork in this process, on an artificial engine.

    looks: conditions, one a look in the worker, the last one for all further ones. host_looks:
    the same for the runner's own looks. faults: attempt -> what happens to its output, and the
    error that `run_round` then raises.
    """

    facts: DeviceFacts = field(default_factory=host_facts)
    runtime: RuntimeFacts = RUNTIME
    spec: ArtificialSpec = QUICK
    looks: Sequence[Conditions] = (COOL,)
    host_looks: Sequence[Conditions] = (COOL,)
    faults: dict[int, Callable[[bytes], tuple[bytes, BaseException | None]]] = field(
        default_factory=dict
    )
    unreadable: set[int] = field(default_factory=set)  # attempts whose output cannot be had
    unreadable_error: BaseException | None = None
    plans: list[RoundPlan] = field(default_factory=list)
    outputs: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    _looked: int = 0
    _host_looked: int = 0

    def prepare(self, subject: Subject, steps: Steps) -> str:
        self.log.append("prepare")
        return str(subject.require_bundle().path)

    def conditions(self) -> Conditions:
        self._host_looked += 1
        return self.host_looks[min(self._host_looked, len(self.host_looks)) - 1]

    @contextmanager
    def measuring(self) -> Iterator[None]:
        self.log.append("awake")
        try:
            yield
        finally:
            self.log.append("asleep")

    def run_round(self, plan: RoundPlan, watch: Callable[[Progress], None]) -> None:
        self.plans.append(plan)
        lines: list[bytes] = []
        listeners = [watch]

        def make_engine(bundle: Bundle) -> ArtificialBench:
            engine = ArtificialBench(
                self.spec, bundle.manifest, round_number=plan.round, attempt=plan.attempt
            )
            listeners.append(engine.on_progress)
            return engine

        def say(progress: Progress) -> None:
            for listener in listeners:
                listener(progress)

        Round(
            plan,
            make_engine,
            look=self._look,
            write=lambda line: lines.append(encode_line(line).encode()),
            say=say,
        ).run()
        data, error = b"".join(lines), None
        if plan.attempt in self.faults:
            data, error = self.faults[plan.attempt](data)
        self.outputs[plan.output_name] = data
        if error is not None:
            raise error

    def output(self, plan: RoundPlan) -> bytes:
        self.log.append(f"output {plan.round} {plan.attempt}")
        gone = plan.attempt in self.unreadable and plan.output_name in self.outputs
        if gone and self.unreadable_error is not None:
            raise self.unreadable_error
        return self.outputs.get(plan.output_name, b"")

    def _look(self) -> Conditions:
        self._looked += 1
        return self.looks[min(self._looked, len(self.looks)) - 1]


def first_lines(count: int, error: BaseException | None) -> Callable[[bytes], Any]:
    """A fault: only so many lines were written, then `error`."""
    return lambda data: (b"".join(data.splitlines(keepends=True)[:count]), error)


# --- records ------------------------------------------------------------------------------


def sample_of(
    case: Case, *, round: int = 0, attempt: int = 0, duration_ms: float = 10.0, **changes: Any
) -> Sample:
    return Sample(
        round=round, attempt=attempt, case=case, at=COOL.at, duration_ms=duration_ms,
        before=COOL, after=COOL,
    ).model_copy(update=changes)  # fmt: skip


def run_of(plan: Plan, **changes: Any) -> Run:
    """The first line of a file about a bundle that never was."""
    bundle = BundleFacts(
        name="tiny-q4", identity="1" * 64, model="tiny", family="tiny", parameters=1000,
        untrained=False, scheme="q4", bits_per_weight=4.5, program_sha256="2" * 64,
        program_size_bytes=768, context_length=128,
    )  # fmt: skip
    return Run(
        run_id=RUN_ID, started_at=COOL.at, sdk_version="0", plan=plan, plan_hash=plan.hash,
        bundle=bundle, device=host_facts(), runtime=RUNTIME,
    ).model_copy(update=changes)  # fmt: skip


counts = st.integers(0, 2**40)
texts = st.text(max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
not_negative = st.floats(0, 1e12)
maybe = st.none()

cases = st.one_of(
    st.builds(Case, kind=st.just("load"), threads=maybe | st.integers(1, 64)),
    st.builds(
        Case,
        kind=st.sampled_from(KINDS[1:]),
        tokens=st.integers(1, 4096),
        depth=st.integers(0, 4096),
        threads=maybe | st.integers(1, 64),
    ),
)
conditions = st.builds(
    Conditions,
    at=texts,
    thermal_status=maybe | st.integers(0, 6),
    temperatures_c=st.dictionaries(texts, finite, max_size=3),
    battery_percent=maybe | st.floats(0, 100),
    battery_temperature_c=maybe | finite,
    charging=maybe | st.booleans(),
    battery_current_ua=maybe | st.integers(-(2**40), 2**40),
    clocks_mhz=st.lists(not_negative, max_size=3).map(tuple),
    load_average=maybe | not_negative,
)
samples = st.builds(
    Sample,
    type=st.just("sample"),
    round=st.integers(0, 4),
    attempt=st.integers(0, 9),
    case=cases,
    at=texts,
    duration_ms=st.floats(1e-6, 1e9),
    token_ms=st.lists(not_negative, max_size=4).map(tuple),
    peak_memory_bytes=maybe | counts,
    before=conditions,
    after=conditions,
    invalid_reason=maybe | texts,
)
rounds = st.builds(
    RoundStart,
    type=st.just("round"),
    protocol=st.just(1),
    run_id=st.just(RUN_ID),
    round=counts,
    attempt=counts,
    at=texts,
    program_sha256=maybe | st.just("a" * 64),
    golden=maybe
    | st.builds(
        Golden, prompts=st.integers(1, 9), repeated=st.integers(0, 9), ranked_first=st.floats(0, 1)
    ),
    conditions=conditions,
)
failures = st.builds(
    Failure, type=st.just("failure"), round=counts, attempt=counts, at=texts,
    case=maybe | cases, cause=texts, message=texts,
)  # fmt: skip
ends = st.builds(
    RoundEnd, type=st.just("round_end"), round=counts, attempt=counts, at=texts,
    status=st.sampled_from(["complete", "left_gate", "failed"]), message=texts,
)  # fmt: skip
lines: st.SearchStrategy[list[Line]] = st.lists(
    st.one_of(samples, rounds, failures, ends), max_size=6
)

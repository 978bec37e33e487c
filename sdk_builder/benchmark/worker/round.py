"""One round of a benchmark, measured in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sdk_builder.benchmark.gates import closed_reason
from sdk_builder.benchmark.protocol import Case, RoundPlan
from sdk_builder.benchmark.records import Failure, Golden, Line, RoundEnd, RoundStart, Sample
from sdk_builder.benchmark.target import Progress
from sdk_builder.benchmark.targets.host_conditions import peak_memory_bytes
from sdk_builder.benchmark.worker.engines import BenchEngine, golden_answers, golden_is_wrong
from sdk_builder.benchmark.worker.measure import Meter, Timing
from sdk_builder.bundle.reader import Bundle, sha256_of
from sdk_builder.device.conditions import Conditions, utc_now
from sdk_builder.errors import ShaktiError

Write = Callable[[Line], None]
Say = Callable[[Progress], None]
MakeEngine = Callable[[Bundle], BenchEngine]


class _Refused(Exception):
    """The round cannot be measured; the cause is a word for the failure line."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


@dataclass(frozen=True)
class _Loaded:
    """A program that was just loaded, and what that took."""

    timing: Timing
    before: Conditions
    after: Conditions


class Round:
    """Measures the cases of a round plan, in order, and writes the lines that say so.

    look: the conditions now; write: takes each line; say: told how far the round is, whenever a
    case starts and at least every heartbeat_s seconds between calls of the engine.
    """

    def __init__(
        self,
        plan: RoundPlan,
        make_engine: MakeEngine,
        *,
        look: Callable[[], Conditions],
        write: Write,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._make_engine = make_engine
        self._look = look
        self._write = write
        self._say = say
        self._clock = clock
        self._progress = Progress(0, len(plan.cases), plan.cases[0].id)
        self._said_at = clock()
        self._started = False
        self._case: Case | None = None

    def run(self) -> RoundEnd:
        """Measure; the last line, which is written as well. What fails becomes a failure line."""
        try:
            end = self._measure()
        except _Refused as refused:
            end = self._failed(refused.cause, refused.message)
        except ShaktiError as error:
            end = self._failed("engine_failed", error.message)
        except (RuntimeError, MemoryError, ValueError) as error:  # what the runtime itself raises
            end = self._failed("engine_failed", f"{type(error).__name__}: {error}")
        self._write(end)
        return end

    def _measure(self) -> RoundEnd:
        self._announce(0)
        bundle = self._open()
        try:
            engine = self._make_engine(bundle)
        except (ShaktiError, ImportError, OSError) as error:
            raise _Refused("runtime_missing", str(error)) from error
        try:
            meter = Meter(engine, bundle.manifest, tick=self._tick)
            loaded: _Loaded | None = self._load(meter, self._plan.cases[0].threads)
            self._check_answers(bundle, engine)
            return self._cases(meter, loaded)
        finally:
            engine.close()

    def _cases(self, meter: Meter, loaded: _Loaded | None) -> RoundEnd:
        threads = self._plan.cases[0].threads
        warm = False
        for done, case in enumerate(self._plan.cases):
            self._case = case
            self._announce(done)
            if loaded is None and (case.kind == "load" or case.threads != threads):
                loaded, warm, threads = self._load(meter, case.threads), False, case.threads
            if case.kind == "load" and loaded is not None:
                sample = self._sample(case, loaded.timing, loaded.before, loaded.after)
            else:
                if not warm:
                    meter.warm_up(self._plan.warm_up)
                    warm = True
                meter.fill(case.depth)
                before = self._look()
                timing = meter.run(case)
                sample = self._sample(case, timing, before, self._look())
            loaded = None
            self._write(sample)
            reason = closed_reason(sample.after, self._plan.gate, starting=False)
            if reason:
                return self._end("left_gate", reason)
        self._case = None
        self._announce(len(self._plan.cases))
        return self._end("complete")

    # -- before the first case ------------------------------------------------------------------

    def _open(self) -> Bundle:
        """The bundle, if it has the plan's program; writes the first line if it has not."""
        check = self._plan.program
        try:
            bundle = Bundle.open(self._plan.bundle_dir)
            size = bundle.size(check.file)
        except ShaktiError as error:
            raise _Refused("bundle_unreadable", error.message) from error
        if size != check.size_bytes:
            raise _Refused(
                "size_mismatch", f"{check.file} has {size} bytes instead of {check.size_bytes}"
            )
        if not check.thorough:
            return bundle
        found = sha256_of(self._ticking(bundle.chunks(check.file)))
        if found != check.sha256:
            self._start(found, None)
            raise _Refused("hash_mismatch", f"{check.file} has the hash {found[:16]}...")
        return bundle

    def _check_answers(self, bundle: Bundle, engine: BenchEngine) -> None:
        """Run the golden prompts where the plan wants it, and write the first line."""
        check = self._plan.program
        if not check.thorough:
            self._start(None, None)
            return
        manifest = bundle.manifest
        golden = golden_answers(engine, manifest.golden, manifest.program.max_chunk, self._tick)
        self._start(check.sha256, golden)
        if golden is None:
            return
        wrong = golden_is_wrong(golden, exact=check.exact, least_share=check.least_share)
        if wrong:
            raise _Refused("golden_mismatch", wrong)

    def _load(self, meter: Meter, threads: int | None) -> _Loaded:
        before = self._look()
        try:
            timing = meter.load(threads)
        except ShaktiError as error:
            raise _Refused("load_failed", error.message) from error
        return _Loaded(timing, before, self._look())

    # -- lines ------------------------------------------------------------------------------------

    def _start(self, sha256: str | None, golden: Golden | None) -> None:
        plan = self._plan
        self._started = True
        self._write(
            RoundStart(
                protocol=plan.protocol, run_id=plan.run_id, round=plan.round, attempt=plan.attempt,
                at=utc_now(), program_sha256=sha256, golden=golden, conditions=self._look(),
            )
        )  # fmt: skip

    def _sample(self, case: Case, timing: Timing, before: Conditions, after: Conditions) -> Sample:
        return Sample(
            round=self._plan.round, attempt=self._plan.attempt, case=case, at=utc_now(),
            duration_ms=timing.duration_ms, token_ms=timing.token_ms,
            peak_memory_bytes=peak_memory_bytes(), before=before, after=after,
        )  # fmt: skip

    def _failed(self, cause: str, message: str) -> RoundEnd:
        if not self._started:
            self._start(None, None)
        one_line = " ".join(message.split())
        self._write(
            Failure(
                round=self._plan.round, attempt=self._plan.attempt, at=utc_now(),
                case=self._case, cause=cause, message=one_line,
            )
        )  # fmt: skip
        return self._end("failed", one_line)

    def _end(
        self, status: Literal["complete", "left_gate", "failed"], message: str = ""
    ) -> RoundEnd:
        return RoundEnd(
            round=self._plan.round, attempt=self._plan.attempt, at=utc_now(),
            status=status, message=message,
        )  # fmt: skip

    # -- progress -----------------------------------------------------------------------------

    def _announce(self, done: int) -> None:
        now = self._case.id if self._case else self._progress.now
        self._progress = Progress(done, len(self._plan.cases), now)
        self._said_at = self._clock()
        self._say(self._progress)

    def _tick(self) -> None:
        if self._clock() - self._said_at >= self._plan.heartbeat_s:
            self._said_at = self._clock()
            self._say(self._progress)

    def _ticking(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._tick()
            yield chunk

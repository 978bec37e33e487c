"""Profiles a bundle on this machine: first without tracing, for true times, then with."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from sdk_builder.bundle.checks import check_files
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.bundle.reader import COPY_AGAIN, Bundle
from sdk_builder.errors import BundleError, SessionError, UsageError
from sdk_builder.log import Steps
from sdk_builder.profiling.attribution import attribute
from sdk_builder.profiling.etdump import Event, read_runs
from sdk_builder.profiling.result import Loading, Phase, Profile, average
from sdk_builder.runtime.engine import ExecutorchEngine, load_runtime
from sdk_builder.runtime.stats import peak_memory_mib

_WARM_UP = 2
_MATRIX_PARTS = ("feed-forward", "attention", "head", "embedding and head")
_FIRST_ID = 1


@dataclass(frozen=True)
class ProfileRequest:
    """What to profile.

    tokens: of the prompt (0: no prefill); depth: positions in the KV cache before prompt or
    decoded token; threads: None for the runtime's choice; bandwidth_gb_per_s: of this machine's
    memory, as measured elsewhere.
    """

    bundle: Path
    tokens: int = 128
    depth: int = 0
    threads: int | None = None
    repetitions: int = 20
    bandwidth_gb_per_s: float | None = None


@dataclass(frozen=True)
class _Case:
    """One phase: the chunks that a repetition feeds, from position `depth`."""

    name: str
    chunks: tuple[int, ...]
    depth: int

    @property
    def tokens(self) -> int:
        return sum(self.chunks)

    def calls(self) -> Iterator[tuple[list[int], int]]:
        start = self.depth
        for size in self.chunks:
            yield [_FIRST_ID] * size, start
            start += size


def run_profile(request: ProfileRequest, steps: Steps) -> Profile:
    """Profile a bundle.

    Raises BundleError (damaged), UsageError (what does not fit the context), SessionError.
    """
    bundle = Bundle.open(request.bundle)
    manifest = bundle.manifest
    cases = _cases(request, manifest)
    with steps.step("Loading, and timing without a trace"):
        engine, loading = _load(bundle, request.threads)
        times = [_times_ms(engine, case, request.repetitions) for case in cases]
        # Taken now: the traced program below is a second one.
        loading = _with_peak(loading)
        engine.close()
    with steps.step("Running with a trace"):
        runs = _traced(bundle, request, cases)
    phases = []
    for case, untraced in zip(cases, times, strict=True):
        count = request.repetitions * len(case.chunks)
        mine, runs = runs[:count], runs[count:]
        parts = [attribute(run) for run in mine]
        step = len(case.chunks)
        repeated = [list(chain(*parts[at : at + step])) for at in range(0, count, step)]
        phases.append(
            Phase(
                name=case.name,
                tokens=case.tokens,
                depth=case.depth,
                repetitions=request.repetitions,
                calls=len(case.chunks),
                untraced_ms=statistics.median(untraced),
                weight_bytes=_weight_bytes(manifest) * len(case.chunks),
                moments=average(repeated),
            )
        )
    return Profile(
        bundle=str(bundle.path),
        name=manifest.name,
        layers=manifest.model.layers,
        threads=request.threads,
        bandwidth_gb_per_s=request.bandwidth_gb_per_s,
        loading=loading,
        phases=tuple(phases),
    )


def _cases(request: ProfileRequest, manifest: Manifest) -> list[_Case]:
    context, chunk = manifest.program.context_length, manifest.program.max_chunk
    needed = request.depth + max(request.tokens, 1)
    if needed > context:
        raise UsageError(
            f"{request.tokens} tokens behind {request.depth} take {needed} positions, "
            f"the context has {context}",
            "give a smaller --tokens or --depth",
        )
    cases = []
    if request.tokens:
        whole, rest = divmod(request.tokens, chunk)
        chunks = (*([chunk] * whole), *([rest] if rest else []))
        cases.append(_Case("prefill", chunks, request.depth))
    return [*cases, _Case("decode", (1,), request.depth)]


def _load(bundle: Bundle, threads: int | None) -> tuple[ExecutorchEngine, Loading]:
    began = time.perf_counter()
    damage = [check.detail for check in check_files(bundle) if check.status == "fail"]
    if damage:
        raise BundleError(f"{bundle.path} is damaged: {damage[0]}", COPY_AGAIN)
    checked = time.perf_counter()
    load_runtime()
    imported, base_mib = time.perf_counter(), peak_memory_mib()
    engine = ExecutorchEngine.of(bundle, threads=threads)
    loaded = time.perf_counter()
    manifest = bundle.manifest
    return engine, Loading(
        check_s=checked - began,
        runtime_s=imported - checked,
        program_s=loaded - imported,
        base_mib=base_mib,
        peak_mib=base_mib,
        program_mib=manifest.program.size_bytes / (1 << 20),
        kv_cache_mib=manifest.kv_cache_bytes / (1 << 20),
    )


def _with_peak(loading: Loading) -> Loading:
    return replace(loading, peak_mib=peak_memory_mib())


def _times_ms(engine: ExecutorchEngine, case: _Case, repetitions: int) -> list[float]:
    times = []
    for repetition in range(_WARM_UP + repetitions):
        began = time.perf_counter()
        for ids, start in case.calls():
            engine.forward(ids, start)
        if repetition >= _WARM_UP:
            times.append((time.perf_counter() - began) * 1e3)
    return times


def _traced(
    bundle: Bundle, request: ProfileRequest, cases: Sequence[_Case]
) -> list[Sequence[Event]]:
    """The traces of all calls, warm-up left out, in order."""
    engine = ExecutorchEngine.of(bundle, threads=request.threads, traced=True)
    kept: list[Sequence[Event]] = []
    for case in cases:
        _times_ms(engine, case, request.repetitions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.etdp"
        engine.write_trace(path)
        runs = read_runs(path.read_bytes())
    engine.close()
    wanted = [(_WARM_UP + request.repetitions) * len(case.chunks) for case in cases]
    if len(runs) < sum(wanted):
        raise SessionError(
            f"the runtime traced {len(runs)} of {sum(wanted)} calls",
            "profile again, with fewer --repetitions",
        )
    runs = runs[-sum(wanted) :]
    for count, case in zip(wanted, cases, strict=True):
        kept += runs[_WARM_UP * len(case.chunks) : count]
        runs = runs[count:]
    return kept


def _weight_bytes(manifest: Manifest) -> int:
    """Bytes of the matrices, each of which a call reads once."""
    return sum(
        part.size_bytes for part in manifest.program.parts if part.name.startswith(_MATRIX_PARTS)
    )

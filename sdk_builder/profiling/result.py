"""A profile: where the time of a call goes, in tables that add up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sdk_builder.profiling.attribution import PARTS, Moment

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Row:
    """One line of a table. share: of the phase's time, 0 to 1."""

    name: str
    calls: float
    ms: float
    share: float


@dataclass(frozen=True)
class Phase:
    """A prefill of `tokens` tokens, or the decoding of one, with `depth` in the cache before.

    moments: all the time of one repetition, on average over the faster half of `repetitions`;
    untraced_ms: the median time without tracing; weight_bytes: matrices read, once a call;
    calls: of the program.
    """

    name: str
    tokens: int
    depth: int
    repetitions: int
    calls: int
    untraced_ms: float
    weight_bytes: int
    moments: tuple[tuple[Moment, float], ...]

    @property
    def total_ms(self) -> float:
        return sum(moment.ms for moment, _ in self.moments)

    @property
    def tokens_per_s(self) -> float:
        """Without tracing."""
        return self.tokens / self.untraced_ms * 1e3

    @property
    def matrix_gb_per_s(self) -> float:
        """Weights read while matrix operators ran."""
        ms = sum(moment.ms for moment, _ in self.moments if "Fully Connected" in moment.operator)
        return self.weight_bytes / ms / 1e6 if ms else 0.0

    @property
    def gb_per_s(self) -> float:
        """Weights read over the whole call, without tracing."""
        return self.weight_bytes / self.untraced_ms / 1e6

    def by_part(self) -> list[Row]:
        rows = {row.name: row for row in self._rows(lambda moment: moment.part)}
        return [rows[part] for part in PARTS if part in rows]

    def by_layer(self) -> list[Row]:
        """Layers in order, then what belongs to none."""
        rows = self._rows(lambda moment: "-" if moment.layer is None else str(moment.layer))
        return sorted(rows, key=lambda row: (row.name == "-", row.name.zfill(6)))

    def by_operator(self) -> list[Row]:
        """Longest first."""
        rows = self._rows(lambda moment: moment.operator)
        return sorted(rows, key=lambda row: (-row.ms, row.name))

    def _rows(self, key: Callable[[Moment], str]) -> list[Row]:
        found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for moment, calls in self.moments:
            found[key(moment)][0] += calls
            found[key(moment)][1] += moment.ms
        total = self.total_ms
        return [Row(name, calls, ms, ms / total) for name, (calls, ms) in found.items()]


@dataclass(frozen=True)
class Loading:
    """From the command to a program that is ready, without this package's imports.

    check_s: hashing the bundle's files; runtime_s: importing the runtime; program_s: opening the
    program and packing its weights. base_mib: resident before the program; peak_mib: the highest
    since; program_mib: the file; kv_cache_mib: of one method.
    """

    check_s: float
    runtime_s: float
    program_s: float
    base_mib: float
    peak_mib: float
    program_mib: float
    kv_cache_mib: float

    @property
    def program_peak_mib(self) -> float:
        """What the program took at its highest."""
        return self.peak_mib - self.base_mib

    @property
    def peak_ratio(self) -> float:
        """That over file and KV cache."""
        return self.program_peak_mib / (self.program_mib + self.kv_cache_mib)


@dataclass(frozen=True)
class Profile:
    """A bundle's profile. threads: None is the runtime's choice; bandwidth in GB/s, if known."""

    bundle: str
    name: str
    layers: int
    threads: int | None
    bandwidth_gb_per_s: float | None
    loading: Loading
    phases: tuple[Phase, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "bundle": self.bundle,
            "name": self.name,
            "layers": self.layers,
            "threads": self.threads,
            "bandwidth_gb_per_s": self.bandwidth_gb_per_s,
            "loading": {
                **asdict(self.loading),
                "program_peak_mib": self.loading.program_peak_mib,
                "peak_ratio": self.loading.peak_ratio,
            },
            "phases": [_phase(phase, self.bandwidth_gb_per_s) for phase in self.phases],
        }

    @property
    def csv_header(self) -> tuple[str, ...]:
        return ("phase", "part", "layer", "operator", "calls", "ms")

    def csv_rows(self) -> list[tuple[object, ...]]:
        """Everything, one place and operator a row, under `csv_header`."""
        return [
            (
                phase.name,
                moment.part,
                "" if moment.layer is None else moment.layer,
                moment.operator,
                calls,
                moment.ms,
            )
            for phase in self.phases
            for moment, calls in phase.moments
        ]


def average(runs: Sequence[Sequence[Moment]]) -> tuple[tuple[Moment, float], ...]:
    """The faster half of `runs`, on average: equal places and operators together, with calls."""
    ordered = sorted(runs, key=lambda run: sum(moment.ms for moment in run))
    kept = ordered[: (len(ordered) + 1) // 2]
    sums: dict[tuple[str, int | None, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for moment in (moment for run in kept for moment in run):
        entry = sums[moment.part, moment.layer, moment.operator]
        entry[0] += moment.ms
        entry[1] += 1
    return tuple(
        (Moment(*place, ms / len(kept)), calls / len(kept)) for place, (ms, calls) in sums.items()
    )


def _phase(phase: Phase, bandwidth: float | None) -> dict[str, Any]:
    return {
        "name": phase.name,
        "tokens": phase.tokens,
        "depth": phase.depth,
        "repetitions": phase.repetitions,
        "calls": phase.calls,
        "traced_ms": phase.total_ms,
        "untraced_ms": phase.untraced_ms,
        "tokens_per_s": phase.tokens_per_s,
        "weight_bytes": phase.weight_bytes,
        "matrix_gb_per_s": phase.matrix_gb_per_s,
        "gb_per_s": phase.gb_per_s,
        "bandwidth_share": None if bandwidth is None else phase.gb_per_s / bandwidth,
        "parts": [asdict(row) for row in phase.by_part()],
        "by_layer": [asdict(row) for row in phase.by_layer()],
        "operators": [asdict(row) for row in phase.by_operator()],
    }

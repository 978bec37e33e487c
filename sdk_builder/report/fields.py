"""The fields of results.csv and summary.csv: name, unit, type and meaning, in one place.

Every printer walks these tables; a row holds everything that is needed to understand it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sdk_builder.benchmark.analysis.energy import Energy, NotMeasured, co2e_g_per_million_tokens
from sdk_builder.benchmark.analysis.statistics import Summary
from sdk_builder.benchmark.protocol import Case
from sdk_builder.benchmark.records import Sample
from sdk_builder.device.conditions import Conditions
from sdk_builder.report.dataset import CaseSamples, Dataset, Result, unit_of
from sdk_builder.report.numbers import energy_of, summary_of

Value = str | int | float | bool | None
Row = TypeVar("Row")
Type = Literal["text", "integer", "number", "boolean", "numbers"]


@dataclass(frozen=True)
class Field(Generic[Row]):
    """One column. A number's unit is "" where it is a count or a share; None: not known."""

    name: str
    unit: str
    type: Type
    meaning: str
    value: Callable[[Row], Value]


@dataclass(frozen=True)
class SampleRow:
    """A row of results.csv."""

    result: Result
    sample: Sample


@dataclass(frozen=True)
class CaseRow:
    """A row of summary.csv. summary None: no valid sample."""

    series: CaseSamples
    summary: Summary | None
    energy: Energy | NotMeasured
    grid_g_per_kwh: float

    @property
    def co2e_g(self) -> float | None:
        """g CO2e for a million tokens; None where the energy is not measured."""
        if isinstance(self.energy, NotMeasured):
            return None
        return co2e_g_per_million_tokens(self.energy.mj_per_token, self.grid_g_per_kwh)


def sample_rows(dataset: Dataset) -> Iterator[SampleRow]:
    """Every sample of every file, the invalid ones too."""
    return (SampleRow(result, s) for result in dataset.results for s in result.samples)


def case_rows(dataset: Dataset, grid_g_per_kwh: float) -> Iterator[CaseRow]:
    """Every planned case of every file, also those without samples."""
    for result in dataset.results:
        for series in result.series:
            yield CaseRow(series, summary_of(series), energy_of(series), grid_g_per_kwh)


# --- what both tables say of the run ------------------------------------------------------

_RunField = tuple[str, str, Type, str, Callable[[Result], Value]]
_RUN: tuple[_RunField, ...] = (
    ("result_file", "", "text", "Name of the result file", lambda r: r.path.name),
    ("run_id", "", "text", "Identifies the run", lambda r: r.run.run_id),
    ("started_at", "", "text", "When the run began, UTC", lambda r: r.run.started_at),
    ("sdk_version", "", "text", "shakti-sdk that measured", lambda r: r.run.sdk_version),
    ("plan_hash", "", "text", "SHA-256 of the plan", lambda r: r.run.plan_hash),
    ("protocol", "", "integer", "Benchmark protocol", lambda r: r.run.runtime.protocol),
    ("device_kind", "", "text", "phone or host", lambda r: r.run.device.kind),
    ("device_id", "", "text", "adb serial or host name", lambda r: r.run.device.id),
    ("device_model", "", "text", "Device as its maker calls it", lambda r: r.run.device.model),
    ("device_maker", "", "text", "Maker of the device", lambda r: r.run.device.maker),
    ("device_soc", "", "text", "System on chip, or processor", lambda r: r.run.device.soc),
    ("device_abi", "", "text", "Instruction set", lambda r: r.run.device.abi),
    ("device_system", "", "text", "Operating system", lambda r: r.run.device.system),
    (
        "device_memory_bytes",
        "bytes",
        "integer",
        "Memory of the device",
        lambda r: r.run.device.memory_bytes or None,
    ),
    ("runtime", "", "text", "What ran the program", lambda r: r.run.runtime.name),
    ("runtime_version", "", "text", "Its version", lambda r: r.run.runtime.version),
    ("app_version", "", "text", "Version of the demo app", lambda r: r.run.runtime.app_version),
    ("bundle", "", "text", "Name of the bundle", lambda r: r.run.bundle.name),
    ("bundle_identity", "", "text", "Identity of the bundle", lambda r: r.run.bundle.identity),
    ("model", "", "text", "Model", lambda r: r.run.bundle.model),
    ("parameters", "", "integer", "Its parameters", lambda r: r.run.bundle.parameters),
    ("untrained", "", "boolean", "The weights are random", lambda r: r.run.bundle.untrained),
    ("scheme", "", "text", "Format of the weights", lambda r: r.run.bundle.scheme),
    (
        "bits_per_weight",
        "bits",
        "number",
        "Effective bits a weight",
        lambda r: r.run.bundle.bits_per_weight,
    ),
    (
        "program_size_bytes",
        "bytes",
        "integer",
        "Size of the program file",
        lambda r: r.run.bundle.program_size_bytes,
    ),
    (
        "program_sha256",
        "",
        "text",
        "SHA-256 of the program file",
        lambda r: r.run.bundle.program_sha256,
    ),
)


def _of_run(entry: _RunField, result_of: Callable[[Row], Result]) -> Field[Row]:
    name, unit, kind, meaning, get = entry
    return Field(name, unit, kind, meaning, lambda row: get(result_of(row)))


_CASE: tuple[tuple[str, str, Type, str, Callable[[Case], Value]], ...] = (
    ("case", "", "text", "The case: kind-tokens@depth/threads", lambda c: c.id),
    ("kind", "", "text", "load, prefill, decode or ttft", lambda c: c.kind),
    ("tokens", "tokens", "integer", "Tokens of the case", lambda c: c.tokens),
    ("depth", "tokens", "integer", "Tokens in the KV cache before", lambda c: c.depth),
    ("threads", "", "integer", "Threads; empty: the runtime's choice", lambda c: c.threads),
)


def _of_case(
    entry: tuple[str, str, Type, str, Callable[[Case], Value]], case_of: Callable[[Row], Case]
) -> Field[Row]:
    name, unit, kind, meaning, get = entry
    return Field(name, unit, kind, meaning, lambda row: get(case_of(row)))


# Of a look at the conditions around a sample.
_LOOK: tuple[tuple[str, str, Type, str, Callable[[Conditions], Value]], ...] = (
    ("thermal_status", "", "integer", "Android's, 0 none to 6", lambda c: c.thermal_status),
    (
        "battery_temperature_c",
        "°C",
        "number",
        "Temperature of the battery",
        lambda c: c.battery_temperature_c,
    ),
    (
        "warmest_sensor_c",
        "°C",
        "number",
        "Highest temperature of any sensor",
        lambda c: max(c.temperatures_c.values(), default=None),
    ),
    ("battery_percent", "%", "number", "Charge of the battery", lambda c: c.battery_percent),
    ("charging", "", "boolean", "Whether it charges", lambda c: c.charging),
    ("battery_current_ua", "µA", "integer", "As the phone gave it", lambda c: c.battery_current_ua),
    ("battery_voltage_mv", "mV", "integer", "Voltage", lambda c: c.battery_voltage_mv),
    ("charge_counter_uah", "µAh", "integer", "Charge counter", lambda c: c.charge_counter_uah),
    ("energy_counter_nwh", "nWh", "integer", "Energy counter", lambda c: c.energy_counter_nwh),
    (
        "available_memory_bytes",
        "bytes",
        "integer",
        "Memory that is free",
        lambda c: c.available_memory_bytes,
    ),
    ("load_average", "", "number", "Runnable tasks, last minute", lambda c: c.load_average),
)


def _looks(
    prefix: str, words: str, look_of: Callable[[Sample], Conditions]
) -> Iterator[Field[SampleRow]]:
    for name, unit, kind, meaning, get in _LOOK:

        def value(row: SampleRow, get: Callable[[Conditions], Value] = get) -> Value:
            return get(look_of(row.sample))

        yield Field(f"{prefix}_{name}", unit, kind, f"{meaning}, {words}", value)


_S = Field[SampleRow]
SAMPLE_FIELDS: tuple[_S, ...] = (
    *(_of_run(entry, lambda row: row.result) for entry in _RUN),
    *(_of_case(entry, lambda row: row.sample.case) for entry in _CASE),
    _S("round", "", "integer", "Repetition, from 0", lambda row: row.sample.round),
    _S("attempt", "", "integer", "Process of the run, from 0", lambda row: row.sample.attempt),
    _S("at", "", "text", "When the sample ended, UTC", lambda row: row.sample.at),
    _S("duration_ms", "ms", "number", "Wall clock", lambda row: row.sample.duration_ms),
    _S(
        "rate_tokens_per_s",
        "tokens/s",
        "number",
        "tokens / duration; none for a load",
        lambda row: row.sample.rate,
    ),
    _S(
        "peak_memory_bytes",
        "bytes",
        "integer",
        "Largest resident set of the process so far",
        lambda row: row.sample.peak_memory_bytes,
    ),
    _S(
        "valid",
        "",
        "boolean",
        "Whether the sample counts",
        lambda row: row.sample.invalid_reason is None,
    ),
    _S(
        "invalid_reason",
        "",
        "text",
        "Why it does not count",
        lambda row: row.sample.invalid_reason,
    ),
    *_looks("before", "before the sample", lambda sample: sample.before),
    *_looks("after", "after the sample", lambda sample: sample.after),
    _S(
        "token_ms",
        "ms",
        "numbers",
        "Share of each token of a decode, with spaces between",
        lambda row: " ".join(map(repr, row.sample.token_ms)),
    ),
)

_C = Field[CaseRow]


def _number(name: str, meaning: str, get: Callable[[Summary], float]) -> _C:
    return _C(
        name,
        "as in unit",
        "number",
        meaning,
        lambda row: get(row.summary) if row.summary else None,
    )


CASE_FIELDS: tuple[_C, ...] = (
    *(_of_run(entry, lambda row: row.series.result) for entry in _RUN),
    *(_of_case(entry, lambda row: row.series.case) for entry in _CASE),
    _C("unit", "", "text", "Of the numbers that follow", lambda row: unit_of(row.series.case)),
    _C("n", "", "integer", "Valid samples", lambda row: len(row.series.valid)),
    _number("median", "Median", lambda s: s.median),
    _number("low", "Bootstrap interval of the median: lower end", lambda s: s.low),
    _number("high", "Bootstrap interval of the median: upper end", lambda s: s.high),
    _C(
        "coverage",
        "",
        "number",
        "Share of such intervals that hold the true median, at best",
        lambda row: row.summary.coverage if row.summary else None,
    ),
    _number("trimmed_mean", "Mean without the outer fifths", lambda s: s.trimmed_mean),
    _number("q25", "Lower quartile", lambda s: s.q25),
    _number("q75", "Upper quartile", lambda s: s.q75),
    _C(
        "planned_rounds",
        "",
        "integer",
        "Samples that were planned",
        lambda row: row.series.result.run.plan.rounds,
    ),
    _C(
        "missing",
        "",
        "integer",
        "Planned rounds without a valid sample",
        lambda row: len(row.series.missing_rounds),
    ),
    _C("invalid", "", "integer", "Invalid samples", lambda row: len(row.series.invalid)),
    _C(
        "energy_mj_per_token",
        "mJ",
        "number",
        "Energy of a token, from the battery",
        lambda row: row.energy.mj_per_token if isinstance(row.energy, Energy) else None,
    ),
    _C(
        "energy_method",
        "",
        "text",
        "What the energy was read from, or why it is not measured",
        lambda row: row.energy.method if isinstance(row.energy, Energy) else row.energy.reason,
    ),
    _C(
        "co2e_g_per_million_tokens",
        "g",
        "number",
        "Carbon dioxide of a million tokens, by the grid factor",
        lambda row: row.co2e_g,
    ),
    _C(
        "grid_g_per_kwh",
        "g/kWh",
        "number",
        "The grid factor",
        lambda row: row.grid_g_per_kwh,
    ),
)

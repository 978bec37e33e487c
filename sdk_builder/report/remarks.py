"""What the report says in words: the lead, warnings, the method, and where numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdk_builder.benchmark.analysis.energy import DEFAULT_GRID_G_PER_KWH, GRID_SOURCE
from sdk_builder.benchmark.records import Sample
from sdk_builder.report.content import Provenance, Warned
from sdk_builder.report.dataset import Dataset, Result
from sdk_builder.report.numbers import (
    FEWEST_SAMPLES,
    counted,
    headline_case,
    show,
    show_range,
    summary_of,
    when,
)


def lead(dataset: Dataset) -> tuple[str, ...]:
    """The first sentences: the fastest decode, and what was looked at."""
    results = dataset.results
    valid, invalid = (sum(map(len, kind)) for kind in zip(*map(_sorted_out, results), strict=True))
    failures = sum(len(result.failures) for result in results)
    bundles = len({result.run.bundle.identity for result in results})
    scope = (
        f"{counted(len(dataset.devices()), 'device')}, {counted(bundles, 'bundle')}, "
        f"{counted(len(results), 'run')}: {counted(valid, 'valid sample')}, "
        f"{invalid} invalid, {counted(failures, 'failure')}."
    )
    return (_fastest(dataset), scope)


def _sorted_out(result: Result) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    return result.valid, result.invalid


def _fastest(dataset: Dataset) -> str:
    """The best median, of the phones if there are any."""
    heads = [(result, headline_case(result, "decode")) for result in dataset.results]
    found = [(r, numbers) for r, s in heads if s and (numbers := summary_of(s))]
    if not found:
        if any(result.valid for result in dataset.results):
            return "No decode was measured."
        return "Nothing was measured: there is no valid sample."
    phones = [pair for pair in found if pair[0].run.device.kind == "phone"]
    result, numbers = max(phones or found, key=lambda pair: pair[1].median)
    where = "on a phone" if phones else "measured"
    return (
        f"Fastest decode {where}: {show(numbers.median)} tokens/s (interval "
        f"{show_range(numbers.low, numbers.high)}, n={numbers.n}): {dataset.label(result)}."
    )


# --- warnings ---------------------------------------------------------------------------


def warnings(dataset: Dataset) -> tuple[Warned, ...]:
    """What weakens the numbers, each with the results that it is about."""
    found = [Warned(text) for text in dataset.warnings]
    for text, applies in _RULES:
        where = tuple(dataset.label(result) for result in dataset.results if applies(result))
        if where:
            found.append(Warned(text, where))
    return tuple(found)


def _nothing(result: Result) -> bool:
    return not result.valid


def _failed(result: Result) -> bool:
    return bool(result.failures) and bool(result.valid)


def _few(result: Result) -> bool:
    return any(0 < len(series.valid) < FEWEST_SAMPLES for series in result.series)


def _incomplete(result: Result) -> bool:
    return bool(result.valid) and any(series.missing_rounds for series in result.series)


def _charging(result: Result) -> bool:
    return any(look.charging for s in result.valid for look in (s.before, s.after))


def _gate_unknown(result: Result) -> bool:
    """Whether a limit of the gate was set on what a counted sample does not know."""
    gate = result.run.plan.gate
    looks = [look for sample in result.valid for look in (sample.before, sample.after)]
    return (
        (gate.max_thermal_status is not None and any(k.thermal_status is None for k in looks))
        or (
            gate.max_battery_temperature_c is not None
            and any(k.battery_temperature_c is None for k in looks)
        )
        or (gate.min_battery_percent is not None and any(k.battery_percent is None for k in looks))
    )


def _on_phone_gate_unknown(result: Result) -> bool:
    return result.run.device.kind == "phone" and _gate_unknown(result)


def _on_host_gate_unknown(result: Result) -> bool:
    return result.run.device.kind == "host" and _gate_unknown(result)


def _untrained(result: Result) -> bool:
    return result.run.bundle.untrained


def _not_golden(result: Result) -> bool:
    return bool(result.valid) and not any(start.golden for start in result.rounds)


_RULES: tuple[tuple[str, Callable[[Result], bool]], ...] = (
    ("Not one valid sample: there are no numbers.", _nothing),
    ("Something failed; what was measured before it stands.", _failed),
    (f"Fewer than {FEWEST_SAMPLES} valid samples of some cases: intervals cover less.", _few),
    ("Not every planned sample is there.", _incomplete),
    ("Charging while measured: a phone is warmer then, and energy cannot be told.", _charging),
    ("The device does not tell all that the gate looks at; such a limit lets pass.",
     _on_phone_gate_unknown),
    ("This machine has no thermal status or battery, so the gate was open throughout.",
     _on_host_gate_unknown),
    ("Untrained weights: the speed is real, the answers are not.", _untrained),
    ("The answers to the golden prompts were not checked on the device.", _not_golden),
)  # fmt: skip


# --- method -----------------------------------------------------------------------------


def method(dataset: Dataset, grid_g_per_kwh: float) -> tuple[str, ...]:
    """The protocol in words, with the numbers of the plans in this report."""
    plans = {result.run.plan_hash: result.run.plan for result in dataset.results}
    rounds = sorted({plan.rounds for plan in plans.values()})
    warm_ups = sorted(
        {
            f"{plan.warm_up.prefill_tokens} prompt and {plan.warm_up.decode_tokens} decoded tokens"
            for plan in plans.values()
        }
    )
    grid = f"{grid_g_per_kwh:g} g CO2e per kWh"
    if grid_g_per_kwh == DEFAULT_GRID_G_PER_KWH:
        grid += f" ({GRID_SOURCE})"
    return (
        f"Each round is a process of its own ({_or(rounds)} rounds here): it loads the program, "
        f"warms up untimed ({_or(warm_ups)}) and measures every case once. Rounds are therefore "
        "independent repetitions, and n counts them.",
        "Load: from opening the program until one token has gone through it. Prefill: prompt "
        "tokens until the last logits. First token: the same, and picking the token. Decode: "
        "tokens one by one, the most likely one fed back, end-of-text ignored. What fills the KV "
        "cache before a case is outside the clock. The clock is monotonic.",
        "A round starts only inside the plan's thermal and battery gate. A sample whose "
        "conditions, before or after, are outside it is invalid: it is listed, and counted "
        "nowhere.",
        "Numbers are medians of valid samples. An interval is a bootstrap's of the median; it "
        "covers the noise between rounds, not that a whole run may be off by a percent or two.",
        f"Energy is what the battery's counters tell, of the whole device. CO2e is that energy "
        f"times {grid}; losses while charging come on top.",
    )


def _or(values: list[int] | list[str]) -> str:
    return " or ".join(map(str, values))


# --- provenance -------------------------------------------------------------------------


def provenance(dataset: Dataset) -> tuple[Provenance, ...]:
    """Where each result's numbers come from."""
    return tuple(
        Provenance(dataset.label(result), tuple(pair for pair in _facts(result) if pair[1]))
        for result in dataset.results
    )


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    run = result.run
    bundle, device, runtime, plan = run.bundle, run.device, run.runtime, run.plan
    ended = max((end.at for end in result.ends), default="")
    yield "Result file", result.path.name
    yield "Run", run.run_id
    yield "Measured", f"{when(run.started_at)} to {when(ended)}" if ended else when(run.started_at)
    yield "Bundle", f"{bundle.name}, identity {bundle.identity}"
    yield (
        "Model",
        f"{bundle.model} ({bundle.family}), {bundle.parameters:,} parameters, {bundle.scheme}, "
        f"{bundle.bits_per_weight:g} bits a weight, context {bundle.context_length}"
        + (", untrained weights" if bundle.untrained else ""),
    )
    yield "Perplexity", "" if bundle.perplexity is None else f"{bundle.perplexity:g}"
    yield "Program", f"SHA-256 {bundle.program_sha256}, {bundle.program_size_bytes:,} bytes"
    yield "Program on the device", _hashed(result)
    yield "Golden prompts", _golden(result)
    yield "Plan", f"hash {run.plan_hash}, {plan.rounds} rounds"
    yield "Cases", ", ".join(case.id for case in plan.cases)
    yield "Gate", _gate(result)
    yield "Device", " ".join(p for p in (device.maker, device.model, f"({device.kind})") if p)
    yield "Device id", device.id
    yield "Processor", ", ".join(p for p in (device.soc, device.abi, _cores(result)) if p)
    yield "System", device.system
    yield "Memory", f"{device.memory_bytes / 1e9:.1f} GB" if device.memory_bytes else ""
    yield "Page size", f"{device.page_size_bytes} bytes" if device.page_size_bytes else ""
    yield "Runtime", f"{runtime.name} {runtime.version}".strip()
    yield "App", f"{runtime.app} {runtime.app_version}".strip()
    yield "Protocol", f"{runtime.protocol}, shakti-sdk {run.sdk_version}"


def _hashed(result: Result) -> str:
    expected = result.run.bundle.program_sha256
    hashed = [s.program_sha256 for s in result.rounds if s.program_sha256 is not None]
    if not hashed:
        return "not hashed there"
    wrong = sum(found != expected for found in hashed)
    if wrong:
        return f"another hash in {wrong} of {len(hashed)} rounds that looked"
    return f"same hash in {counted(len(hashed), 'round')} that looked"


def _golden(result: Result) -> str:
    wrong = [f.message for f in result.failures if f.cause == "golden_mismatch"]
    checks = [start.golden for start in result.rounds if start.golden is not None]
    said = [
        f"{golden.repeated} of {golden.prompts} repeated to the token, "
        f"{golden.ranked_first:.1%} of tokens ranked first"
        for golden in checks
    ]
    parts = [f"failed: {message}" for message in wrong] + list(dict.fromkeys(said))
    return "; ".join(parts) or "not checked"


def _gate(result: Result) -> str:
    gate = result.run.plan.gate
    limits = (
        ("thermal status at most", gate.max_thermal_status, ""),
        ("battery at most", gate.max_battery_temperature_c, " °C"),
        ("to start at most", gate.start_battery_temperature_c, " °C"),
        ("charge at least", gate.min_battery_percent, " %"),
    )
    said = [f"{text} {limit:g}{unit}" for text, limit, unit in limits if limit is not None]
    return ", ".join(said) or "none"


def _cores(result: Result) -> str:
    clocks = result.run.device.core_max_mhz
    each = dict.fromkeys(sorted(clocks, reverse=True))
    return " + ".join(f"{clocks.count(mhz)} × {mhz:.0f} MHz" for mhz in each)

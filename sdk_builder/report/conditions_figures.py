"""Figures of how a run went: every sample over the rounds, and the heat meanwhile."""

from __future__ import annotations

from datetime import datetime

from sdk_builder.benchmark.records import Sample
from sdk_builder.report import facets
from sdk_builder.report.dataset import Dataset, Result, value_of
from sdk_builder.report.drawing import Drawing
from sdk_builder.report.numbers import headline_case
from sdk_builder.report.style import format_colour, format_marker

Look = tuple[float, float]  # minutes since the run's start, °C


def strip(dataset: Dataset) -> Drawing | None:
    """Every decode sample in the order of its process, those that do not count crossed."""
    lines: dict[str, list[facets.Line]] = {}
    for result in dataset.results:
        head = headline_case(result, "decode")
        if head is None:
            continue
        name = dataset.heading(result)
        points = tuple(facets.Point(s.attempt + 1, value_of(s)) for s in head.valid)
        crossed = tuple((float(s.attempt + 1), value_of(s)) for s in head.invalid)
        lines.setdefault(name, []).append(_line(dataset, result, points, crossed))
    if not lines:
        return None
    panels = [facets.Facet(name, tuple(found)) for name, found in lines.items()]
    note = "Each mark is one sample of the decode case in the summary; one process a round."
    axis = facets.Axis("process, in the order of the run", "tokens/s", whole_x=True)
    figure = facets.draw("Every decode sample", note, axis, panels, "invalid, not counted")
    caption = "Decode tokens/s in the order of the run: heat shows as a slope, an outlier alone."
    return Drawing("samples", "Every decode sample", caption, figure)


def temperature(dataset: Dataset) -> Drawing | None:
    """Battery, or the warmest sensor, over each run, and the gate's limit."""
    lines: dict[str, list[facets.Line]] = {}
    limits: dict[str, tuple[float, str]] = {}
    for result in dataset.results:
        looks = _looks(result, result.valid)
        crossed = _looks(result, result.invalid)
        if not looks and not crossed:
            continue
        name = f"{dataset.heading(result)} · {_sensor(result)}"
        points = tuple(facets.Point(minutes, value) for minutes, value in looks)
        lines.setdefault(name, []).append(_line(dataset, result, points, crossed, 2.8))
        gate = result.run.plan.gate.max_battery_temperature_c
        if gate is not None and _has_battery(result):
            limits[name] = (gate, f"gate {gate:g} °C")
    if not lines:
        return None
    panels = [facets.Facet(name, tuple(lines[name]), limits.get(name)) for name in lines]
    note = "Temperature after each sample. Where the battery's is not known: the warmest sensor."
    axis = facets.Axis("minutes since the run began", "°C", from_zero=False)
    figure = facets.draw("Temperature while measured", note, axis, panels, "after invalid sample")
    caption = "How warm each device was while its samples were taken."
    return Drawing("temperature", "Temperature", caption, figure)


def _line(
    dataset: Dataset,
    result: Result,
    points: tuple[facets.Point, ...],
    crossed: tuple[Look, ...],
    marker_pt: float = 4.2,
) -> facets.Line:
    scheme = result.run.bundle.scheme
    return facets.Line(
        dataset.format_name(result),
        format_colour(scheme),
        format_marker(scheme),
        points,
        crossed,
        marker_pt,
    )


def _has_battery(result: Result) -> bool:
    return any(s.after.battery_temperature_c is not None for s in result.samples)


def _sensor(result: Result) -> str:
    return "battery" if _has_battery(result) else "warmest sensor"


def _looks(result: Result, samples: tuple[Sample, ...]) -> tuple[Look, ...]:
    found = ((_minutes(result, s), _degrees(result, s)) for s in samples)
    return tuple((minutes, value) for minutes, value in found if value is not None)


def _degrees(result: Result, sample: Sample) -> float | None:
    """°C after the sample: the battery's where the run knows it, else the warmest sensor's."""
    if _has_battery(result):
        return sample.after.battery_temperature_c
    return max(sample.after.temperatures_c.values(), default=None)


def _minutes(result: Result, sample: Sample) -> float:
    began, looked = parse_time(result.run.started_at), parse_time(sample.after.at)
    return 0.0 if began is None or looked is None else (looked - began).total_seconds() / 60


def parse_time(text: str) -> datetime | None:
    """The time of a record, with its zone; None where it is not ISO 8601."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None

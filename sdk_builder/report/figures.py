"""Which figures a dataset gives, and what is drawn in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdk_builder.report import bars, conditions_figures, facets, paper
from sdk_builder.report.dataset import CaseSamples, Dataset, Result, model_name
from sdk_builder.report.drawing import Drawing
from sdk_builder.report.numbers import MIB, headline_case, peak_memory, show, summary_of
from sdk_builder.report.style import format_colour, format_marker, house_style, lines_of, shade

FEW = "*With few samples less than 95 %: at best 93.8 % with 5."
HOW_TO_READ = f"Bar: median of the valid samples. Line: its 95 % interval*. Dots: samples.\n{FEW}"
HOW_TO_READ_LINES = f"Line: median. Upright: its 95 % interval*. Circles: samples.\n{FEW}"


def draw_all(dataset: Dataset) -> tuple[Drawing, ...]:
    """Every figure that the dataset has numbers for, in the report's order."""
    makers = (
        decode,
        sizes,
        prefill,
        ttft,
        load_time,
        memory,
        depth_sweep,
        thread_sweep,
        conditions_figures.strip,
        conditions_figures.temperature,
    )
    with house_style():
        drawn = [maker(dataset) for maker in makers]
    return tuple(drawing for drawing in drawn if drawing is not None)


# --- bars -------------------------------------------------------------------------------


def decode(
    dataset: Dataset,
    *,
    title: str = "Decode speed (as the paper's Figure 6)",
    always: bool = False,
) -> Drawing | None:
    """Figure 6: tokens/s of each device, model and format, and the paper's apart.

    always: also where nothing was measured, which it then says.
    """
    groups = _groups(dataset, lambda result: _headline(result, "decode"))
    if not groups and not always:
        return None
    nothing = bars.Group("No benchmark result was given", (bars.empty_bar("decode"),))
    measured = bars.Panel("measured", "tokens/s, decode, measured", groups or (nothing,))
    quoted = bars.Panel(
        "paper",
        "tokens/s, paper (scale of its own)",
        _paper_groups(),
        title=f"Other hardware and models: {paper.MARK}",
    )
    note = lines_of(
        [
            HOW_TO_READ,
            f"Hatched: {paper.MARK} ({paper.SOURCE}, Figure 6),",
            "without spread or n, and on a scale of its own.",
        ]
    )
    figure = bars.draw(title, note, [measured, quoted])
    caption = (
        "Decode tokens/s of each device, model and format. The hatched bars are "
        f"the paper's ({paper.SOURCE}, Figure 6), not measured here: other hardware, other "
        "models, no spread given; they have a scale of their own."
    )
    return Drawing("decode", "Decode speed", caption, figure)


def _paper_groups() -> tuple[bars.Group, ...]:
    hardware = dict.fromkeys(rate.hardware for rate in paper.FIGURE_6)
    return tuple(
        bars.Group(
            name,
            tuple(
                bars.Bar(
                    rate.label,
                    rate.rate,
                    f"{rate.rate:g}",
                    "paper",
                    shade("soft"),
                    fill="hollow",
                )
                for rate in paper.FIGURE_6
                if rate.hardware == name
            ),
        )
        for name in hardware
    )


def sizes(dataset: Dataset) -> Drawing | None:
    """Figure 5: the program's size in each format, against FP32."""
    models = dict.fromkeys((model_name(r), r.run.bundle.parameters) for r in dataset.results)
    groups: list[bars.Group] = []
    references: list[bars.Reference] = []
    for model, parameters in models:
        rows, fp32 = _size_bars(dataset, model, parameters)
        references.append(
            bars.Reference(len(groups), fp32 / paper.Q4_TIMES_SMALLER, "paper's Q4: about FP32 / 8")
        )
        groups.append(bars.Group(f"{model}, {parameters / 1e6:.1f} M parameters", rows))
    panel = bars.Panel("sizes", "MiB", tuple(groups), references=tuple(references))
    note = lines_of(
        [
            "Size of the program file; exact, one file a bar (n = 1).",
            "Hatched: computed, 4 bytes a parameter. × : times smaller than FP32.",
            f"Dashed: where the paper's Q4 would be ({paper.SOURCE}, Figure 5).",
        ]
    )
    caption = (
        "Size of the program file in each format against FP32 (exact; one file a bar). A hatched "
        "FP32 bar is computed as 4 bytes a parameter; a filled one is a bundle's file. The dashed "
        "line is the paper's claim, not measured here: Q4 about 8 times smaller than FP32."
    )
    figure = bars.draw("Size per format (as the paper's Figure 5)", note, [panel])
    return Drawing("size", "Size per format", caption, figure)


def _size_bars(dataset: Dataset, model: str, parameters: int) -> tuple[tuple[bars.Bar, ...], float]:
    """The bars of one model, largest first, and its FP32 size in MiB."""
    found = {
        dataset.format_name(r): r
        for r in dataset.results
        if (model_name(r), r.run.bundle.parameters) == (model, parameters)
    }
    measured = [r.run.bundle.program_size_bytes for r in found.values() if is_fp32(r)]
    fp32 = (max(measured) if measured else 4 * parameters) / MIB
    rows = []
    if not measured:
        rows.append(bars.Bar("FP32", fp32, show(fp32), "computed", shade("none"), fill="hollow"))
    for name, result in found.items():
        size = result.run.bundle.program_size_bytes / MIB
        times = "FP32" if is_fp32(result) else f"{fp32 / size:.1f}×"
        colour = format_colour(result.run.bundle.scheme)
        rows.append(bars.Bar(name, size, show(size), times, colour))
    return tuple(sorted(rows, key=lambda bar: -bar.value)), fp32


def is_fp32(result: Result) -> bool:
    """Whether the bundle holds full precision."""
    return result.run.bundle.scheme == "none"


def prefill(dataset: Dataset) -> Drawing | None:
    """Prompt tokens/s."""
    return _simple(dataset, "prefill", "Prefill speed", "prefill", "tokens/s, prefill")


def ttft(dataset: Dataset) -> Drawing | None:
    """Time to the first token."""
    return _simple(dataset, "ttft", "Time to first token", "ttft", "ms (less is better)")


def load_time(dataset: Dataset) -> Drawing | None:
    """Time to open the program."""
    return _simple(dataset, "load", "Load time", "load", "ms (less is better)")


def _simple(dataset: Dataset, name: str, title: str, kind: str, unit: str) -> Drawing | None:
    groups = _groups(dataset, lambda result: _at_default(result, kind))
    if not groups:
        return None
    figure = bars.draw(title, HOW_TO_READ, [bars.Panel(name, unit, groups)])
    return Drawing(name, title, f"{title} of each device, model and format.", figure)


def memory(dataset: Dataset) -> Drawing | None:
    """The largest resident set of the process, round by round."""
    groups = []
    for result in dataset.results:
        peaks = peak_memory(result)
        if peaks:
            top = max(peaks)
            bar = bars.Bar(
                dataset.format_name(result),
                top,
                show(top),
                f"n={len(peaks)}",
                format_colour(result.run.bundle.scheme),
                samples=peaks,
            )
            groups.append((dataset.heading(result), bar))
    if not groups:
        return None
    note = "Bar: the largest of the rounds' peaks. Dots: each round's peak resident set."
    panel = bars.Panel("memory", "MiB (less is better)", _gather(groups))
    figure = bars.draw("Peak memory", note, [panel])
    return Drawing(
        "memory", "Peak memory", "The largest resident set of the process that measures.", figure
    )


def _groups(
    dataset: Dataset, choose: Callable[[Result], Sequence[CaseSamples]]
) -> tuple[bars.Group, ...]:
    """A bar for each chosen case, under its device and model."""
    found = []
    for result in dataset.results:
        chosen = choose(result)
        sizes = {series.case.tokens for series in chosen}
        for series in chosen:
            numbers = summary_of(series)
            if numbers is None:
                continue
            label = dataset.format_name(result)
            # In front: a long name is cut at its end.
            label = f"{series.case.tokens} · {label}" if len(sizes) > 1 else label
            bar = bars.Bar(
                label,
                numbers.median,
                show(numbers.median),
                f"n={numbers.n}",
                format_colour(result.run.bundle.scheme),
                numbers.low,
                numbers.high,
                series.values,
            )
            found.append((dataset.heading(result), bar))
    return _gather(found)


def _gather(found: Sequence[tuple[str, bars.Bar]]) -> tuple[bars.Group, ...]:
    headings = dict.fromkeys(heading for heading, _ in found)
    return tuple(
        bars.Group(heading, tuple(bar for there, bar in found if there == heading))
        for heading in headings
    )


def _headline(result: Result, kind: str) -> tuple[CaseSamples, ...]:
    case = headline_case(result, kind)
    return () if case is None else (case,)


def _at_default(result: Result, kind: str) -> tuple[CaseSamples, ...]:
    """The cases of a kind at the headline's threads and depth."""
    head = headline_case(result, kind)
    if head is None:
        return ()
    same = (head.case.depth, head.case.threads)
    return tuple(s for s in result.of_kind(kind) if (s.case.depth, s.case.threads) == same)


# --- sweeps -----------------------------------------------------------------------------


def depth_sweep(dataset: Dataset) -> Drawing | None:
    """Decode tokens/s against what the KV cache holds."""
    swept = _facets(dataset, _by_depth)
    if not swept:
        return None
    ticks = tuple(sorted({p.x for facet in swept for line in facet.lines for p in line.points}))
    axis = facets.Axis("tokens in the KV cache before decode", "tokens/s", ticks=ticks)
    figure = facets.draw("Decode speed against depth", HOW_TO_READ_LINES, axis, swept)
    caption = "Decode tokens/s against the tokens that the KV cache holds."
    return Drawing("depth", "Depth sweep", caption, figure)


def thread_sweep(dataset: Dataset) -> Drawing | None:
    """Decode tokens/s against the runtime's threads."""
    swept = _facets(dataset, _by_threads)
    if not swept:
        return None
    ticks = tuple(sorted({p.x for facet in swept for line in facet.lines for p in line.points}))
    axis = facets.Axis("threads", "tokens/s", ticks=ticks)
    figure = facets.draw("Decode speed against threads", HOW_TO_READ_LINES, axis, swept)
    caption = "Decode tokens/s against the runtime's threads."
    return Drawing("threads", "Thread sweep", caption, figure)


def _by_depth(result: Result) -> list[tuple[float, CaseSamples]]:
    head = headline_case(result, "decode")
    return [
        (series.case.depth, series)
        for series in result.of_kind("decode")
        if head and _like(series, head, "threads")
    ]


def _by_threads(result: Result) -> list[tuple[float, CaseSamples]]:
    head = headline_case(result, "decode")
    return [
        (series.case.threads, series)
        for series in result.of_kind("decode")
        if head and series.case.threads and _like(series, head, "depth")
    ]


def _like(series: CaseSamples, head: CaseSamples, field: str) -> bool:
    """Whether the case is the headline's but for what is swept."""
    same_tokens = series.case.tokens == head.case.tokens
    return same_tokens and getattr(series.case, field) == getattr(head.case, field)


def _facets(
    dataset: Dataset, choose: Callable[[Result], list[tuple[float, CaseSamples]]]
) -> list[facets.Facet]:
    """A panel for each device and model with something swept over at least two values."""
    lines: dict[str, list[facets.Line]] = {}
    for result in dataset.results:
        chosen = sorted(choose(result), key=lambda pair: pair[0])
        if len(chosen) < 2:
            continue
        points = []
        for x, series in chosen:
            numbers = summary_of(series)
            if numbers is not None:
                points.append(
                    facets.Point(x, numbers.median, numbers.low, numbers.high, series.values)
                )
        scheme = result.run.bundle.scheme
        lines.setdefault(dataset.heading(result), []).append(
            facets.Line(
                dataset.format_name(result),
                format_colour(scheme),
                format_marker(scheme),
                tuple(points),
            )
        )
    return [facets.Facet(heading, tuple(found)) for heading, found in lines.items()]

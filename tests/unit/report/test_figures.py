"""What is drawn is what was measured: read from the figures' artists, not from pixels."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from sdk_builder.benchmark.protocol import Case
from sdk_builder.report import paper
from sdk_builder.report.drawing import Drawing
from sdk_builder.report.figures import draw_all
from sdk_builder.report.loading import load
from sdk_builder.report.style import SHADES, css_variables, short, to_inline_svg, to_png, to_svg
from tests.unit.report.results import (
    DECODE,
    LOAD,
    PREFILL,
    TTFT,
    bundle,
    complete,
    conditions,
    device,
    run,
    sample,
    write,
)

SLOW = [2000.0, 2020.0, 1990.0, 2110.0, 2000.5]
FAST = [1000.0, 1013.7, 991.25, 1102.5, 1000.1]


def median_rate(durations_ms, tokens=128):
    return statistics.median(tokens / ms * 1000 for ms in durations_ms)


def drawings(tmp_path, *files) -> dict[str, Drawing]:
    paths = [write(tmp_path / f"{i}.jsonl", lines) for i, lines in enumerate(files)]
    return {drawing.name: drawing for drawing in draw_all(load(paths))}


def bars(axes):
    """Label and length of every bar, from the top."""
    containers = sorted(axes.containers, key=lambda c: c.patches[0].get_y())
    return [(c.get_label(), c.patches[0].get_width()) for c in containers]


def hatched(axes):
    return [c.get_label() for c in axes.containers if c.patches[0].get_hatch()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def series(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


@pytest.fixture
def two_formats(tmp_path):
    return drawings(
        tmp_path,
        complete(run([DECODE], bundle=bundle("q8")), {DECODE: SLOW}),
        complete(run([DECODE], bundle=bundle("q4")), {DECODE: FAST}),
    )


def test_decode_bars_are_the_medians_with_n_and_every_sample(two_formats):
    measured, _ = two_formats["decode"].figure.axes
    expected = {"q4": median_rate(FAST), "q8": median_rate(SLOW)}
    assert dict(bars(measured)) == pytest.approx(expected)
    assert texts(measured).count("n=5") == 2
    dots = [line.get_xdata() for line in measured.lines if line.get_gid() == "samples"]
    assert sorted(x for line in dots for x in line) == pytest.approx(
        sorted(128_000 / ms for ms in (*SLOW, *FAST))
    )
    assert measured.get_xlim()[0] == 0


def test_papers_numbers_stand_apart_hollow_and_named(two_formats):
    _, quoted = two_formats["decode"].figure.axes
    assert [width for _, width in bars(quoted)] == [rate.rate for rate in paper.FIGURE_6]
    for container in quoted.containers:
        patch = container.patches[0]
        assert patch.get_hatch()
        assert patch.get_facecolor()[3] == 0
    assert texts(quoted).count("paper") == len(paper.FIGURE_6)
    assert any(paper.MARK in text.get_text() for text in two_formats["decode"].figure.texts)


def test_measured_bars_are_filled(two_formats):
    measured, _ = two_formats["decode"].figure.axes
    assert all(c.patches[0].get_hatch() is None for c in measured.containers)
    assert all(c.patches[0].get_facecolor()[3] == 1 for c in measured.containers)


def test_fp32_size_is_computed_and_hollow_where_no_bundle_has_it(two_formats):
    (axes,) = two_formats["size"].figure.axes
    found = dict(bars(axes))
    assert found["FP32"] == pytest.approx(4 * 134_515_008 / 2**20)
    assert found["q4"] == pytest.approx(bundle("q4").program_size_bytes / 2**20)
    assert hatched(axes) == ["FP32"]
    assert "computed" in texts(axes)
    (reference,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(reference.get_xdata()) == pytest.approx([found["FP32"] / 8] * 2)


def test_fp32_size_is_the_measured_bundles_where_there_is_one(tmp_path):
    full = bundle("none")
    drawn = drawings(
        tmp_path,
        complete(run([DECODE], bundle=full), {DECODE: SLOW}),
        complete(run([DECODE], bundle=bundle("q4")), {DECODE: FAST}),
    )
    (axes,) = drawn["size"].figure.axes
    assert [label for label, _ in bars(axes)] == ["none", "q4"]
    assert hatched(axes) == []
    ratio = full.program_size_bytes / bundle("q4").program_size_bytes
    assert f"{ratio:.1f}×" in texts(axes)


def test_depth_sweep_has_a_point_a_depth(tmp_path):
    cases = [Case(kind="decode", tokens=128, depth=d) for d in (0, 512, 2048)]
    times = dict(zip(cases, (FAST, SLOW, [4 * ms for ms in FAST]), strict=True))
    drawn = drawings(tmp_path, complete(run(cases), times))
    (axes,) = drawn["depth"].figure.axes
    (line,) = series(axes, "q4")
    assert list(line.get_xdata()) == [0, 512, 2048]
    assert list(line.get_ydata()) == pytest.approx([median_rate(t) for t in times.values()])
    assert "threads" not in drawn


def test_thread_sweep_leaves_out_the_runtimes_own_choice(tmp_path):
    cases = [Case(kind="decode", tokens=128, threads=t) for t in (None, 1, 4)]
    drawn = drawings(tmp_path, complete(run(cases), dict.fromkeys(cases, FAST)))
    (line,) = series(drawn["threads"].figure.axes[0], "q4")
    assert list(line.get_xdata()) == [1, 4]
    assert "depth" not in drawn


def test_invalid_samples_are_crossed_and_not_on_the_line(tmp_path):
    lines = [
        *complete(run([DECODE]), {DECODE: FAST[:3]}),
        sample(DECODE, 1600.0, round=3, invalid_reason="hot"),
    ]
    (axes,) = drawings(tmp_path, lines)["samples"].figure.axes
    (line,), (cross,) = series(axes, "q4"), series(axes, "invalid")
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == pytest.approx([128_000 / ms for ms in FAST[:3]])
    assert (cross.get_marker(), list(cross.get_xdata())) == ("x", [4])
    assert list(cross.get_ydata()) == pytest.approx([80.0])


def test_temperature_is_the_batterys_or_else_the_warmest_sensors(tmp_path):
    def looked(minutes, **values):
        look = conditions(minutes, **values)
        return sample(DECODE, 1000.0, minutes=minutes, before=look, after=look)

    host = device("Desk", kind="host")
    drawn = drawings(
        tmp_path,
        [run([DECODE]), looked(2.0, battery_temperature_c=31.5)],
        [
            run([DECODE], device=host),
            looked(3.0, battery_temperature_c=None, temperatures_c={"a": 40.0, "b": 55.5}),
        ],
    )
    phone, desk = drawn["temperature"].figure.axes
    (line,) = series(phone, "q4")
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (pytest.approx(2.0), 31.5)
    assert series(desk, "q4")[0].get_ydata()[0] == 55.5


def test_every_kind_has_its_figure_and_only_what_was_measured(tmp_path):
    times = {LOAD: [250.0], PREFILL: [800.0], DECODE: [1000.0], TTFT: [820.0]}
    drawn = drawings(tmp_path, complete(run(), times))
    assert {"decode", "size", "prefill", "ttft", "load", "memory"} <= set(drawn)
    assert dict(bars(drawn["load"].figure.axes[0])) == {"q4": 250.0}
    assert dict(bars(drawn["ttft"].figure.axes[0])) == {"q4": 820.0}
    assert dict(bars(drawn["prefill"].figure.axes[0])) == {"q4": pytest.approx(640.0)}
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert set(drawings(nothing, [run()])) == {"size"}


def test_devices_do_not_share_a_group(tmp_path):
    drawn = drawings(
        tmp_path,
        complete(run([DECODE]), {DECODE: FAST}),
        complete(run([DECODE], device=device("Pixel 8", id="B")), {DECODE: SLOW}),
    )
    headings = [t for t in texts(drawn["decode"].figure.axes[0]) if "Pixel 8" in t]
    assert len(set(headings)) == 2


# --- as files ---------------------------------------------------------------------------

ODD = '<script>alert(1)</script> $x^2$ & "q" \x07 测试'


def odd_drawing(tmp_path) -> Drawing:
    lines = complete(run([DECODE], device=device(ODD)), {DECODE: FAST})
    return drawings(tmp_path, lines)["decode"]


def test_odd_names_are_text_in_the_svg(tmp_path):
    svg = to_svg(odd_drawing(tmp_path).figure, "decode")
    tree = ElementTree.fromstring(svg)
    words = [element.text or "" for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert any("<script>alert(1)</script> $x^2$ &" in word for word in words)
    assert not list(tree.iter("{http://www.w3.org/2000/svg}script"))


def test_same_data_gives_the_same_bytes(tmp_path):
    first, again = (odd_drawing(tmp_path) for _ in range(2))
    assert to_svg(first.figure, "decode") == to_svg(again.figure, "decode")
    assert to_png(first.figure) == to_png(again.figure)
    assert b"<metadata" not in to_svg(first.figure, "decode")


def test_inline_svg_is_well_formed_themed_and_has_ids_of_its_own(two_formats):
    svg = to_svg(two_formats["decode"].figure, "decode")
    inline = to_inline_svg(svg, "decode", 'A "label" <x>')
    tree = ElementTree.fromstring(inline)
    assert tree.get("aria-label") == 'A "label" <x>'
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    assert all(str(name).startswith("decode-") for name in ids)
    for reference in re.findall(r'(?:url\(#|href="#)([^)"]+)', inline):
        assert reference in ids
    assert "var(--fig-q4)" in inline
    assert not any(shade.light in inline for shade in SHADES.values())
    assert {f"var(--{name})" for name in re.findall(r"--(fig-\w+):", css_variables("dark"))} >= set(
        re.findall(r"var\(--[\w-]+\)", inline)
    )


def test_colours_are_told_apart_by_value():
    lights = [shade.light for shade in SHADES.values()]
    assert len(set(lights)) == len(lights)


def test_long_labels_are_cut():
    assert short("x" * 100, 10) == "x" * 9 + "…"
    assert short("a\nb\tc\x00d") == "a b c d"


def test_matplotlib_is_loaded_only_to_draw():
    code = "import sys, sdk_builder.report.write; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""The picture of a front: everything measured is in it, the front is a line."""

from __future__ import annotations

import numpy as np

from sdk_builder.report.style import to_png, to_svg
from sdk_builder.tuning.choice import Limits, Row, judge
from sdk_builder.tuning.plot import draw_front
from tests.unit.tuning.samples import measurement, planned


def rows(limits: Limits) -> tuple[Row, ...]:
    points = [("q4", 72, 1.4), ("q4 g64", 78, 1.2), ("q5", 93, 1.03), ("q8", 136, 1.1)]
    found = [
        Row(planned(name, 1), "measured", measurement(size * 10**6, 10 * ratio), ratio)
        for name, size, ratio in points
    ]
    return judge([*found, Row(planned("q8 g32", 1), "failed")], limits)


def test_every_measured_candidate_is_drawn_and_the_front_is_named():
    limits = Limits(size_bytes=100_000_000, ratio=1.25)
    judged = rows(limits)
    figure = draw_front("$tiny$", judged, judged[1], limits)
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert len(marks) == 4 + 1  # the recommended one has a ring
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["q4", "q4 g64", "q5", "limit", "limit"]
    lines = [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
    assert [72.0, 78.0, 93.0] in lines


def test_limits_out_of_sight_do_not_squeeze_the_points():
    near, far = Limits(), Limits(size_bytes=9_000_000_000, ratio=50.0)
    bounds = [draw_front("m", rows(one), None, one).axes[0].get_xlim() for one in (near, far)]
    assert bounds[0] == bounds[1]


def test_names_stay_inside_the_axes():
    judged = rows(Limits())
    (axes,) = draw_front("m", judged, None, Limits()).axes
    for text in axes.texts:
        box = text.get_window_extent()
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1


def test_one_point_alone_can_be_drawn():
    (row,) = judge([Row(planned("q4", 1), "measured", measurement(), 1.1)], Limits())
    assert to_png(draw_front("m", [row], row, Limits())).startswith(b"\x89PNG")


def test_same_rows_give_the_same_bytes():
    pictures = [to_svg(draw_front("m", rows(Limits()), None, Limits()), "front") for _ in range(2)]
    assert pictures[0] == pictures[1]

"""Which rows are on the front, meet the limits, are recommended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.tuning.choice import Limits, Row, judge, recommend
from tests.unit.tuning.samples import measurement, planned


def row(size: int, ratio: float, *, decode: float | None = 1.0, kv: int | None = 4096) -> Row:
    found = measurement(size, 10.0 * ratio, decode_ratio=decode, kv_bytes=kv)
    return Row(planned("q4", size), "measured", found, ratio)


FAILED = Row(planned("q4", 5), "failed", reason="it does")
Rows = st.lists(
    st.one_of(st.builds(row, st.integers(1, 5), st.sampled_from((1.0, 1.1, 1.2))), st.just(FAILED)),
    max_size=8,
)
AnyLimits = st.builds(
    Limits,
    st.none() | st.integers(1, 5),
    st.none() | st.sampled_from((1.0, 1.1, 1.2)),
)


def test_a_row_that_is_larger_and_worse_is_not_on_the_front():
    marks = [one.on_front for one in judge([row(1, 1.2), row(2, 1.1), row(3, 1.15)], Limits())]
    assert marks == [True, True, False]


def test_with_speed_a_faster_row_is_on_the_front_though_it_is_larger_and_worse():
    rows = [row(1, 1.1), row(2, 1.2, decode=1.5)]
    assert [one.on_front for one in judge(rows, Limits())] == [True, False]
    assert [one.on_front for one in judge(rows, Limits(), with_speed=True)] == [True, True]


def test_a_smaller_kv_cache_counts_where_caches_differ():
    rows = [row(1, 1.1), row(1, 1.2, kv=1024)]
    assert [one.on_front for one in judge(rows, Limits())] == [True, True]
    assert [one.on_front for one in judge([row(1, 1.1), row(1, 1.2)], Limits())] == [True, False]


def test_smallest_within_the_ratio_or_best_within_the_size():
    rows = [row(1, 1.3), row(2, 1.1), row(3, 1.0)]

    def size(limits: Limits) -> int | None:
        found = recommend(judge(rows, limits), limits)
        return None if found is None else found.size_bytes

    assert size(Limits(ratio=1.2)) == 2
    assert size(Limits(size_bytes=2)) == 2
    assert size(Limits(size_bytes=3, ratio=1.35)) == 1
    assert size(Limits()) == 3
    assert size(Limits(size_bytes=1, ratio=1.2)) is None


@given(Rows, AnyLimits)
def test_recommended_row_meets_the_limits_and_is_on_the_front_of_those(rows, limits):
    judged = judge(rows, limits)
    found = recommend(judged, limits)
    meeting = [one for one in judged if one.meets]
    assert (found is None) == (not meeting)
    if found is not None:
        assert found in meeting
        assert found.on_front
        first = min(one.size_bytes for one in meeting)
        assert limits.ratio is None or found.size_bytes == first


@given(Rows, AnyLimits)
def test_nothing_that_was_not_measured_is_on_the_front_or_meets_a_limit(rows, limits):
    assert not any(one.on_front or one.meets for one in judge(rows, limits) if not one.measured)

"""The front against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.tuning.pareto import dominates, front

# Few values, so that there are ties and equal points.
Points = st.integers(1, 3).flatmap(
    lambda costs: st.lists(
        st.tuples(*[st.integers(0, 4).map(float) for _ in range(costs)]), max_size=12
    )
)


@given(Points)
def test_front_is_every_point_that_none_beats(points: list[tuple[float, ...]]):
    def beaten(point: tuple[float, ...]) -> bool:
        return any(
            other != point and all(a <= b for a, b in zip(other, point, strict=True))
            for other in points
        )

    assert set(front(points)) == {at for at, point in enumerate(points) if not beaten(point)}


@given(Points)
def test_whatever_is_not_on_the_front_is_beaten_by_something_on_it(
    points: list[tuple[float, ...]],
):
    kept = front(points)
    for at, point in enumerate(points):
        assert at in kept or any(dominates(points[other], point) for other in kept)


@given(Points)
def test_front_goes_up_in_the_first_cost(points: list[tuple[float, ...]]):
    firsts = [points[at][0] for at in front(points)]
    assert firsts == sorted(firsts)


@given(Points)
def test_no_point_beats_itself_and_no_two_beat_each_other(points: list[tuple[float, ...]]):
    assert not any(dominates(point, point) for point in points)
    assert not any(dominates(a, b) and dominates(b, a) for a in points for b in points)

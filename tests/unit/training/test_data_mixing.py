"""Mixtures keep their proportions, draw each part in its order, and go on from any example."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataError, DataLossError, UsageError
from sdk_builder.training.data import (
    Data,
    Ending,
    Example,
    Mixture,
    Part,
    Position,
    Records,
    Shuffled,
    position_after,
)
from tests.unit.training.data_makers import QUICK, Listed

WEIGHTS = st.lists(st.integers(1, 5), min_size=1, max_size=4)
ENDINGS = st.sampled_from(("stop", "go-on", "repeat"))


def part_of(name: str, count: int, weight: float = 1, *, turning: bool = False) -> Part:
    rows = [{"text": f"{name}{number}"} for number in range(count)]
    return Part(Records(Listed(rows, name, turning), "pretrain"), weight)


def mixture(
    weights: list[int], counts: list[int], seed: int = 1, ending: Ending = "stop"
) -> Mixture:
    parts = [
        part_of("abcd"[at], count, weight)
        for at, (weight, count) in enumerate(zip(weights, counts, strict=False))
    ]
    return Mixture(parts, seed=seed, ending=ending)


def texts(data: Data, count: int | None = None, start: Position | None = None) -> list[str]:
    found = data.examples(start) if start else data.examples()
    return [said(example) for example in islice(found, count)]


def said(example: Example) -> str:
    return example.record.parts[0][1]


def test_examples_come_in_proportion_to_their_weights() -> None:
    drawn = Counter(text[0] for text in texts(mixture([1, 2, 5], [9000] * 3, seed=7), 8000))
    # Five standard deviations of a binomial count, at most sqrt(8000) / 2 each.
    assert drawn["a"] == pytest.approx(1000, abs=224)
    assert drawn["b"] == pytest.approx(2000, abs=224)
    assert drawn["c"] == pytest.approx(5000, abs=224)


@QUICK
@given(WEIGHTS, st.integers(0, 5), ENDINGS)
def test_each_part_comes_in_its_own_order(weights: list[int], seed: int, ending: Ending) -> None:
    mixed = texts(mixture(weights, [15] * 4, seed, ending), 12)
    for name in "abcd"[: len(weights)]:
        mine = [text for text in mixed if text[0] == name]
        assert mine == [f"{name}{number}" for number in range(len(mine))]


def test_seeds_have_orders_of_their_own_and_weights_may_be_scaled() -> None:
    one, other = ([50] * 2, 1), ([50] * 2, 2)
    assert texts(mixture([1, 1], *one)) == texts(mixture([3, 3], *one))
    assert texts(mixture([1, 1], *one)) != texts(mixture([1, 1], *other))


def test_a_mixture_stops_with_the_first_part_that_ends() -> None:
    mixed = texts(mixture([1, 1], [3, 1000]))
    assert [text for text in mixed if text[0] == "a"] == ["a0", "a1", "a2"]
    assert 3 <= len(mixed) < 100


def test_a_mixture_may_go_on_with_the_other_parts() -> None:
    mixed = texts(mixture([5, 1, 1], [2, 4, 6], ending="go-on"))
    assert Counter(text[0] for text in mixed) == {"a": 2, "b": 4, "c": 6}


def test_a_part_may_be_read_again_in_its_next_order() -> None:
    mixed = Mixture([part_of("a", 3, turning=True)], seed=1, ending="repeat")
    # The source turns by one row an epoch.
    assert texts(mixed, 9) == ["a0", "a1", "a2", "a1", "a2", "a0", "a2", "a0", "a1"]


def test_each_epoch_is_shuffled_anew() -> None:
    source = Listed([{"text": f"a{number}"} for number in range(30)])
    data = Records(Shuffled(source, seed=1), "pretrain")
    mixed = texts(Mixture([Part(data)], seed=1, ending="repeat"), 60)
    assert sorted(mixed[:30]) == sorted(mixed[30:])
    assert mixed[:30] != mixed[30:]


def test_a_part_without_usable_rows_ends_no_loop() -> None:
    bad = Part(Records(Listed([{"text": ""}]), "pretrain"))
    with pytest.raises(DataLossError):
        texts(Mixture([bad], seed=1, ending="repeat"), 1)


@QUICK
@given(WEIGHTS, st.lists(st.integers(1, 9), min_size=4, max_size=4), ENDINGS, st.integers(0, 60))
def test_a_mixture_goes_on_behind_any_example(
    weights: list[int], counts: list[int], ending: Ending, drawn: int
) -> None:
    data = mixture(weights, counts, ending=ending)
    whole = texts(data, 60)
    drawn = min(drawn, len(whole))
    saved = json.dumps(position_after(data, drawn).as_dict())
    position = Position.from_dict(json.loads(saved))
    assert texts(data, 60 - drawn, position) == whole[drawn:]


def test_a_part_that_has_ended_stays_out_after_resuming() -> None:
    """Else the others' shares of the draws would be other ones."""
    data = mixture([1, 2, 3], [1, 30, 30], ending="go-on")
    whole = texts(data)
    for drawn in range(len(whole)):
        assert texts(data, start=position_after(data, drawn)) == whole[drawn:]


@QUICK
@given(st.integers(0, 30), ENDINGS)
def test_a_mixture_of_mixtures_goes_on_too(drawn: int, ending: Ending) -> None:
    inner = mixture([1, 2], [4, 5], seed=3)
    data = Mixture([Part(inner, 2), part_of("c", 9)], seed=5, ending=ending)
    whole = texts(data, 40)
    drawn = min(drawn, len(whole))
    assert texts(data, 40 - drawn, position_after(data, drawn)) == whole[drawn:]


def test_what_has_been_read_is_passed_over_on_resuming() -> None:
    data = mixture([1, 1], [100, 100])
    start = position_after(data, 50)
    resumed = data.examples(start)
    next(resumed)
    assert sum(report.read for report in resumed.reports) == 1
    assert [report.source for report in resumed.reports] == ["a", "b"]


def test_a_position_of_another_mixture_is_refused() -> None:
    start = position_after(mixture([1, 1], [9, 9]), 3)
    with pytest.raises(DataError, match="2 parts does not fit one of 3"):
        mixture([1, 1, 1], [9, 9, 9]).examples(start)


@pytest.mark.parametrize("weights", [[], [0], [1, -1], [float("inf")], [float("nan")]])
def test_weights_that_make_no_sense_are_refused(weights: list[Any]) -> None:
    with pytest.raises(UsageError):
        mixture(weights, [1] * len(weights))


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(UsageError, match="Use stop, go-on or repeat"):
        Mixture([part_of("a", 1)], seed=1, ending="loop")  # type: ignore[arg-type]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.cli.output import human_bytes, human_count, table


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (72_700_000, "72.7 MB"),
        (999_949_999, "999.9 MB"),
        (1_240_000_000, "1.24 GB"),
        (5_000_000_000_000, "5000.00 GB"),
    ],
)
def test_bytes_for_people(size: int, text: str):
    assert human_bytes(size) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (12_345, "12,345"), (134_515_008, "134.5 M"), (1_240_000_000, "1.24 B")],
)
def test_counts_for_people(count: int, text: str):
    assert human_count(count) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_bytes_for_people_are_within_rounding_of_the_size(size: int):
    number, unit = human_bytes(size).split()
    factor = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}[unit]
    assert abs(float(number) * factor - size) <= factor * 0.051


def test_table_aligns_columns_and_leaves_no_trailing_space():
    text = table([["a", "1"], ["bcd", "22"], ["e", ""]], header=["x", "n"], right="lr")
    assert text.splitlines() == ["  x     n", "  a     1", "  bcd  22", "  e"]

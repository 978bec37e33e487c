"""The table that says which bytes are which parameter."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import BundleError
from sdk_builder.lowering.index import Piece, decode, encode, to_rows, to_runs

positions = st.integers(0, 10_000)
pieces = st.builds(
    Piece,
    rows=st.none() | st.lists(st.tuples(positions, st.integers(1, 99)), min_size=1).map(tuple),
    kind=st.sampled_from(["fp32", "int8", "int4"]),
    shape=st.lists(st.integers(1, 9999), min_size=1, max_size=2).map(tuple),
    data=positions,
    scale=st.none() | st.integers(1, 10_000),
    group_size=st.sampled_from([0, 32, 64]),
    offset=st.none() | st.integers(1, 10_000),
    step=st.none() | st.integers(1, 10_000),
)


@given(st.lists(st.integers(0, 200)))
def test_rows_survive_as_runs(rows: list[int]):
    runs = to_runs(rows)
    assert runs is not None
    assert to_rows(runs) == rows
    assert all(count > 0 for _, count in runs)


def test_neighbours_are_one_run():
    assert to_runs([4, 5, 6, 0, 1]) == ((4, 3), (0, 2))
    assert to_runs(None) is None


@given(st.dictionaries(st.text(min_size=1), st.lists(pieces, min_size=1).map(tuple), max_size=5))
def test_an_index_survives_encoding(index: dict[str, tuple[Piece, ...]]):
    data = encode(index)
    assert decode(data) == index
    assert encode(index) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        zlib.compress(b"no json"),
        zlib.compress(b"[]"),
        zlib.compress(b'{"version": 2, "tensors": {}}'),
        zlib.compress(b'{"version": 1, "tensors": {"a": [{"kind": "fp32"}]}}'),
        zlib.compress(b'{"version": 1, "tensors": {"a": [{"shape": [1], "odd": 1}]}}'),
    ],
)
def test_what_is_no_index_is_refused_in_one_line(data: bytes):
    with pytest.raises(BundleError, match="weight index"):
        decode(data)

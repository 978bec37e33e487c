"""Side-by-side results: pairs into ratios, targets, and the file."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.result_sets import result_files
from sdk_builder.benchmark.side_by_side import (
    Better,
    Comparison,
    SideBySide,
    is_side_by_side,
    paired,
    read,
    write,
)
from sdk_builder.errors import InputError, OutputError

POSITIVE = st.floats(1e-3, 1e6)


def comparison(**fields: Any) -> Comparison:
    known: dict[str, Any] = {
        "measure": "decode", "title": "decode", "model": "tiny", "unit": "tokens/s", "ours": 12.0,
        "peer": 10.0, "peer_name": "llama.cpp", "ratio": 1.2, "low": 1.1, "high": 1.3,
        "repetitions": 12, "better": "higher", "conditions": {"threads": "2"},
    }  # fmt: skip
    return Comparison(**{**known, **fields})


def result(*comparisons: Comparison) -> SideBySide:
    return SideBySide(
        script="artifact_vs_peers.py",
        started_at="2026-11-26T10:00:00Z",
        duration_s=61.5,
        machine="a processor, 2 cores",
        versions={"llama.cpp": "1"},
        comparisons=comparisons or (comparison(),),
    )


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=20))
def test_ratio_is_the_median_of_the_pairs_within_its_quartiles(pairs):
    found = paired("decode", pairs, better="higher", title="", model="", unit="", peer_name="peer")
    ratios = [ours / peer for ours, peer in pairs]
    assert found.ratio == statistics.median(ratios)
    assert min(ratios) <= found.low <= found.ratio <= found.high <= max(ratios)
    assert found.repetitions == len(pairs)


@pytest.mark.parametrize(
    ("better", "ratio", "verdict"),
    [
        ("higher", 1.15, "aim met"),
        ("higher", 1.0, "floor met"),
        ("higher", 0.99, "floor missed"),
        ("lower", 0.97, "aim met"),
        ("lower", 1.02, "floor met"),
        ("lower", 1.03, "floor missed"),
    ],
)
def test_verdict_takes_the_good_direction_and_counts_the_limit_in(
    better: Better, ratio: float, verdict: str
):
    floor, aim = (1.0, 1.15) if better == "higher" else (1.02, 0.97)
    assert comparison(better=better, ratio=ratio, floor=floor, aim=aim).verdict == verdict


def test_without_targets_there_is_no_verdict():
    assert comparison().verdict == "no target"


@pytest.mark.parametrize(
    "limits",
    [{"aim": 1.1}, {"floor": 1.2, "aim": 1.1}, {"better": "lower", "floor": 1.0, "aim": 1.1}],
    ids=["no floor", "below the floor", "above the floor where less is better"],
)
def test_aim_without_an_easier_floor_is_refused(limits):
    with pytest.raises(ValueError, match="easier"):
        comparison(**limits)


@given(st.floats(0.01, 100.0))
def test_advantage_is_above_one_exactly_where_we_are_better(ratio):
    assert (comparison(better="higher").advantage(ratio) > 1) == (ratio > 1)
    assert (comparison(better="lower").advantage(ratio) > 1) == (1 / ratio > 1)


# --- the file ---------------------------------------------------------------------------


def test_what_was_written_is_read(tmp_path):
    path, value = (
        tmp_path / "new" / "a.json",
        result(comparison(floor=1.0), comparison(floor=1.0, aim=2.0)),
    )
    write(path, value)
    assert read(path) == value
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "shakti-side-by-side/9"},
        {"comparisons": [{"measure": "decode"}]},
        {"strange": 1},
        {"duration_s": "long"},
    ],
    ids=["other version", "fields missing", "unknown field", "wrong type"],
)
def test_damaged_file_is_refused_by_name(tmp_path, change):
    path = tmp_path / "a.json"
    write(path, result())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=r"a\.json"):
        read(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_happens(data):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.json"):
            read(path)
        assert not is_side_by_side(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json"):
        read(tmp_path / "none.json")


def test_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write(tmp_path / "file" / "a.json", result())


def test_folder_gives_its_side_by_side_results_and_no_other_json(tmp_path):
    write(tmp_path / "a.json", result())
    (tmp_path / "summary.json").write_text('{"schema_version": 1}')
    (tmp_path / "b.jsonl").write_text("{}\n")
    names = [path.name for path in result_files([tmp_path], side_by_side=True)]
    assert names == ["b.jsonl", "a.json"]
    assert [path.name for path in result_files([tmp_path])] == ["b.jsonl"]

"""A pass counts what it reads, keeps and drops, and refuses data that is mostly unusable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataError, DataLossError, UsageError
from sdk_builder.training.data import (
    START,
    DataReport,
    Duplicates,
    Origin,
    Position,
    Reason,
    Records,
    open_source,
    position_after,
)
from tests.unit.training.data_makers import QUICK, Listed, texts

GOOD, EMPTY, MISSING = {"text": "a"}, {"text": ""}, {"id": 1}
ROWS = st.lists(st.sampled_from((GOOD, EMPTY, MISSING)), min_size=1, max_size=30)


def report(*rows: dict[str, Any], max_dropped: float = 1) -> DataReport:
    return Records(Listed([GOOD, *rows]), "pretrain", max_dropped=max_dropped).report()


@QUICK
@given(ROWS)
def test_each_row_is_kept_or_dropped_for_one_reason(rows: list[dict[str, Any]]) -> None:
    found = report(*rows)
    expected = {Reason.EMPTY_TEXT: rows.count(EMPTY), Reason.MISSING_FIELD: rows.count(MISSING)}
    assert found.dropped == {reason: count for reason, count in expected.items() if count}
    assert (found.read, found.kept) == (len(rows) + 1, rows.count(GOOD) + 1)
    assert found.dropped_share == pytest.approx(1 - found.kept / found.read)


def test_the_first_rows_of_a_reason_are_shown_with_their_place() -> None:
    found = report(EMPTY, GOOD, EMPTY, EMPTY, MISSING, EMPTY)
    empty = found.examples[Reason.EMPTY_TEXT]
    assert [one.origin for one in empty] == [Origin("listed", row) for row in (2, 4, 5)]
    assert str(found.examples[Reason.MISSING_FIELD][0]) == "listed:6: no text; there are id"


def test_a_report_is_a_line_for_people_and_plain_data_for_json() -> None:
    found = report(MISSING, EMPTY, MISSING)
    assert found.summary() == "listed: 1 of 4 rows kept (2 missing field, 1 empty text)"
    assert report().summary() == "listed: 1 of 1 rows kept"
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["dropped"] == {"missing field": 2, "empty text": 1}
    assert plain["examples"]["empty text"] == ["listed:3: text says nothing"]


def test_broken_lines_and_bad_rows_are_counted_alike(tmp_path: Any) -> None:
    lines = [b'{"text": "a"}', b"{", b'{"text": "\xff"}', b"[]", b"", b'{"text": " "}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    found = Records(open_source(str(tmp_path / "a.jsonl")), "pretrain", max_dropped=1).report()
    assert found.dropped == {
        Reason.BROKEN_JSON: 1,
        Reason.NOT_UTF8: 1,
        Reason.WRONG_TYPE: 1,
        Reason.EMPTY_TEXT: 1,
    }
    assert found.examples[Reason.EMPTY_TEXT][0].origin.row == 6


def test_half_of_the_rows_may_be_dropped_and_no_more() -> None:
    assert report(EMPTY, max_dropped=0.5).kept == 1
    with pytest.raises(DataLossError, match=r"Only 1 of 3 rows of listed.*2 are dropped: empty"):
        report(EMPTY, EMPTY, max_dropped=0.5)


def test_a_source_without_a_usable_row_is_an_error() -> None:
    with pytest.raises(DataLossError, match="has no rows"):
        Records(Listed([]), "pretrain").report()
    with pytest.raises(DataLossError, match="Only 0 of 1 rows"):
        Records(Listed([EMPTY]), "pretrain", max_dropped=1).report()


def test_a_thousand_useless_rows_at_the_start_are_enough() -> None:
    rows = [EMPTY] * 5000 + [GOOD] * 50_000
    found = Records(Listed(rows), "pretrain").examples()
    with pytest.raises(DataLossError, match="Only 0 of 1000 rows"):
        next(found)
    assert report(*rows[:999], max_dropped=1).kept == 1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(UsageError):
        Records(texts(1), "pretrain", max_dropped=share)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(UsageError, match="No stage is called 'sftt'"):
        Records(texts(1), "sftt")  # type: ignore[arg-type]


# --- positions ------------------------------------------------------------------------------


@QUICK
@given(ROWS, st.booleans(), st.integers(0, 31))
def test_a_pass_goes_on_behind_any_position(
    rows: list[dict[str, Any]], looking: bool, drawn: int
) -> None:
    numbered = [
        {**row, **({"text": f"a {at // 2}"} if row == GOOD else {})} for at, row in enumerate(rows)
    ]
    data = Records(
        Listed([{"text": "first"}, *numbered]),
        "pretrain",
        duplicates=Duplicates() if looking else None,
        max_dropped=1,
    )
    whole = list(data.examples())
    drawn = min(drawn, len(whole))
    position = Position.from_dict(json.loads(json.dumps(position_after(data, drawn).as_dict())))
    assert list(data.examples(position)) == whole[drawn:]
    assert list(data.examples(position)) == whole[drawn:], "however often it is started"


def test_a_resumed_pass_passes_over_rows_instead_of_reading_them() -> None:
    data = Records(texts(*range(10)), "pretrain")
    resumed = data.examples(position_after(data, 7))
    list(resumed)
    assert resumed.reports[0].read == 3


def test_a_pass_that_has_ended_stays_ended() -> None:
    data = Records(texts(1, 2), "pretrain")
    done = data.examples()
    assert len(list(done)) == 2
    assert done.position == Position(drawn=2, rows=2, ended=True)
    assert list(data.examples(done.position)) == []


def test_only_a_whole_pass_is_judged() -> None:
    """Three empty rows at the end of good ones are no reason to stop."""
    data = Records(Listed([GOOD] * 5 + [EMPTY] * 3), "pretrain")
    assert list(data.examples(position_after(data, 5))) == []


def test_a_position_that_is_none_is_refused() -> None:
    assert Position.from_dict(START.as_dict()) == START
    for given_ in ({}, {**START.as_dict(), "rows": "x"}, {**START.as_dict(), "parts": [3]}):
        with pytest.raises(DataError, match="no position"):
            Position.from_dict(given_)


def test_a_position_behind_the_end_is_told() -> None:
    with pytest.raises(DataError, match="only 2 examples, not 3"):
        position_after(Records(texts(1, 2), "pretrain"), 3)

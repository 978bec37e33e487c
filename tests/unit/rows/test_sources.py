"""Shards give the same rows in the same order, from any row on, and say what is broken."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import (
    DataError,
    MissingPackageError,
    NetworkError,
    ShaktiError,
    ShardError,
    UsageError,
)
from sdk_builder.training.data import (
    Files,
    Hub,
    HubName,
    Origin,
    Reason,
    Records,
    Shuffled,
    Source,
    open_source,
)
from tests.unit.training.data_makers import QUICK, TEXTS, Listed, folder, jsonl, texts, write

KINDS = ("a.jsonl", "a.jsonl.gz", "a.txt", "a.parquet", "a.csv", "a.tsv")
ROWS = [{"text": f"text {number}"} for number in range(10)]


def fields(source: Source, skip: int = 0, epoch: int = 0) -> list[Any]:
    return [row.reason or row.fields["text"] for row in source.rows(skip, epoch)]


def maybe_pyarrow(name: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")


# --- kinds of files -------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_file_gives_its_rows_in_order(name: str, tmp_path: Path) -> None:
    maybe_pyarrow(name)
    source = open_source(str(write(tmp_path / name, ROWS)))
    assert fields(source) == [row["text"] for row in ROWS]
    assert fields(source) == fields(source)


@pytest.mark.parametrize("name", KINDS)
def test_rows_know_their_place(name: str, tmp_path: Path) -> None:
    maybe_pyarrow(name)
    path = write(tmp_path / name, ROWS)
    third = next(islice(open_source(str(path)).rows(), 2, None))
    # A text's paragraphs are told by their first line: 1, 3, 5 …; a table has a line of names.
    assert third.origin == Origin(str(path), {"a.txt": 5, "a.csv": 4, "a.tsv": 4}.get(name, 3))


def test_a_paragraph_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"\xef\xbb\xbf\r\n  One\r\ntwo.\r\n\r\n \n\nThree.")
    rows = list(open_source(str(path)).rows())
    assert [row.fields["text"] for row in rows] == ["  One\ntwo.", "Three."]
    assert [row.origin.row for row in rows] == [2, 7]


def test_a_table_has_fields_by_the_names_of_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf,one,two\r\n0,"a, ""b""\r\nc",\r\n\r\n1,d,e\r\n')
    first, second = open_source(str(path)).rows()
    assert first.fields == {"one": 'a, "b"\r\nc', "two": ""}  # the column without a name is gone
    assert (first.origin.row, second.origin.row) == (2, 5)
    assert second.fields == {"one": "d", "two": "e"}


def test_quotes_mean_nothing_in_a_table_with_tabs(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('post\tclass\n"he said\tx\n', encoding="utf-8")
    (row,) = open_source(str(path)).rows()
    assert row.fields == {"post": '"he said', "class": "x"}


def test_a_line_with_other_columns_is_one_row_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,n\na,1\nb\nc,3\n", encoding="utf-8")
    assert fields(open_source(str(path))) == ["a", Reason.MISSING_FIELD, "c"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'text\n"never closed\n', "unexpected end of data"),
        (b"text\na\n\xff\xfe\n", "not UTF-8"),
        (b"text\n" + b"a" * 200_000 + b"\n", "field larger than field limit"),
    ],
)
def test_a_damaged_table_is_one_line(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(ShardError, match=said) as caught:
        list(open_source(str(path)).rows())
    assert "\n" not in caught.value.message


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    separator = "\u2028"  # ends a line for str.splitlines, not in JSON Lines
    line = json.dumps({"text": f"one{separator}line"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + f'{line}\n\n\r\n{{"text": "b"}}'.encode())
    rows = list(open_source(str(path)).rows())
    assert [row.fields["text"] for row in rows] == [f"one{separator}line", "b"]
    assert [row.origin.row for row in rows] == [1, 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', Reason.BROKEN_JSON),
        (b"[" * 100_000, Reason.BROKEN_JSON),
        (b'{"n": ' + b"1" * 10_000 + b"}", Reason.BROKEN_JSON),
        (b'["a"]', Reason.WRONG_TYPE),
        (b"null", Reason.WRONG_TYPE),
        (b'{"text": "\xff"}', Reason.NOT_UTF8),
    ],
)
def test_a_broken_line_is_one_row_and_the_next_is_read(
    line: bytes, reason: Reason, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(line + b"\n" + jsonl(ROWS[:1]))
    assert fields(open_source(str(tmp_path / "a.jsonl"))) == [reason, "text 0"]


def test_a_parquet_text_that_is_not_utf8_is_one_row(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    column = pyarrow.array([b"one", b"\xff", b"three"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "a.parquet")
    assert fields(open_source(str(tmp_path / "a.parquet"))) == ["one", Reason.NOT_UTF8, "three"]


@QUICK
@given(st.lists(TEXTS, min_size=1), st.sampled_from(("a.jsonl", "a.jsonl.gz")))
def test_texts_come_back_as_they_are(written: list[str], name: str) -> None:
    with folder() as there:
        path = write(there / name, [{"text": text} for text in written])
        assert fields(open_source(str(path))) == written


# --- several shards -------------------------------------------------------------------------


def test_folders_and_globs_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", ROWS[2:4])
    write(tmp_path / "a/z.jsonl.gz", ROWS[:2])
    write(tmp_path / ".cache/x.jsonl", ROWS)
    (tmp_path / "README.md").write_text("not data")
    assert fields(open_source(str(tmp_path))) == ["text 0", "text 1", "text 2", "text 3"]
    assert fields(open_source(f"{tmp_path}/*.jsonl")) == ["text 2", "text 3"]
    assert fields(open_source(f"{tmp_path}/**/*.gz")) == ["text 0", "text 1"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path: Path) -> None:
    assert len(fields(open_source(str(write(tmp_path / "a[1].jsonl", ROWS))))) == 10


def _mixed(tmp_path: Path) -> str:
    write(tmp_path / "a.jsonl", ROWS)
    write(tmp_path / "licence.txt", ROWS)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (lambda there: f"{there}/none.jsonl", "no file or folder"),
        (lambda there: str(there), "holds no data"),
        (lambda there: __file__, "of no kind that we read"),
        (_mixed, "several kinds: .jsonl, .txt"),
    ],
)
def test_a_spec_that_names_no_data_is_refused_before_anything_is_read(
    spec: Callable[[Path], str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        open_source(spec(tmp_path))
    assert caught.value.hint


# --- passing over rows ----------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("skip", [0, 1, 3, 4, 9, 10, 11])
def test_skipping_drops_that_many_rows(name: str, skip: int, tmp_path: Path) -> None:
    maybe_pyarrow(name)
    for half, rows in (("1", ROWS[:4]), ("2", ROWS[4:])):
        write(tmp_path / f"{half}{name}", rows)
    source = open_source(str(tmp_path))
    assert list(source.rows(skip)) == list(source.rows())[skip:]


@QUICK
@given(
    st.lists(
        st.lists(st.sampled_from((b'{"text": "a"}', b"{", b"", b"3")), max_size=5), max_size=4
    ),
    st.integers(0, 25),
    st.one_of(st.none(), st.integers(1, 7)),
    st.booleans(),
)
def test_skipping_drops_that_many_rows_whatever_is_broken(
    shards: list[list[bytes]], skip: int, buffer: int | None, cut: bool
) -> None:
    with folder() as there:
        for at, lines in enumerate(shards):
            data = gzip.compress(b"\n".join(lines))
            (there / f"{at}.jsonl.gz").write_bytes(data[: -9 if cut and at % 2 else None])
        paths = tuple(sorted(there.iterdir()))
        source: Source = Files("shards", paths, on_bad_shard="skip")
        if buffer:
            source = Shuffled(source, seed=skip, buffer=buffer)
        assert list(source.rows(skip)) == list(source.rows())[skip:]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_rows_that_are_passed_over_are_not_decoded(name: str, tmp_path: Path) -> None:
    """What is broken there is not even seen."""
    maybe_pyarrow(name)
    path = write(tmp_path / name, ROWS)
    if name == "a.jsonl":
        broken = path.read_bytes().replace(b'"text 0"', b'"text \xff', 1)
    else:
        data = path.read_bytes()
        broken = data[:4] + bytes(36) + data[40:]  # the first group's page, behind the magic
    path.write_bytes(broken)
    source = open_source(str(path), on_bad_shard="skip")
    assert fields(source) != [row["text"] for row in ROWS]
    assert fields(source, 3) == [row["text"] for row in ROWS[3:]]


# --- broken shards --------------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-12])


def _scrambled(path: Path) -> None:
    path.write_bytes(b"\0" * 50)


def _gone(path: Path) -> None:
    path.unlink()


BROKEN = [
    ("2.jsonl.gz", _cut),
    ("2.jsonl.gz", _scrambled),
    ("2.jsonl", _gone),
    ("2.parquet", _cut),
    ("2.parquet", _scrambled),
]


def _three_shards(there: Path, name: str, damage: Callable[[Path], None]) -> tuple[Path, ...]:
    maybe_pyarrow(name)
    paths = (there / "1.jsonl", there / name, there / "3.jsonl")
    for path in paths:
        write(path, ROWS)
    damage(paths[1])
    return paths


@pytest.mark.parametrize(("name", "damage"), BROKEN)
def test_a_broken_shard_is_an_error_that_names_it(
    name: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    source = Files("shards", _three_shards(tmp_path, name, damage))
    with pytest.raises(ShardError) as caught:
        fields(source)
    assert str(tmp_path / name) in caught.value.message
    assert "\n" not in caught.value.message
    assert "on_bad_shard: skip" in caught.value.hint


@pytest.mark.parametrize(("name", "damage"), BROKEN)
def test_a_broken_shard_may_be_passed_over_and_is_counted(
    name: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    paths = _three_shards(tmp_path, name, damage)
    report = Records(Files("shards", paths, on_bad_shard="skip"), "pretrain").report()
    assert report.bad_shards == 1
    assert report.kept == report.read >= 20
    assert report.examples[Reason.BAD_SHARD][0].origin.file == str(tmp_path / name)


def test_a_cut_archive_gives_what_is_before_the_cut(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(jsonl(ROWS))[:-8])  # the checksum
    source = open_source(str(tmp_path / "a.jsonl.gz"), on_bad_shard="skip")
    assert fields(source) == [*(row["text"] for row in ROWS), Reason.BAD_SHARD]


# --- shuffling ------------------------------------------------------------------------------


@QUICK
@given(st.integers(0, 40), st.integers(1, 12), st.integers(0, 3), st.integers(0, 3))
def test_shuffling_loses_no_row_and_depends_on_seed_and_epoch_alone(
    count: int, buffer: int, seed: int, epoch: int
) -> None:
    rows = texts(*range(count))
    shuffled = fields(Shuffled(rows, seed, buffer), epoch=epoch)
    assert sorted(shuffled) == sorted(fields(rows))
    assert shuffled == fields(Shuffled(rows, seed, buffer), epoch=epoch)
    for start in range(0, count, buffer):  # rows stay within their buffer
        block = slice(start, start + buffer)
        assert sorted(shuffled[block]) == sorted(fields(rows)[block])


def test_seeds_and_epochs_have_orders_of_their_own(tmp_path: Path) -> None:
    for shard in range(5):
        write(tmp_path / f"{shard}.jsonl", [{"text": f"{shard}.{row}"} for row in range(20)])
    source = open_source(str(tmp_path))
    orders = [
        fields(Shuffled(source, seed, buffer=10), epoch=epoch)
        for seed in (1, 2)
        for epoch in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4
    firsts = {text[0] for order in orders for text in order[:10]}
    assert len(firsts) > 1, "shards are permuted too"


def test_what_the_first_row_is_does_not_depend_on_the_shuffle() -> None:
    rows = texts(*range(10))
    assert next(Shuffled(rows, 3).sample()) == next(rows.rows())


def test_a_buffer_holds_something() -> None:
    with pytest.raises(UsageError):
        Shuffled(texts(1), seed=1, buffer=0)


# --- the hub --------------------------------------------------------------------------------


@dataclass
class Stream:
    """What `datasets` gives: rows that can be skipped."""

    rows: list[dict[str, str]]
    start: int = 0

    def skip(self, count: int) -> Stream:
        return Stream(self.rows, self.start + count)

    def __iter__(self) -> Iterator[dict[str, str]]:
        return iter(self.rows[self.start :])


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("hub:a/b", HubName("a/b")),
        ("hub:a/b:test", HubName("a/b", split="test")),
        ("hub:a/b/c-1:test", HubName("a/b", "c-1", "test")),
        ("hub:a/b/c@v1.0", HubName("a/b", "c", revision="v1.0")),
        ("hub:A.x/b_2/c:train_sft@abc", HubName("A.x/b_2", "c", "train_sft", "abc")),
    ],
)
def test_a_hub_spec_names_data_configuration_split_and_revision(spec: str, name: HubName) -> None:
    source = open_source(spec)
    assert isinstance(source, Hub)
    assert source.hub == name
    assert open_source(str(name)) == source == pickle.loads(pickle.dumps(source))


@pytest.mark.parametrize("spec", ["hub:", "hub:a", "hub:a/b:", "hub:/b", "hub:a/b:c:d"])
def test_other_hub_specs_are_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="names no data set of the hub"):
        open_source(spec)


def test_hub_rows_are_streamed_and_know_their_number() -> None:
    hub = Hub(HubName("a/b"), load=lambda name: Stream(ROWS))
    assert fields(hub) == [row["text"] for row in ROWS]
    assert list(hub.rows(4)) == list(hub.rows())[4:]
    assert next(hub.rows(4)).origin == Origin("hub:a/b:train", 5)


def test_streams_of_the_real_package_are_read_the_same() -> None:
    datasets = pytest.importorskip("datasets")
    hub = Hub(
        HubName("a/b"), load=lambda name: datasets.Dataset.from_list(ROWS).to_iterable_dataset()
    )
    assert fields(hub) == [row["text"] for row in ROWS]
    assert fields(hub, 7) == [row["text"] for row in ROWS[7:]]


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(ConnectionError("no route"), NetworkError), (ValueError("bad\nfile"), DataError)],
)
def test_a_stream_that_breaks_off_is_an_error_of_its_cause(
    cause: Exception, expected: type[ShaktiError]
) -> None:
    def rows(name: HubName) -> Iterator[dict[str, str]]:
        yield ROWS[0]
        raise cause

    with pytest.raises(expected, match="hub:a/b:train") as caught:
        fields(Hub(HubName("a/b"), load=rows))
    assert "\n" not in caught.value.message
    assert caught.value.__cause__ is cause


def test_a_missing_package_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingPackageError, match="datasets") as caught:
        fields(open_source("hub:a/b"))
    assert "pip install 'shakti-sdk[train]'" in caught.value.hint


def test_a_source_of_our_own_is_a_source_too() -> None:
    assert Records(Listed(ROWS), "pretrain").report().kept == 10

"""One file of rows, read lazily, in blocks that can be passed over without decoding them.

`.jsonl` and `.jsonl.gz`: an object a line; blank lines are no rows. `.parquet`: a row is a row.
`.csv` and `.tsv`: the first line has the names of the fields; all are texts, and a column without
a name is left out.
`.txt`: each paragraph (lines between blank ones) is a row with the field `text`, so that a file of
any size takes little memory; write texts of several paragraphs into JSONL.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sdk_builder.errors import ShardError
from sdk_builder.rows.needs import package
from sdk_builder.rows.row import Origin, Reason, Row

_BOM = b"\xef\xbb\xbf"
_BATCH = 256  # parquet rows decoded at once


@dataclass(frozen=True)
class Block:
    """`size` rows; `read` decodes them."""

    size: int
    read: Callable[[], Iterator[Row]]


def blocks(path: Path) -> Iterator[Block]:
    """All rows of a file in order. Raises ShardError, at once or on the way."""
    yield from _READERS[kind(path) or ""](path)


def kind(path: Path) -> str | None:
    """Which of `KINDS` a file's name ends with."""
    return next((one for one in KINDS if path.name.lower().endswith(one)), None)


def _jsonl(path: Path) -> Iterator[Block]:
    with _bytes_of(path) as file:
        for number, line in enumerate(_without_bom(file), 1):
            if line.strip():
                yield _one(Origin(str(path), number), line, _object)


def _txt(path: Path) -> Iterator[Block]:
    with _bytes_of(path) as file:
        start, lines = 0, list[bytes]()
        for number, line in enumerate(_without_bom(file), 1):
            if line.strip():
                start = start if lines else number
                lines.append(line)
            elif lines:
                yield _one(Origin(str(path), start), b"".join(lines), _paragraph)
                lines = []
        if lines:
            yield _one(Origin(str(path), start), b"".join(lines), _paragraph)


def _csv(path: Path) -> Iterator[Block]:
    yield from _table(path, ",", '"')


def _tsv(path: Path) -> Iterator[Block]:
    yield from _table(path, "\t", None)


def _table(path: Path, delimiter: str, quote: str | None) -> Iterator[Block]:
    """A row may stand on several lines, so it is decoded on the way."""
    quoting: Any = csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL
    with _bytes_of(path) as file:
        lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = csv.reader(lines, delimiter=delimiter, quotechar=quote, quoting=quoting, strict=True)
        try:
            names = next(rows, [])
            start = rows.line_num + 1
            for values in rows:
                if values:
                    yield _ready(_table_row(Origin(str(path), start), names, values))
                start = rows.line_num + 1
        except csv.Error as error:
            raise ValueError(f"line {rows.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not UTF-8 behind line {rows.line_num}") from error


def _table_row(origin: Origin, names: list[str], values: list[str]) -> Row:
    if len(values) != len(names):
        said = f"{len(values)} values, the first line names {len(names)}"
        return Row(origin, {}, Reason.MISSING_FIELD, said)
    return Row(origin, {name: value for name, value in zip(names, values, strict=True) if name})


def _ready(row: Row) -> Block:
    return Block(1, lambda: iter((row,)))


def _parquet(path: Path) -> Iterator[Block]:
    parquet = package("pyarrow.parquet", "Reading .parquet")
    with _shard_errors(path), parquet.ParquetFile(path) as file:
        first = 1
        for group in range(file.metadata.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            yield Block(size, _group_reader(path, file, group, first))
            first += size


_READERS = {
    ".jsonl": _jsonl,
    ".jsonl.gz": _jsonl,
    ".parquet": _parquet,
    ".txt": _txt,
    ".csv": _csv,
    ".tsv": _tsv,
}
KINDS = tuple(_READERS)


@contextmanager
def _bytes_of(path: Path) -> Iterator[IO[bytes]]:
    opened: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with _shard_errors(path), opened(path, "rb") as file:
        yield file


@contextmanager
def _shard_errors(path: Path) -> Iterator[None]:
    """pyarrow's own errors are OSError or ValueError."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ShardError(
            f"{path} cannot be read: {said.splitlines()[0].rstrip('.')}.",
            "Fetch it again, leave it out, or pass over bad files (on_bad_shard: skip).",
        ) from error


def _without_bom(file: IO[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(file):
        yield line.removeprefix(_BOM) if number == 0 else line


def _one(origin: Origin, data: bytes, decode: Callable[[Origin, str], Row]) -> Block:
    def read() -> Iterator[Row]:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            yield Row(origin, {}, Reason.NOT_UTF8, f"byte {error.start + 1}: {error.reason}")
        else:
            yield decode(origin, text)

    return Block(1, read)


def _object(origin: Origin, line: str) -> Row:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:  # the latter: nested thousands deep
        return Row(origin, {}, Reason.BROKEN_JSON, str(error))
    if not isinstance(found, dict):
        return Row(origin, {}, Reason.WRONG_TYPE, f"{_json_type(found)}, not an object")
    return Row(origin, found)


def _paragraph(origin: Origin, text: str) -> Row:
    return Row(origin, {"text": text.replace("\r\n", "\n").strip("\n")})


def _json_type(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _group_reader(path: Path, file: Any, group: int, first: int) -> Callable[[], Iterator[Row]]:
    def read() -> Iterator[Row]:
        number = first
        with _shard_errors(path):
            for batch in file.iter_batches(batch_size=_BATCH, row_groups=[group]):
                yield from _batch_rows(batch, str(path), number)
                number += batch.num_rows

    return read


def _batch_rows(batch: Any, file: str, first: int) -> Iterator[Row]:
    try:
        decoded = batch.to_pylist()
    except UnicodeDecodeError:  # of some row; which one is seen one by one
        for at in range(batch.num_rows):
            yield _parquet_row(batch.slice(at, 1), Origin(file, first + at))
    else:
        for at, fields in enumerate(decoded):
            yield Row(Origin(file, first + at), fields)


def _parquet_row(single: Any, origin: Origin) -> Row:
    try:
        return Row(origin, single.to_pylist()[0])
    except UnicodeDecodeError as error:
        return Row(origin, {}, Reason.NOT_UTF8, f"byte {error.start + 1}: {error.reason}")

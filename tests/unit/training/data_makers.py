"""Records of each stage, files of rows, and a source that is a list."""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from sdk_builder.training.data import (
    Conversation,
    Document,
    Message,
    Origin,
    Preference,
    Prompt,
    Row,
)

# The machine that runs this may be busy.
QUICK = settings(deadline=None, max_examples=50)

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=30,  # no half surrogates
).filter(str.strip)
SYSTEMS = st.one_of(st.just(()), TEXTS.map(lambda text: (Message("system", text),)))


@st.composite
def turns(draw: st.DrawFn, *, answered: bool) -> tuple[Message, ...]:
    """User and assistant in turn, maybe a system turn first."""
    said = draw(st.lists(TEXTS, min_size=2, max_size=6))
    if (len(said) % 2 == 0) != answered:
        said = said[:-1] if len(said) > 1 else [*said, *said]
    spoken = (Message("assistant" if at % 2 else "user", text) for at, text in enumerate(said))
    return (*draw(SYSTEMS), *spoken)


DOCUMENTS = TEXTS.map(Document)
CONVERSATIONS = turns(answered=True).map(Conversation)
PREFERENCES = (
    st.tuples(turns(answered=False), TEXTS, TEXTS)
    .filter(lambda one: one[1] != one[2])
    .map(lambda one: Preference(*one))
)
PROMPTS = st.builds(
    Prompt,
    turns(answered=False),
    st.dictionaries(st.sampled_from(("answer", "level", "tests")), st.integers() | TEXTS),
)


@dataclass(frozen=True)
class Listed:
    """A source of rows in memory; another epoch has another order if `turning`."""

    fields: Sequence[Mapping[str, Any]]
    name: str = "listed"
    turning: bool = False

    def rows(self, skip: int = 0, epoch: int = 0) -> Iterator[Row]:
        numbered = [Row(Origin(self.name, at), one) for at, one in enumerate(self.fields, 1)]
        first = epoch % len(numbered) if self.turning and numbered else 0
        yield from (numbered[first:] + numbered[:first])[skip:]

    def sample(self) -> Iterator[Row]:
        return self.rows()


def texts(*numbers: int) -> Listed:
    return Listed([{"text": f"text {number}"} for number in numbers])


def jsonl(rows: Iterable[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path: Path, rows: Sequence[Mapping[str, Any]], group: int = 3) -> Path:
    """A shard of the kind that the path's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(jsonl(rows)))
    elif path.suffix == ".jsonl":
        path.write_bytes(jsonl(rows))
    elif path.suffix == ".txt":
        path.write_text("\n\n".join(row["text"] for row in rows) + "\n", encoding="utf-8")
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
            table.writerows([["text"], *([row["text"]] for row in rows)])
    else:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        table = pyarrow.Table.from_pylist(list(rows), pyarrow.schema([("text", pyarrow.string())]))
        parquet.write_table(table, path, row_group_size=group)
    return path


@contextmanager
def folder() -> Iterator[Path]:
    """For property tests, of which each example needs its own."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)

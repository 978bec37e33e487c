"""Where rows come from: files, folders and globs of shards, and data sets of the Hugging Face hub.

A source gives the same rows in the same order each time; `skip` passes over rows without decoding
them where the format allows. Nothing is read, and no package is imported, before rows are.
"""

from __future__ import annotations

import glob
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, get_args

from sdk_builder.errors import DataError, ShardError, UsageError
from sdk_builder.rows.hub import HUB, Hub, parse_hub
from sdk_builder.rows.row import Origin, Reason, Row
from sdk_builder.rows.shards import KINDS, blocks, kind

OnBadShard: TypeAlias = Literal["error", "skip"]


class Source(Protocol):
    """Rows in a stable order."""

    @property
    def name(self) -> str: ...

    def rows(self, skip: int = 0, epoch: int = 0) -> Iterator[Row]:
        """All rows but the first `skip`. epoch: another order, where the source has several.

        Raises DataError.
        """

    def sample(self) -> Iterator[Row]:
        """Rows in the order that no epoch and no seed changes."""


@dataclass(frozen=True)
class Files:
    """Local shards, one after the other. A shard of which the end is missing gives its beginning.

    With ``on_bad_shard="skip"`` a row with the reason BAD_SHARD stands for what cannot be read;
    else that is a ShardError. A damaged part that `skip` passes over is not noticed.
    """

    name: str
    shards: tuple[Path, ...]
    on_bad_shard: OnBadShard = "error"

    def rows(self, skip: int = 0, epoch: int = 0) -> Iterator[Row]:
        passed = 0
        for shard in self.shards:
            try:
                for block in blocks(shard):
                    if passed + block.size <= skip:
                        passed += block.size
                        continue
                    for row in block.read():
                        passed += 1
                        if passed > skip:
                            yield row
            except ShardError as error:
                if self.on_bad_shard == "error":
                    raise
                passed += 1
                if passed > skip:
                    yield Row(Origin(str(shard), 0), {}, Reason.BAD_SHARD, error.message)

    def sample(self) -> Iterator[Row]:
        return self.rows()

    def reordered(self, seed: str) -> Files:
        """The same shards in another order."""
        return replace(self, shards=tuple(_permuted(self.shards, seed)))


@dataclass(frozen=True)
class Shuffled:
    """Another order for each seed and epoch, in little memory: local shards are permuted, and then
    the rows of each `buffer` that follow one another.

    Whole buffers are permuted, rather than one row drawn at a time, so that `skip` costs no more
    than one buffer; a row moves within its buffer only. buffer: rows held in memory.
    """

    source: Source
    seed: int
    buffer: int = 10_000

    def __post_init__(self) -> None:
        if self.buffer < 1:
            raise UsageError(
                f"A shuffle buffer of {self.buffer} rows holds nothing.", "Use 1 or more."
            )

    @property
    def name(self) -> str:
        return self.source.name

    def rows(self, skip: int = 0, epoch: int = 0) -> Iterator[Row]:
        key = f"{self.seed}/{epoch}"
        source = self.source
        if isinstance(source, Files):
            source = source.reordered(key)
        at, within = divmod(skip, self.buffer)
        rows = source.rows(at * self.buffer, epoch)
        while held := list(islice(rows, self.buffer)):
            yield from _permuted(held, f"{key}/{at}")[within:]
            at, within = at + 1, 0

    def sample(self) -> Iterator[Row]:
        return self.source.sample()


def open_source(spec: str, *, on_bad_shard: OnBadShard = "error") -> Source:
    """The source that `spec` names: a file, a folder, a glob or ``hub:OWNER/NAME[/CONFIG][:SPLIT]``
    (``@REVISION`` pins it; the split is "train" if none is given).

    Shards are read in the order of their paths. Raises UsageError for a spec that makes no sense,
    DataError for one that names nothing that can be read.
    """
    if on_bad_shard not in get_args(OnBadShard):
        raise UsageError(f"on_bad_shard is {on_bad_shard!r}.", "Use error or skip.")
    if spec.startswith(HUB):
        return Hub(parse_hub(spec))
    return Files(spec, _shards(spec), on_bad_shard)


def _shards(spec: str) -> tuple[Path, ...]:
    path = Path(spec)
    if path.is_file():
        if not kind(path):
            raise DataError(f"{spec} is of no kind that we read.", f"Use {', '.join(KINDS)}.")
        return (path,)
    if path.is_dir():
        return _of_one_kind(spec, path.rglob("*"), path)
    found = glob.glob(spec, recursive=True)
    if not found:
        raise DataError(f"There is no file or folder {spec}.", "Check the path of the data.")
    return _of_one_kind(spec, map(Path, found), None)


def _of_one_kind(spec: str, paths: Iterable[Path], folder: Path | None) -> tuple[Path, ...]:
    """Sorted files of a kind that we read; a stray licence.txt must not become training data."""
    shards = sorted(
        one for one in paths if kind(one) and one.is_file() and not _is_hidden(one, folder)
    )
    endings = sorted({(kind(one) or "").removesuffix(".gz") for one in shards})
    if not shards:
        raise DataError(f"{spec} holds no data.", f"Put {', '.join(KINDS)} there.")
    if len(endings) > 1:
        raise DataError(
            f"{spec} holds files of several kinds: {', '.join(endings)}.",
            f"Name those of one kind: '{folder or 'FOLDER'}/*{endings[0]}*'.",
        )
    return tuple(shards)


def _is_hidden(path: Path, folder: Path | None) -> bool:
    """Caches and markers that tools leave in a folder; a glob says itself what it wants."""
    return folder is not None and any(
        part.startswith((".", "_")) for part in path.relative_to(folder).parts
    )


def _permuted(items: Iterable[Any], seed: str) -> list[Any]:
    """By sorting, since Python promises the same `random()` in every version, but no `shuffle`."""
    draw = random.Random(seed)
    return [item for _, item in sorted(((draw.random(), item) for item in items), key=_first)]


def _first(pair: tuple[float, Any]) -> float:
    return pair[0]

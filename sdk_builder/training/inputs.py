"""The data of a run, from its settings: mixed, and looked at before anything heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from sdk_builder.errors import UsageError
from sdk_builder.rows.hub import parse_hub
from sdk_builder.rows.sources import Files
from sdk_builder.training.data import (
    TABLE1,
    Data,
    DataReport,
    Duplicates,
    Ending,
    HubName,
    Mixture,
    Part,
    Records,
    Shuffled,
    Stage,
    open_source,
    parse_fields,
)
from sdk_builder.training.settings import DataSettings, StageSettings

LOOKED_AT = 200  # records of each source, before training
_BLOCKS, _BLOCK_BYTES = 4, 2**16  # of a file, to tell it from another


def open_data(settings: StageSettings) -> Mixture:
    """What to train on. Raises UsageError, DataError."""
    return _mixture(settings.data, settings, settings.ending)


def open_eval_data(settings: StageSettings) -> Data | None:
    """What to evaluate on, each source once and in its own order. Raises UsageError, DataError."""
    if not settings.eval_data:
        return None
    plain = [one.model_copy(update={"shuffle_rows": 0}) for one in settings.eval_data]
    return _mixture(plain, settings, "go-on")


def look_at(data: Sequence[DataSettings], settings: StageSettings) -> tuple[DataReport, ...]:
    """A report of each source's first records, so that a wrong path, wrong fields or unusable rows
    end the run before the model is loaded. Raises UsageError, DataError."""
    reports: list[DataReport] = []
    for one in data:
        first = _records(one, settings.records, seed=None).examples()
        for _ in islice(first, LOOKED_AT):
            pass
        reports += first.reports
    return tuple(reports)


def local_files(settings: StageSettings) -> dict[str, str]:
    """Size and content, as far as it is looked at, of the local files that are trained on, by path.
    Raises UsageError, DataError, OSError."""
    sources = [open_source(one.source) for one in settings.data]
    shards = [path for one in sources if isinstance(one, Files) for path in one.shards]
    return {str(path): _mark(path) for path in shards}


def _mark(path: Path) -> str:
    """Of large files some blocks are read, the first and the last among them: rows in another order
    are noticed, one row changed in the middle need not be."""
    size = path.stat().st_size
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        for at in range(_BLOCKS):
            file.seek(max(0, size - _BLOCK_BYTES) * at // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))
    return f"{size} bytes with content {digest.hexdigest()}"


def licence_of(one: DataSettings) -> str | None:
    """What the settings say, or Table 1 of a source that is one of its data sets."""
    if one.licence is not None:
        return one.licence
    if (name := hub_name(one.source)) is None:
        return None
    known = (entry.hub and (entry.hub.id, entry.hub.config) for entry in TABLE1)
    found = zip(known, TABLE1, strict=True)
    return next((entry.licence for there, entry in found if there == (name.id, name.config)), None)


def hub_name(source: str) -> HubName | None:
    """The data set of the hub that a source names, if it does."""
    if not source.startswith("hub:"):
        return None
    try:
        return parse_hub(source)
    except UsageError:
        return None


def _mixture(parts: Sequence[DataSettings], settings: StageSettings, ending: Ending) -> Mixture:
    return Mixture(
        [Part(_records(one, settings.records, seed=settings.seed), one.weight) for one in parts],
        seed=settings.seed,
        ending=ending,
    )


def _records(one: DataSettings, stage: Stage, seed: int | None) -> Records:
    """One source's records; seed None: in the source's own order."""
    source = open_source(one.source, on_bad_shard=one.on_bad_shard)
    if one.shuffle_rows and seed is not None:
        source = Shuffled(source, seed, one.shuffle_rows)
    return Records(
        source,
        stage,
        fields=None if one.fields is None else parse_fields(stage, one.fields),
        duplicates=_duplicates(one),
        max_dropped=one.max_dropped,
    )


def _duplicates(one: DataSettings) -> Duplicates | None:
    if isinstance(one.deduplicate, bool):
        return Duplicates() if one.deduplicate else None
    return Duplicates(one.deduplicate.capacity, one.deduplicate.near)

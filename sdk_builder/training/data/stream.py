"""The records of one source: read, adapted, checked, counted, and resumable.

A pass that starts from a position passes over the rows before it undecoded. Where duplicates are
looked for it reads them again, since it has to know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from sdk_builder.errors import DataLossError, UsageError
from sdk_builder.rows.row import Row, Unusable
from sdk_builder.rows.sources import Source
from sdk_builder.training.data.adapters import adapt
from sdk_builder.training.data.duplicates import Duplicates
from sdk_builder.training.data.fields import Fields, checked, recognised
from sdk_builder.training.data.passes import START, Example, Pass, Position
from sdk_builder.training.data.records import STAGES, Stage
from sdk_builder.training.data.report import DataReport, Tally

MAX_DROPPED = 0.5  # share of rows
PATIENCE = 1000  # rows


class Records:
    """A source's records for a stage.

    fields: None: recognised by the source's first row. A pass raises DataLossError if it drops a
    larger share of the rows than `max_dropped`, keeps none, or finds none to keep among the first
    `PATIENCE`; one that starts from within an epoch is not judged so.

    Raises UsageError.
    """

    def __init__(
        self,
        source: Source,
        stage: Stage,
        *,
        fields: Fields | None = None,
        duplicates: Duplicates | None = None,
        max_dropped: float = MAX_DROPPED,
    ) -> None:
        if stage not in STAGES:
            raise UsageError(f"No stage is called {stage!r}.", f"Use {', '.join(STAGES)}.")
        if not 0 <= max_dropped <= 1:
            raise UsageError(f"Dropping a share of {max_dropped} makes no sense.", "Use 0 to 1.")
        self.source, self.stage = source, stage
        self.duplicates, self.max_dropped = duplicates, max_dropped
        self._given = checked(stage, fields) if fields else None

    @cached_property
    def fields(self) -> Fields:
        """Those given, or recognised. Raises DataShapeError, DataError."""
        return self._given or recognised(self.stage, self.source.sample(), self.source.name)

    def examples(self, start: Position = START) -> Pass:
        return _RecordPass(self, start)

    def report(self) -> DataReport:
        """Of a whole pass, which this makes. Raises DataError."""
        whole = self.examples()
        for _ in whole:
            pass
        return whole.reports[0]


class _RecordPass:
    def __init__(self, data: Records, start: Position) -> None:
        self._data, self._start = data, start
        self._seen = data.duplicates.seen() if data.duplicates else None
        self._tally = Tally(data.source.name)
        self._rows = 0 if self._seen else start.rows
        self._drawn = start.drawn
        self._position = start
        self._found = iter(()) if start.ended else self._read()

    @property
    def position(self) -> Position:
        return self._position

    @property
    def reports(self) -> tuple[DataReport, ...]:
        return (self._tally.report,)

    def __iter__(self) -> Iterator[Example]:
        return self

    def __next__(self) -> Example:
        example = next(self._found, None)
        self._drawn += example is not None
        self._position = Position(self._start.epoch, self._drawn, self._rows, ended=example is None)
        if example is None:
            raise StopIteration
        return example

    def _read(self) -> Iterator[Example]:
        judged = self._rows == 0
        for row in self._data.source.rows(self._rows, self._start.epoch):
            self._rows += 1
            example = self._example(row)
            if example is not None and self._rows > self._start.rows:
                yield example
            if judged and self._tally.read == PATIENCE and not self._tally.kept:
                raise _loss(self._tally.report)
        if judged:
            report = self._tally.report
            if not report.kept or report.dropped_share > self._data.max_dropped:
                raise _loss(report)

    def _example(self, row: Row) -> Example | None:
        """The row's example, or None for one that is dropped; counted in either case."""
        if row.reason is not None:
            self._tally.drop(row.reason, row.origin, row.detail)
            return None
        try:
            record = adapt(self._data.stage, row.fields, self._data.fields)
            if self._seen:
                self._seen.check(record)
        except Unusable as error:
            self._tally.drop(error.reason, row.origin, error.detail)
            return None
        self._tally.keep()
        return Example(record, row.origin)


def _loss(report: DataReport) -> DataLossError:
    if not report.read:
        bad = f" ({report.bad_shards} bad files)" if report.bad_shards else ""
        return DataLossError(
            f"{report.source} has no rows that can be read{bad}.", "Check the files of the data."
        )
    reason, count = max(report.dropped.items(), key=lambda one: one[1])
    some = report.examples[reason][0]
    return DataLossError(
        f"Only {report.kept} of {report.read} rows of {report.source} can be used; "
        f"{count} are dropped: {reason} ({some}).",
        "Mend the data, name its fields, or allow a larger share of dropped rows (max_dropped).",
    )

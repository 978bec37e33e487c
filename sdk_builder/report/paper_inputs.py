"""What a report beside the paper is made of: evaluations, benchmark runs and bundles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.benchmark.result_sets import SUFFIX
from sdk_builder.benchmark.side_by_side import is_side_by_side
from sdk_builder.bundle.manifest import MANIFEST_NAME
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import InputError
from sdk_builder.evaluation.results import (
    ALL,
    Comparison,
    Metric,
    ResultFile,
    SuiteResult,
    is_evaluation,
    read_results,
)
from sdk_builder.report.dataset import USUAL_RUNTIME, Dataset
from sdk_builder.report.loading import load

WANTED = (
    "Give evaluations (shakti-sdk eval -o), benchmark results (.jsonl of shakti-sdk bench), "
    "bundles, or folders of these."
)


NO_RUNS = Dataset(())


@dataclass(frozen=True)
class Sized:
    """A program file's size. parameters: of the model; label: the format for people."""

    model: str
    parameters: int
    scheme: str
    label: str
    size_bytes: int
    identity: str
    untrained: bool = False


@dataclass(frozen=True)
class Series:
    """Everything that was measured of one bundle's quality: a row, or a bar's colour."""

    label: str
    results: tuple[SuiteResult, ...]

    @property
    def identity(self) -> str:
        """The bundle's."""
        return self.results[0].identity

    @property
    def scheme(self) -> str:
        """The bundle's format."""
        return self.results[0].scheme

    @property
    def detail(self) -> str:
        """Which bundle it is, in one line."""
        one = self.results[0]
        return f"{one.bits_per_weight:.3g} bits a weight, identity {one.identity[:8]}"

    def metrics(self, suite: str) -> tuple[Metric, ...]:
        """The suite's metrics; of one measured twice, that over the most items, else the later."""
        found: dict[tuple[str, str], Metric] = {}
        for result in self.results:
            for metric in result.metrics if result.suite == suite else ():
                key = (metric.metric, metric.group)
                before = found.get(key)
                if before is None or metric.items >= before.items:
                    found[key] = metric
        return tuple(found.values())

    def find(self, suite: str, metric: str, group: str = ALL) -> Metric | None:
        """One of them, if it has a value."""
        return next(
            (
                one
                for one in self.metrics(suite)
                if (one.metric, one.group) == (metric, group) and one.value is not None
            ),
            None,
        )


@dataclass(frozen=True)
class Inputs:
    """All results of a report beside the paper. warnings: of reading them."""

    evaluations: tuple[ResultFile, ...] = ()
    dataset: Dataset = NO_RUNS
    bundles: tuple[Sized, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[SuiteResult, ...]:
        """Every suite of every bundle; a file that was given twice counts once."""
        found: list[SuiteResult] = []
        for file in self.evaluations:
            found += [result for result in file.results if result not in found]
        return tuple(found)

    @property
    def series(self) -> tuple[Series, ...]:
        """One a bundle, in the order: model, most bits first."""
        return series_of(self.results)

    @property
    def sizes(self) -> tuple[Sized, ...]:
        """Each bundle's program, as its manifest or a run's first line tells it; once each.

        Not the model files of other tools that were measured beside ours.
        """
        runs = (
            result.run.bundle
            for result in self.dataset.results
            if result.run.runtime.name == USUAL_RUNTIME
        )
        measured = (
            Sized(
                *(one.model, one.parameters, one.scheme, one.scheme),
                *(one.program_size_bytes, one.identity, one.untrained),
            )
            for one in runs
        )
        once = {one.identity: one for one in (*measured, *self.bundles)}
        return tuple(sorted(once.values(), key=lambda one: (one.model, -one.size_bytes)))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What was found between bundles, of every file."""
        return tuple(dict.fromkeys(one for file in self.evaluations for one in _compared(file)))


def series_of(results: Iterable[SuiteResult]) -> tuple[Series, ...]:
    """Results by bundle; equal labels of different bundles get the identity's start."""
    by_bundle: dict[str, list[SuiteResult]] = {}
    for result in results:
        by_bundle.setdefault(result.identity, []).append(result)
    labels = [found[0].label for found in by_bundle.values()]
    made = [
        Series(
            found[0].label + (f" [{key[:8]}]" if labels.count(found[0].label) > 1 else ""),
            tuple(found),
        )
        for key, found in by_bundle.items()
    ]
    return tuple(sorted(made, key=lambda s: (s.results[0].name, -s.results[0].bits_per_weight)))


def _compared(file: ResultFile) -> Iterator[Comparison]:
    """The file's comparisons, with labels in place of paths."""
    labels = {name: one.label for one in file.results for name in (one.bundle, one.identity)}
    for one in file.comparisons:
        of, against = (labels.get(side, side) for side in (one.of, one.against))
        yield one.model_copy(update={"of": of, "against": against})


# --- reading ------------------------------------------------------------------------------


def read_inputs(paths: Sequence[Path]) -> Inputs:
    """Sort out and read what was given: evaluations, benchmark results, bundles, or folders.

    Raises InputError, naming the file, for what is not there, damaged, or none of these.
    """
    evaluations: list[Path] = []
    runs: list[Path] = []
    bundles: list[Path] = []
    for path in dict.fromkeys(one for given in paths for one in _inside(given)):
        if is_bundle(path):
            bundles.append(path)
        elif path.suffix == SUFFIX:
            runs.append(path)
        elif is_side_by_side(path):
            raise InputError(
                f"{path} is a side-by-side result, which has no place beside the paper.",
                "Leave it out, or make a report of it without --paper.",
            )
        else:
            evaluations.append(path)
    files = tuple(read_results(evaluations))
    return Inputs(
        files,
        load(runs) if runs else NO_RUNS,
        tuple(map(sized, bundles)),
        tuple(_repeated(series_of(r for file in files for r in file.results))),
    )


def sized(path: Path) -> Sized:
    """The program's size, from a bundle's manifest. Raises BundleError."""
    with Bundle.open(path) as bundle:
        manifest = bundle.manifest
    model, scheme = manifest.model, manifest.quantization.scheme
    return Sized(
        *(model.source.name, model.parameters, scheme, scheme),
        *(manifest.program.size_bytes, identity(manifest), model.untrained),
    )


def _inside(path: Path) -> Iterator[Path]:
    """What a path means: a file or a bundle itself, a folder's files and bundles by name."""
    if not path.exists():
        raise InputError(f"{path} is not there.", WANTED)
    if not path.is_dir() or is_bundle(path):
        yield path
        return
    found = [one for one in sorted(path.iterdir()) if _is_ours(one)]
    if not found:
        raise InputError(f"{path} holds no results and no bundles.", WANTED)
    yield from found


def _is_ours(path: Path) -> bool:
    return is_bundle(path) or path.suffix == SUFFIX or (path.is_file() and is_evaluation(path))


def is_bundle(path: Path) -> bool:
    """Whether it looks like a bundle's folder, or a zip."""
    return (path / MANIFEST_NAME).is_file() or (path.is_file() and path.suffix == ".zip")


def _repeated(found: Sequence[Series]) -> Iterator[str]:
    """What was measured twice with different outcomes: one of them is not shown."""
    for series in found:
        for suite in dict.fromkeys(result.suite for result in series.results):
            seen: dict[tuple[str, str], set[float | None]] = {}
            for result in series.results:
                for one in result.metrics if result.suite == suite else ():
                    seen.setdefault((one.metric, one.group), set()).add(one.value)
            if any(len(values) > 1 for values in seen.values()):
                yield (
                    f"{series.label} has several results of {suite} that differ: that over the "
                    "most items is shown, of equal ones the last."
                )

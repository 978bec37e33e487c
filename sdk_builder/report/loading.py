"""Read result files into a Dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sdk_builder.benchmark.results import parse, results_of
from sdk_builder.errors import InputError
from sdk_builder.report.dataset import Dataset, Result, model_name

NOT_RESULTS = "Give the .jsonl files that shakti-sdk bench wrote."


def load(paths: Sequence[Path]) -> Dataset:
    """Read result files.

    Raises InputError, naming the file, for one that is missing, empty, damaged or not a result
    file, and where two different files claim the same run. A torn last line is a warning.
    """
    if not paths:
        raise InputError("No result files.", NOT_RESULTS)
    results: dict[str, Result] = {}
    warnings: list[str] = []
    for path in paths:
        result, said = load_result(path)
        warnings += said
        first = results.setdefault(result.run.run_id, result)
        if first is not result:
            warnings.append(_repeated(first, result))
    return Dataset(tuple(sorted(results.values(), key=_order)), tuple(warnings))


def load_result(path: Path) -> tuple[Result, tuple[str, ...]]:
    """One result file, and the warnings that reading it gave. Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"Cannot read {path}: {reason}.", NOT_RESULTS) from error
    if not data.strip():
        raise InputError(f"{path} is empty.", NOT_RESULTS)
    parsed = parse(data, str(path))
    found = results_of(parsed, str(path))
    result = Result(found.run, found.lines, path=path)
    warnings = [f"{path.name} ends in the middle of a line, which was left out."] * parsed.torn
    return result, (*warnings, *_oddities(result))


def _order(result: Result) -> tuple[object, ...]:
    run = result.run
    bundle = (model_name(result), run.bundle.program_size_bytes, run.bundle.identity)
    return (
        *(run.device.kind != "phone", result.device, run.device.id),
        *bundle,
        *(run.started_at, run.run_id),
    )


def _repeated(first: Result, again: Result) -> str:
    """The warning for a copy of a file. Raises InputError where the two are not the same."""
    if (first.run, first.samples, first.failures) != (again.run, again.samples, again.failures):
        raise InputError(
            f"{first.path} and {again.path} hold different results of the same run "
            f"{first.run.run_id}.",
            "Leave out the older one.",
        )
    return f"{again.path} repeats {first.path} and was left out."


def _oddities(result: Result) -> Iterator[str]:
    """What a reader should know of a file that can be read."""
    planned = set(result.run.plan.cases)
    strays = sorted({sample.case.id for sample in result.samples if sample.case not in planned})
    if strays:
        yield (
            f"{result.path.name} has samples of cases that its plan lacks, left out of the "
            f"tables: {', '.join(strays)}."
        )

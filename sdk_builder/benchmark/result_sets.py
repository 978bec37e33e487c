"""Result files by name, or by the folder that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdk_builder.benchmark.analysis.comparison import Measured
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.side_by_side import SUFFIX as BESIDE_SUFFIX
from sdk_builder.benchmark.side_by_side import is_side_by_side
from sdk_builder.errors import InputError

SUFFIX = ".jsonl"


def result_files(paths: Sequence[Path], *, side_by_side: bool = False) -> list[Path]:
    """The files that `paths` mean: each file itself, each folder's result files, by name.

    side_by_side: those of `benchmarks/` in a folder, too.

    Raises InputError for what is not there and for a folder without result files.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob(f"*{SUFFIX}"))
            if side_by_side:
                inside += filter(is_side_by_side, sorted(path.glob(f"*{BESIDE_SUFFIX}")))
            if not inside:
                raise InputError(
                    f"{path} holds no result files (*{SUFFIX}).",
                    f"Make one with: shakti-sdk bench BUNDLE -o {path}",
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{path} is not there.", "Name a result file, or a folder of them.")
    return list(dict.fromkeys(found))


def measured(path: Path) -> list[Measured]:
    """The runs of a result file, or of a folder of them. Raises InputError."""
    read = [read_results(file) for file in result_files([path])]
    return [Measured(results.run, results.samples) for results in read]

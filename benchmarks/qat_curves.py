"""Draw how runs of `train` learned: evaluation losses as points, training losses behind them.

    python benchmarks/qat_curves.py --figure curves.svg [--top 0.16] "LABEL=FILE" ...

FILE is a `logs.jsonl` in OUTPUT.run. The figure of docs/qat.md is of the files
in benchmarks/results/qat, named after the bits a weight and the learning rate. Those that have
evaluations alone were lost before their logs were copied.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from matplotlib import pyplot

Points = list[tuple[int, float]]


def losses(path: Path, event: str) -> Points:
    """Steps and losses (nats a token) of a log's lines of that event."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["step"], row["loss"]) for row in rows if row["event"] == event]


def draw(runs: Mapping[str, Path], figure: Path, top: float | None) -> None:
    """One colour a run, in the order given; losses above `top` are outside."""
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "qat"})
    drawing, axes = pyplot.subplots(figsize=(7.5, 4.2))
    for label, path in runs.items():
        (line,) = axes.plot(*zip(*losses(path, "evaluation"), strict=True), marker="o", label=label)
        if training := losses(path, "train"):
            axes.plot(
                *zip(*training, strict=True), color=line.get_color(), alpha=0.3, linewidth=0.8
            )
    axes.set_xlabel("steps of 16 x 512 tokens")
    axes.set_ylabel("divergence from the float model, nats a token")
    axes.set_ylim(0, top)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    drawing.savefig(figure, bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="LABEL=FILE")
    parser.add_argument("--figure", type=Path, required=True, help="SVG or PNG to write")
    parser.add_argument("--top", type=float, help="largest loss that is shown")
    options = parser.parse_args()
    parts = (one.partition("=") for one in options.runs)
    draw({label: Path(path) for label, _, path in parts}, options.figure, options.top)


if __name__ == "__main__":
    main()

"""`shakti-sdk tune`: search for the best export within limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdk_builder.cli.answers import Tuned
from sdk_builder.cli.arguments import PATH, complete_model
from sdk_builder.cli.export_cmd import DEFAULT_CONTEXT, default_output
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.cli.requests import TuneOptions
from sdk_builder.errors import UsageError, VerificationError
from sdk_builder.quantization.options import EMBEDDINGS, GROUP_SIZES, KV_FORMATS, METHODS
from sdk_builder.quantization.schemes import SCHEMES

if TYPE_CHECKING:
    from sdk_builder.tuning.choice import Row

QUANTS = tuple(name for name in SCHEMES if name != "none")
HEADER = (
    *("candidate", "bits", "MB", "perplexity", "ratio", "KL", "decode", "memory"),
    *("front", "limits", ""),
)
RIGHT = "lrrrrrrrll"


class Several(click.ParamType):
    """Values with commas between them, each one of `choices`, or made by `parse`."""

    def __init__(
        self, choices: Sequence[object] = (), parse: Callable[[str], object] = str
    ) -> None:
        self.name = "values"
        self.choices = tuple(map(str, choices))
        self.parse = parse

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[object, ...]:
        """The values, none twice."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        for word in words:
            if self.choices and word not in self.choices:
                self.fail(f"{word!r} is not one of {', '.join(self.choices)}.", param, ctx)
        try:
            return tuple(dict.fromkeys(map(self.parse, words)))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 4.3,4.6.", param, ctx)


def _bits(word: str) -> float:
    if not 4.0 <= (bits := float(word)) <= 8.6:
        raise ValueError
    return bits


@click.command("tune")
@click.argument("model", shell_complete=complete_model)
@click.option(
    "--text",
    "text_file",
    type=PATH,
    help="A UTF-8 text file to judge by, of the kind that the model is for.",
)
@click.option(
    "--max-size",
    "max_size_mb",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MB",
    help="Largest model.pte, in millions of bytes.",
)
@click.option(
    "--max-ratio",
    type=click.FloatRange(min=0, min_open=True),
    metavar="RATIO",
    help="Largest perplexity, as a multiple of the float model's: 1.05.",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=2),
    metavar="N",
    help="Judge by the first N tokens of the text.  [default: 4096, with --quick 1024]",
)
@click.option("--quant", "quants", type=Several(QUANTS), metavar="Q,…", help=", ".join(QUANTS))
@click.option("--method", "methods", type=Several(METHODS), metavar="M,…", help=", ".join(METHODS))
@click.option(
    "--group-size",
    "group_sizes",
    type=Several(GROUP_SIZES, int),
    metavar="N,…",
    help=", ".join(map(str, GROUP_SIZES)),
)
@click.option(
    "--embedding",
    "embeddings",
    type=Several(tuple(EMBEDDINGS)),
    metavar="FORMAT,…",
    help=", ".join(EMBEDDINGS),
)
@click.option(
    "--bits",
    type=Several(parse=_bits),
    metavar="BITS,…",
    help="Most bits per weight.  [default: the format's promise, and the least it can do with]",
)
@click.option(
    "--kv", "kvs", type=Several(KV_FORMATS), metavar="FORMAT,…", help=", ".join(KV_FORMATS)
)
@click.option("--full", is_flag=True, help="Try all that the exporter can do.")
@click.option("--quick", is_flag=True, help="A first look: q4 only, fewer tokens.")
@click.option(
    "--front-speed", "with_speed", is_flag=True, help="Let decode speed count on the front, too."
)
@click.option("--exhaustive", is_flag=True, help="Go on where the limits look out of reach.")
@click.option(
    "--context",
    "context_length",
    type=click.IntRange(min=16),
    default=DEFAULT_CONTEXT,
    show_default=True,
    metavar="TOKENS",
    help="Longest conversation that the exports are made for.",
)
@click.option("--calibration", type=PATH, help="As for export; never the text to judge by.")
@click.option("--seed", type=click.IntRange(min=0), help="As for export.")
@click.option("--tokenizer", type=PATH, help="As for export.")
@click.option(
    "-o", "--output", type=PATH, help="Folder of the search.  [default: build/MODEL-tune]"
)
@click.option(
    "--keep",
    type=click.Choice(["best", "all", "none"]),
    default="best",
    show_default=True,
    help="Which candidates' bundles stay in the folder.",
)
@click.option("--again", is_flag=True, help="Measure anew what was measured before.")
@command_options
def tune(
    invocation: Invocation,
    *,
    model: str,
    text_file: Path | None,
    max_size_mb: float | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Find the smallest export of MODEL that is good enough, or the best that is small enough.

    Exports MODEL in several formats, measures each program on a text, and shows which are beaten
    by none: the Pareto front of size and perplexity, as a table and a plot. With --max-ratio the
    smallest within it is recommended, else the best within --max-size. Options with lists choose
    what is tried; all of their values are combined.

    A search that was stopped goes on where it was when the same command is given again. It ends
    with exit code 5 if no candidate meets the limits.
    """
    if text_file is None:
        raise UsageError(
            "There is no text to judge by.",
            "Give one with --text: some thousand words of the kind that the model is for, which "
            "neither training nor --calibration has seen.",
        )
    lists = ("quants", "methods", "group_sizes", "embeddings", "bits", "kvs")
    options |= {name: options[name] or () for name in lists}
    asked = TuneOptions(
        model=model,
        text=text_file,
        output=output or default_output(model, "tune"),
        max_size_bytes=None if max_size_mb is None else round(max_size_mb * 1e6),
        **options,
    )
    tuned = invocation.library.tune(asked, invocation.steps())
    document, text = _document(asked, tuned), _text(tuned)
    if tuned.recommended is None:
        invocation.failed(document, text, _nothing(asked, tuned))
    invocation.result(document, text)
    if tuned.bundle is not None:
        invocation.remark(f"\nIts bundle, not compared with the model: {tuned.bundle}")
    invocation.remark(f"\nNext: {tuned.command}")


def _nothing(asked: TuneOptions, tuned: Tuned) -> VerificationError:
    """What to do where no candidate meets the limits."""
    measured = [row for row in tuned.rows if row.ratio is not None]
    nearest = min(measured, key=lambda row: row.ratio or 0.0, default=None)
    smallest = min(tuned.rows, key=lambda row: row.size_bytes, default=None)
    hints = []
    if nearest is not None and asked.max_ratio is not None:
        hints.append(f"the best ratio is {nearest.ratio:.4f}, of {nearest.planned.candidate.name}")
    if smallest is not None and asked.max_size_bytes is not None:
        size = f"{smallest.size_bytes / 1e6:.1f} MB"
        hints.append(f"the smallest has {size}, {smallest.planned.candidate.name}")
    hint = "; ".join(hints) or "Each row of the table says what went wrong"
    untried = any(row.status == "not tried" for row in tuned.rows)
    more = " --exhaustive tries the others, too." if untried else ""
    return VerificationError(
        "No candidate meets the limits." if hints else "No candidate could be measured.",
        f"{hint[0].upper()}{hint[1:]}.{more}",
    )


def _text(tuned: Tuned) -> str:
    methods = {row.measured.method for row in tuned.rows if row.measured}
    rows = [
        _cells(row, several_methods=len(methods) > 1, recommended=row is tuned.recommended)
        for row in tuned.rows
    ]
    lines = [table(rows, header=HEADER, right=RIGHT)]
    if tuned.reference_perplexity is not None:
        lines.append(
            f"Float model: perplexity {tuned.reference_perplexity:.3f}. ±: standard error."
        )
    if tuned.baseline:
        lines.append(f"Decode speed: times that of {tuned.baseline}.")
    if tuned.stopped:
        lines.append(f"Stopped early: {tuned.stopped}.")
    lines += [f"  {path}" for path in (*tuned.plots, tuned.trials) if path.is_file()]
    return "\n".join(lines)


def _cells(row: Row, *, several_methods: bool, recommended: bool) -> list[str]:
    name, found = row.planned.candidate.name, row.measured
    by_itself = found is not None and several_methods and row.planned.candidate.method == "auto"
    cells = [
        f"{name} ({found.method})" if found and by_itself else name,
        f"{row.bits_per_weight:.2f}",
        f"{row.size_bytes / 1e6:.1f}",
    ]
    if found is None:
        return [*cells, *[""] * 7, row.reason or row.status]
    memory = found.peak_memory_bytes
    return [
        *cells,
        f"{found.perplexity:.3f}",
        "" if row.ratio is None else f"{row.ratio:.4f}{_error(found.ratio_stderr)}",
        "" if found.kl is None else f"{found.kl:.4f}",
        "" if found.decode_ratio is None else f"{found.decode_ratio:.2f}",
        "" if memory is None else f"{memory / 1e6:.0f} MB",
        "front" if row.on_front else "",
        "yes" if row.meets else "no",
        "← recommended" if recommended else "",
    ]


def _error(value: float | None) -> str:
    return "" if value is None else f" ± {value:.4f}"


def _document(asked: TuneOptions, tuned: Tuned) -> dict[str, Any]:
    best = tuned.recommended
    return {
        "model": asked.model,
        "text": str(asked.text),
        "limits": {"max_size_bytes": asked.max_size_bytes, "max_ratio": asked.max_ratio},
        "reference_perplexity": tuned.reference_perplexity,
        "speed_baseline": tuned.baseline or None,
        "candidates": [_row_document(row) for row in tuned.rows],
        "recommended": None if best is None else best.planned.candidate.name,
        "command": tuned.command or None,
        "bundle": None if tuned.bundle is None else str(tuned.bundle),
        "stopped": tuned.stopped or None,
        "plots": [str(path) for path in tuned.plots],
        "trials": str(tuned.trials),
    }


def _row_document(row: Row) -> dict[str, Any]:
    found = row.measured
    return {
        "name": row.planned.candidate.name,
        "options": asdict(row.planned.candidate),
        "status": row.status,
        "reason": row.reason or None,
        "predicted_size_bytes": row.planned.size_bytes,
        "predicted_bits_per_weight": row.planned.bits_per_weight,
        "ratio": row.ratio,
        "on_front": row.on_front,
        "meets_limits": row.meets,
        "reused": row.reused,
        "measured": None if found is None else found.model_dump(mode="json"),
    }

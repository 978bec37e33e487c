"""`shakti-sdk profile`: where a bundle's time goes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdk_builder.cli.arguments import PATH, bundle_argument
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.cli.requests import ProfileOptions
from sdk_builder.errors import OutputError

if TYPE_CHECKING:
    from sdk_builder.profiling.result import Phase, Profile, Row


@click.command("profile")
@bundle_argument
@click.option(
    "--tokens",
    type=click.IntRange(min=0),
    default=128,
    show_default=True,
    metavar="N",
    help="Prompt tokens of the prefill; 0: decode only.",
)
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Tokens already in the KV cache.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads of the runtime.  [default: the runtime's]",
)
@click.option(
    "--repetitions",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Runs of each phase; the tables are the average of the faster half.",
)
@click.option(
    "--bandwidth",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB/S",
    help="What this machine reads from memory, to compare with.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    metavar="N",
    help="Operators to show.",
)
@click.option("-o", "--output", type=PATH, metavar="FILE.csv", help="Write every line to a table.")
@command_options
def profile(
    invocation: Invocation,
    bundle: Path,
    *,
    tokens: int,
    depth: int,
    threads: int | None,
    repetitions: int,
    bandwidth: float | None,
    top: int,
    output: Path | None,
) -> None:
    """Show where BUNDLE spends its time on this machine: by part, by layer, by operator.

    Prefill and the decoding of one token are run without a trace, for their true speed, and with
    ExecuTorch's trace, for the tables. It also shows what loading takes, in time and memory.
    """
    options = ProfileOptions(bundle, tokens, depth, threads, repetitions, bandwidth)
    found = invocation.library.profile(options, invocation.steps())
    if output is not None:
        _write(output, found.csv_header, found.csv_rows())
    sections = [_loading(found)]
    for phase in found.phases:
        sections += _phase(phase, top, found.bandwidth_gb_per_s)
    invocation.result(found.document(), "\n\n".join(sections))
    if output is not None:
        invocation.remark(f"Wrote {output}")


def _loading(found: Profile) -> str:
    loading = found.loading
    rows = [
        ["checking the files", f"{loading.check_s * 1e3:.0f} ms"],
        ["the runtime's libraries", f"{loading.runtime_s * 1e3:.0f} ms"],
        ["opening and packing weights", f"{loading.program_s * 1e3:.0f} ms"],
        ["peak memory above the start", f"{loading.program_peak_mib:.0f} MiB"],
        ["file and KV cache", f"{loading.program_mib:.0f} + {loading.kv_cache_mib:.0f} MiB"],
    ]
    return f"{found.name}: loading\n" + table(rows, right="lr")


def _phase(phase: Phase, top: int, bandwidth: float | None) -> list[str]:
    where = f"{phase.tokens} tokens" if phase.name == "prefill" else "one token"
    if phase.depth:
        where += f" behind {phase.depth}"
    title = (
        f"{phase.name}, {where}: {phase.untraced_ms:.2f} ms, {phase.tokens_per_s:.0f} tokens/s "
        f"({phase.total_ms:.2f} ms with the trace)"
    )
    reading = (
        f"  weights read {phase.weight_bytes / 1e6:.1f} MB: {phase.matrix_gb_per_s:.1f} GB/s in "
        f"matrix operators, {phase.gb_per_s:.1f} GB/s over all"
    )
    if bandwidth is not None:
        reading += f", {phase.gb_per_s / bandwidth:.0%} of {bandwidth:g} GB/s"
    return [
        f"{title}\n{reading}",
        _rows("By part", phase.by_part()),
        _rows("By layer", phase.by_layer()),
        _rows("By operator", phase.by_operator(), top),
    ]


def _rows(title: str, rows: Sequence[Row], top: int | None = None) -> str:
    shown = [
        [row.name, f"{row.calls:g}", f"{row.ms:.3f}", f"{row.share:.1%}"] for row in rows[:top]
    ]
    rest = rows[len(shown) :]
    if rest:
        names = f"and {len(rest)} more"
        calls, ms = sum(row.calls for row in rest), sum(row.ms for row in rest)
        shown.append([names, f"{calls:g}", f"{ms:.3f}", f"{sum(row.share for row in rest):.1%}"])
    return table(shown, header=(title, "calls", "ms", ""), right="lrrr")


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table. Raises OutputError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text.getvalue(), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error

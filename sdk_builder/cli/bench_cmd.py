"""`shakti-sdk bench`: measure a bundle on phones and on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sdk_builder.cli.answers import Benched
from sdk_builder.cli.arguments import COUNTS, PATH, bundle_argument, complete_device, parse_threads
from sdk_builder.cli.group import describe
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.cli.requests import BenchOptions, PeerOptions
from sdk_builder.cli.several import failure_of
from sdk_builder.errors import UsageError

DEPTH_SWEEP = (0, 512, 2048, 3584)
KEPT = "What was measured is kept. After mending the cause, give the same command again."


@click.command("bench")
@bundle_argument
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="host|SERIAL|all",
    shell_complete=complete_device,
    help="Where to measure; may be repeated. all is every attached phone.  "
    "[default: the one attached phone]",
)
@click.option(
    "-o", "--output", type=PATH, default=Path("bench"), show_default=True, help="Results' folder."
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Samples of each case, each from a process of its own.  [default: 5]",
)
@click.option("--prefill", type=COUNTS, metavar="N,…", help="Prompt tokens.  [default: 128,512]")
@click.option("--decode", type=COUNTS, metavar="N,…", help="Answer tokens.  [default: 128]")
@click.option(
    "--depths", type=COUNTS, metavar="N,…", help="Tokens already in the KV cache.  [default: 0]"
)
@click.option("--depth-sweep", is_flag=True, help="--depths 0,512,2048,3584")
@click.option(
    "--threads",
    metavar="auto|N,…",
    help="Threads of the runtime; auto tries 1, 2, 4, … up to the cores.  [default: the runtime's]",
)
@click.option("--quick", is_flag=True, help="A first look: 2 rounds of short cases.")
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0),
    default=15.0,
    show_default=True,
    metavar="MIN",
    help="Longest wait for a phone to cool down or charge, in minutes, before each round.",
)
@click.option("--again", is_flag=True, help="Measure anew beside a result that is complete.")
@click.option("--clean", is_flag=True, help="Take the bundle off the phone at the end.")
@click.option(
    "--peer", type=click.Choice(["llama.cpp"]), help="Also measure a peer on this machine."
)
@click.option("--peer-binary", type=PATH, help="The peer's program: llama-bench.")
@click.option("--peer-model", type=PATH, help="The peer's model: a .gguf file.")
@command_options
def bench(invocation: Invocation, bundle: Path, **options: Any) -> None:
    """Measure BUNDLE: load, prefill, decode, time to first token, memory.

    Each round is a process of its own that measures every case once. A run that was stopped or
    cut short goes on where it was when the same command is given again; nothing is measured
    twice. docs/benchmarking.md tells how to get numbers that can be trusted.
    """
    request = _options(bundle, options)
    outcomes = invocation.library.bench(request, invocation.steps())
    document = {"results": [_document(one) for one in outcomes]}
    text = "\n\n".join(_text(one) for one in outcomes)
    failed = [(one.device, one.error) for one in outcomes if one.error is not None]
    if failed:
        invocation.failed(document, text, failure_of(failed, len(outcomes), KEPT))
    invocation.result(document, text)
    if all(one.already for one in outcomes):
        invocation.remark("It was complete already. To measure anew: --again")
    invocation.remark(f"Next: shakti-sdk report {request.output}")


def _options(bundle: Path, given: dict[str, Any]) -> BenchOptions:
    if given.pop("depth_sweep"):
        if given["depths"]:
            raise UsageError("--depths and --depth-sweep contradict each other.")
        given["depths"] = DEPTH_SWEEP
    name, binary, model = (given.pop(key) for key in ("peer", "peer_binary", "peer_model"))
    if name and not (binary and model):
        raise UsageError(
            f"--peer {name} needs --peer-binary and --peer-model.",
            "Give the path of llama-bench and of a .gguf file of the same model.",
        )
    if not name and (binary or model):
        raise UsageError("--peer-binary and --peer-model need --peer.")
    peer = PeerOptions(name, binary, model) if name else None
    given["threads"] = parse_threads(given["threads"])
    given["max_wait_s"] = given.pop("max_wait") * 60
    return BenchOptions(bundle=bundle, peer=peer, **given)


def _document(one: Benched) -> dict[str, Any]:
    return {
        "device": one.device,
        "file": None if one.path is None else str(one.path),
        "complete": one.error is None,
        "cases": [
            {
                "case": row.case,
                "samples": row.samples,
                "invalid": row.invalid,
                "median": row.median,
                "low_quartile": row.low_quartile,
                "high_quartile": row.high_quartile,
                "unit": row.unit,
            }
            for row in one.rows
        ],
        "peak_memory_bytes": one.peak_memory_bytes,
        "notes": list(one.notes),
        "error": None if one.error is None else describe(one.error).document(),
    }


def _text(one: Benched) -> str:
    lines = [one.device]
    if one.rows:
        rows = [
            [
                row.case,
                f"{row.median:.1f} {row.unit}",
                f"{row.low_quartile:.1f} to {row.high_quartile:.1f}",
                str(row.samples) + (f" (+{row.invalid} invalid)" if row.invalid else ""),
            ]
            for row in one.rows
        ]
        header = ("case", "median", "quartiles", "samples")
        lines.append(table(rows, header=header, right=" rrr"))
    if one.peak_memory_bytes:
        lines.append(f"  peak memory {one.peak_memory_bytes / 2**20:.0f} MiB")
    lines += [f"  note: {note}" for note in one.notes]
    if one.error is not None:
        lines.append(f"  failed: {one.error.message}")
        lines += [f"    {line}" for line in one.error.hint.splitlines()[:1]]
    if one.path is not None:
        lines.append(f"  {one.path}")
    return "\n".join(lines)

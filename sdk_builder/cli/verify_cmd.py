"""`shakti-sdk verify`: check a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from sdk_builder.cli.arguments import bundle_argument, complete_model
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.errors import VerificationError

MARKS = {"pass": "✓", "fail": "✗", "skipped": "·"}


@click.command("verify")
@bundle_argument
@click.option(
    "--against",
    metavar="MODEL",
    shell_complete=complete_model,
    help="Also compare with the float model: the name, folder or file it was exported from.",
)
@command_options
def verify(invocation: Invocation, bundle: Path, against: str | None) -> None:
    """Check BUNDLE: schema, hashes, operators, golden tokens.

    Ends with exit code 5 if a check fails.
    """
    report = invocation.library.verify(bundle, against, invocation.steps())
    document = {
        "bundle": str(bundle),
        "ok": report.ok,
        "checks": [
            {"name": check.name, "status": check.status, "detail": check.detail}
            for check in report.results
        ],
    }
    text = table([[MARKS[check.status], check.name, check.detail] for check in report.results])
    if report.ok:
        invocation.result(document, text)
        return
    failed = [check.name for check in report.results if check.status == "fail"]
    error = VerificationError(
        f"{len(failed)} of {len(report.results)} checks failed: {', '.join(failed)}.",
        "A bundle that was damaged or changed must be exported again; --against must name the "
        "model that it was exported from.",
    )
    invocation.failed(document, text, error)

"""`shakti-sdk doctor`: can this machine do the job?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sdk_builder.cli.arguments import complete_device
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.errors import DeviceError, ToolchainError

if TYPE_CHECKING:
    from sdk_builder.findings import Finding

MARKS = {"ok": "✓", "warning": "!", "missing": "✗"}


@click.command("doctor")
@click.option("--network", is_flag=True, help="Also check that the package index answers.")
@click.option(
    "--device",
    is_flag=False,
    flag_value="",
    metavar="[SERIAL]",
    shell_complete=complete_device,
    help="Look at an attached phone instead of this machine.",
)
@command_options
def doctor(invocation: Invocation, *, network: bool, device: str | None) -> None:
    """Check Python, packages, runtime, disk and memory; each miss comes with its fix.

    Ends with exit code 7 if something that the main job needs is missing, and with 6 if a
    phone cannot be benchmarked.
    """
    if device is None:
        findings = invocation.library.doctor(network=network)
    else:
        findings = invocation.library.doctor_device(device, invocation.steps())
    missing = [finding.name for finding in findings if finding.status == "missing"]
    document = {
        "ok": not missing,
        "findings": [
            {"name": f.name, "status": f.status, "detail": f.detail, "fix": f.fix} for f in findings
        ],
    }
    text = _text(findings)
    if not missing:
        invocation.result(document, text)
        return
    family = ToolchainError if device is None else DeviceError
    error = family(f"Not ready: {', '.join(missing)}.", "Each miss above has its fix.")
    invocation.failed(document, text, error)


def _text(findings: Sequence[Finding]) -> str:
    rows = table([[MARKS[finding.status], finding.name, finding.detail] for finding in findings])
    lines = []
    for finding, row in zip(findings, rows.splitlines(), strict=True):
        lines += [row, f"       fix: {finding.fix}"] if finding.fix else [row]
    return "\n".join(lines)

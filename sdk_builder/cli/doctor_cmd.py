"""`shakti-sdk doctor`: can this machine do the job?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from sdk_builder.cli.arguments import complete_phone
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table
from sdk_builder.errors import DeviceError, ShaktiError, ToolchainError, UsageError

if TYPE_CHECKING:
    from sdk_builder.findings import Finding

MARKS = {"ok": "✓", "warning": "!", "missing": "✗"}
FOR_THE_APP = "To build the demo app"


@click.command("doctor")
@click.option("--network", is_flag=True, help="Also check that the package index answers.")
@click.option(
    "--android", is_flag=True, help="Look only at what building the demo app takes, strictly."
)
@click.option(
    "--device",
    is_flag=False,
    flag_value="",
    metavar="[SERIAL]",
    shell_complete=complete_phone,
    help="Look at an attached phone instead of this machine.",
)
@command_options
def doctor(invocation: Invocation, *, network: bool, android: bool, device: str | None) -> None:
    """Check Python, packages, runtime, disk and memory; each miss comes with its fix.

    What is missing to build the demo app is a warning here, and a miss with --android.

    Ends with exit code 7 if something that the main job needs is missing, and with 6 if a
    phone cannot be benchmarked.
    """
    if device is not None and (network or android):
        raise UsageError("--device looks at a phone; the other options at this machine.")
    if android and network:
        raise UsageError("--network belongs to the main job: leave --android out.")
    library = invocation.library
    if device is not None:
        _tell(invocation, library.doctor_device(device, invocation.steps()), DeviceError)
    elif android:
        _tell(invocation, library.doctor_app(), ToolchainError)
    else:
        findings = library.doctor(network=network)
        app = [_mild(finding) for finding in library.doctor_app()]
        _tell(invocation, findings, ToolchainError, app)


def _mild(finding: Finding) -> Finding:
    """The same for somebody who only exports: nothing is missing."""
    return replace(finding, status="warning") if finding.status == "missing" else finding


def _tell(
    invocation: Invocation,
    findings: Sequence[Finding],
    family: type[ShaktiError],
    app: Sequence[Finding] = (),
) -> None:
    missing = [finding.name for finding in findings if finding.status == "missing"]
    document: dict[str, Any] = {"ok": not missing, "findings": [asdict(one) for one in findings]}
    text = _text(findings)
    if app:
        document["android"] = [asdict(one) for one in app]
        text += f"\n\n{FOR_THE_APP}\n{_text(app)}"
    if not missing:
        invocation.result(document, text)
        return
    error = family(f"Not ready: {', '.join(missing)}.", "Each miss above has its fix.")
    invocation.failed(document, text, error)


def _text(findings: Sequence[Finding]) -> str:
    rows = table([[MARKS[finding.status], finding.name, finding.detail] for finding in findings])
    lines = []
    for finding, row in zip(findings, rows.splitlines(), strict=True):
        lines += [row, f"       fix: {finding.fix}"] if finding.fix else [row]
    return "\n".join(lines)

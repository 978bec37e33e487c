"""`shakti-sdk devices`: which phones are attached, and whether they can run the app."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sdk_builder.cli.answers import DeviceRow
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import table


@click.command("devices")
@command_options
def devices(invocation: Invocation) -> None:
    """List the attached phones.

    A phone that is not ready is listed with what to do about it. `shakti-sdk doctor --device`
    looks at one more closely.
    """
    rows = invocation.library.devices(invocation.steps())
    document = {"devices": [_document(row) for row in rows]}
    if not rows:
        invocation.result(document, "No phone is attached.")
        invocation.remark(
            "Connect one by USB with USB debugging on (Developer options), or: "
            "adb connect ADDRESS:PORT"
        )
        return
    invocation.result(document, _text(rows))
    if any(row.state == "device" for row in rows):
        invocation.remark("Next: shakti-sdk bench BUNDLE --device SERIAL")


def _document(row: DeviceRow) -> dict[str, object]:
    facts = None if row.facts is None else row.facts.model_dump(mode="json")
    return {
        "serial": row.serial,
        "state": row.state,
        "facts": facts,
        "app_version": row.app_version,
        "fix": row.fix,
    }


def _text(rows: Sequence[DeviceRow]) -> str:
    cells = []
    for row in rows:
        facts = row.facts
        if facts is None:
            cells.append([row.serial, row.state, "", "", "", ""])
            continue
        cells.append(
            [
                row.serial,
                "ready",
                f"{facts.maker} {facts.model}".strip(),
                facts.system,
                f"{facts.abi}, {len(facts.core_max_mhz) or '?'} cores, "
                f"{facts.memory_bytes / 2**30:.1f} GiB",
                f"app {row.app_version}" if row.app_version else "no app",
            ]
        )
    header = ("serial", "state", "model", "system", "machine", "demo app")
    lines = [table(cells, header=header)]
    lines += [f"  {row.serial}: {row.fix}" for row in rows if row.fix]
    return "\n".join(lines)

"""An APK of the demo app, for people and for programs."""

from __future__ import annotations

from typing import Any

from sdk_builder.cli.answers import ApkView
from sdk_builder.cli.output import human_bytes, table

# Android lets no app open a connection without it; the others only tell about the network.
NETWORK_PERMISSION = "android.permission.INTERNET"
_PREFIX = "android.permission."
_RELEASES = {28: "9", 29: "10", 30: "11", 31: "12", 33: "13", 34: "14", 35: "15", 36: "16"}


def apk_text(report: ApkView, *, details: bool = False) -> str:
    """A line with its size, sizes by part, and what a user should know; `details` adds the rest."""
    title = (
        f"{report.package} {report.version_name} ({report.version_code}), "
        f"{human_bytes(report.size_bytes)}"
    )
    rows = [[part.name, human_bytes(part.size_bytes)] for part in report.parts]
    facts = [
        ["runtime", report.runtime],
        ["processors", ", ".join(report.abis) or "any"],
        ["Android", _android(report)],
        *(["signed by", f"{one.subject}, SHA-256 {one.sha256[:16]}…"] for one in report.signers),
        ["signature", ", ".join(report.schemes) or "none"],
        ["permissions", _permissions(report, details)],
        *(["limit", limit] for limit in report.limits),
    ]
    sections = [title, table(rows, right="lr") if rows else "", table(facts)]
    if details and report.libraries:
        sections.append("Native libraries\n" + _libraries(report))
    return "\n".join(filter(None, sections))


def _android(report: ApkView) -> str:
    release = _RELEASES.get(report.min_sdk)
    least = f"{release} (API {report.min_sdk})" if release else f"API {report.min_sdk}"
    return f"{least} or newer, made for API {report.target_sdk}"


def _permissions(report: ApkView, details: bool) -> str:
    """What it means for privacy first; their names only where details are asked for."""
    reaches = NETWORK_PERMISSION in report.permissions
    first = (
        f"{NETWORK_PERMISSION}: it can reach the network"
        if reaches
        else ("none that reach the network")
    )
    names = [name.removeprefix(_PREFIX) for name in report.permissions]
    return f"{first} ({', '.join(names)})" if details and names else first


def _libraries(report: ApkView) -> str:
    rows = [
        [one.name, one.abi, human_bytes(one.size_bytes), f"{one.alignment_bytes // 1024} KiB pages"]
        for one in report.libraries
    ]
    return table(rows, right="llr")


def apk_document(report: ApkView) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "package": report.package,
        "version_name": report.version_name,
        "version_code": report.version_code,
        "min_sdk": report.min_sdk,
        "target_sdk": report.target_sdk,
        "size_bytes": report.size_bytes,
        "runtime": report.runtime,
        "limits": list(report.limits),
        "abis": list(report.abis),
        "permissions": list(report.permissions),
        "signers": [{"subject": one.subject, "sha256": one.sha256} for one in report.signers],
        "signature_schemes": list(report.schemes),
        "parts": [{"name": one.name, "size_bytes": one.size_bytes} for one in report.parts],
        "libraries": [
            {
                "name": one.name,
                "abi": one.abi,
                "size_bytes": one.size_bytes,
                "alignment_bytes": one.alignment_bytes,
            }
            for one in report.libraries
        ],
    }

"""An APK of the demo app, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sdk_builder.cli.output import human_bytes, table

if TYPE_CHECKING:
    from sdk_builder.app.inspection import ApkReport

# Android lets no app open a connection without it; the others only tell about the network.
NETWORK_PERMISSION = "android.permission.INTERNET"
_PREFIX = "android.permission."


def apk_text(report: ApkReport, *, details: bool = False) -> str:
    """A line with its size, sizes by part, and what a user should know; `details` adds the rest."""
    title = (
        f"{report.package} {report.version_name} ({report.version_code}), "
        f"{human_bytes(report.size_bytes)}"
    )
    sizes = [
        [part, human_bytes(size), f"{size / report.size_bytes:.1%}"]
        for part, size in report.size_by_part.items()
    ]
    limits = report.runtime.limits if report.runtime else ()
    facts = [
        ["runtime", _runtime(report)],
        *(["limit", limit] for limit in limits),
        ["processors", ", ".join(report.abis) or "any"],
        ["runs on", f"{_release(report.min_sdk)} or newer, made for {_release(report.target_sdk)}"],
        ["signature", ", ".join(report.signature_schemes) or "none"],
        *(["signed by", f"{signer[:16]}… (SHA-256)"] for signer in report.signers),
        ["permissions", _permissions(report, details)],
        *(["problem", problem] for problem in report.problems),
    ]
    sections = [title, table(sizes, right="lrr"), table(facts)]
    if details:
        sections += [_dex(report), _libraries(report)]
    return "\n".join(filter(None, sections))


def _runtime(report: ApkReport) -> str:
    found = report.runtime
    return f"{found.flavour}: {found.title} {found.version}" if found else "not known"


def _release(api: int | None) -> str:
    from sdk_builder.device.app import RELEASES

    if api is None:
        return "any Android"
    name = RELEASES.get(api)
    return f"Android {name} (API {api})" if name else f"Android API {api}"


def _permissions(report: ApkReport, details: bool) -> str:
    """What it means for privacy first; their names only where details are asked for."""
    reaches = NETWORK_PERMISSION in report.permissions
    first = "it can reach the network" if reaches else "none that reach the network"
    names = [name.removeprefix(_PREFIX) for name in report.permissions]
    return f"{first} ({', '.join(names)})" if names and (details or reaches) else first


def _dex(report: ApkReport) -> str:
    rows = [
        [
            dex.name,
            human_bytes(dex.size_bytes),
            f"{dex.facts.classes} classes",
            f"{dex.facts.methods} methods",
        ]
        for dex in report.dex
    ]
    return f"Dex files\n{table(rows, right='lrrr')}" if rows else ""


def _libraries(report: ApkReport) -> str:
    rows = [
        [
            f"{one.abi}/{one.name}",
            human_bytes(one.size_bytes),
            f"for pages of {one.load_alignment // 1024} KiB",
            "deflated" if one.zip_alignment is None else f"at {one.zip_alignment // 1024} KiB",
        ]
        for one in report.libraries
    ]
    return f"Native libraries\n{table(rows, right='lr')}" if rows else ""


def apk_document(report: ApkReport) -> dict[str, Any]:
    """The same as JSON."""
    fields = asdict(report)
    del fields["path"], fields["certificates"]
    reaches = NETWORK_PERMISSION in report.permissions
    return {**fields, "reaches_network": reaches, "problems": list(report.problems)}

"""APKs that are a line of text: what the shipped fake phone installs, and what is inside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdk_builder.app.dexfile import DexFacts
from sdk_builder.app.inspection import ApkReport, Dex, NativeLibrary, RuntimeRecord
from sdk_builder.device.app import signature_hash
from sdk_builder.device.demo_app import PACKAGE
from sdk_builder.errors import ApkError

OURS, OTHERS = b"our key", b"another key"
CERTIFICATES = {signature_hash(certificate): certificate for certificate in (OURS, OTHERS)}
NATIVE = NativeLibrary("arm64-v8a", "libexecutorch.so", 9_000_000, 16384, 16384)
SMALL_PAGES = replace(NATIVE, load_alignment=4096)
OFFICIAL = RuntimeRecord("official", "ExecuTorch", "1.5.1", ())
COMMUNITY = RuntimeRecord("community", "ExecuTorch of others", "0.5.15", ("4 KiB pages",))


def sha256(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def apk_report(*, certificate: bytes = OURS, **changes: Any) -> ApkReport:
    """What is inside an APK of the app."""
    fields: dict[str, Any] = {
        "path": Path("demo.apk"),
        "size_bytes": 10_000_000,
        "package": PACKAGE,
        "version_name": "1.2.0",
        "version_code": 12,
        "min_sdk": 26,
        "target_sdk": 35,
        "debuggable": False,
        "permissions": ("android.permission.POST_NOTIFICATIONS",),
        "abis": ("arm64-v8a",),
        "libraries": (NATIVE,),
        "dex": (Dex("classes.dex", 700_000, DexFacts(39, 812, 4001, 900, True, True)),),
        "size_by_part": {"native libraries": 9_000_000, "dex": 1_000_000},
        "signature_schemes": ("v2", "v3"),
        "signers": (sha256(certificate),),
        "runtime": OFFICIAL,
        "certificates": (certificate,),
    }
    return ApkReport(**{**fields, **changes})


def apk_line(report: ApkReport) -> str:
    """The APK itself."""
    signatures = ",".join(map(signature_hash, report.certificates))
    return f"{report.package} {report.version_name} {report.version_code} {signatures}"


def read_apk(path: Path, known: ApkReport) -> ApkReport:
    """What is in an APK: `known` if it is that one, else as much as the line of text says.

    Raises ApkError.
    """
    try:
        text = path.read_text()
        package, name, code, signature = text.split()
    except (OSError, ValueError) as error:
        raise ApkError(f"{path} is no APK.") from error
    if text == apk_line(known):
        return known
    return apk_report(
        certificate=CERTIFICATES[signature],
        package=package,
        version_name=name,
        version_code=int(code),
    )


def inspecting(known: ApkReport) -> Callable[[Path], ApkReport]:
    """An inspection that knows one APK."""
    return lambda path: read_apk(path, known)

"""Whether an APK will go onto a phone and run there, asked before anything is sent.

Android would say so too, but after the push, and in a word such as
INSTALL_FAILED_UPDATE_INCOMPATIBLE.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sdk_builder.app.inspection import ApkReport
from sdk_builder.device.adb import AdbPhone
from sdk_builder.device.app import (
    ABIS,
    COMMAND_S,
    InstalledApp,
    installed_apk,
    require_runnable,
    signature_hash,
)
from sdk_builder.device.demo_app import uninstall_command
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.files import pull
from sdk_builder.errors import InstallFailedError, ShaktiError, WrongAbiError

LARGE_PAGE_BYTES = 16384
# From here on Android loads libraries for 4 KiB pages on phones with 16 KiB ones, in a mode of
# its own.
COMPATIBLE_PAGES_API = 36

Inspect = Callable[[Path], ApkReport]


def require_fit(
    phone: AdbPhone,
    facts: DeviceFacts,
    apk: ApkReport,
    before: InstalledApp | None,
    inspect: Inspect,
) -> tuple[str, ...]:
    """Hold the APK against the phone and the app that it has (`before`); returns warnings.

    Raises WrongAbiError, AndroidTooOldError, InstallFailedError (with the `reason` that Android
    would give, where it would refuse).
    """
    require_runnable(facts, abis=(facts.abi,), min_api=apk.min_sdk or 0)
    abi = _common_abi(phone, facts, apk)
    warnings = _page_warnings(facts, apk, abi)
    if before is not None:
        _require_no_downgrade(phone, apk, before)
        _require_signer(phone, apk, before, inspect)
    return warnings


def signer_conflict(phone: AdbPhone, apk: ApkReport, inspect: Inspect) -> InstallFailedError | None:
    """The error that names the signers of the installed app and of the APK, if they differ.

    The installed APK itself is looked at; None also where the phone does not give it away.
    """
    theirs = _installed_signers(phone, apk.package, inspect)
    if not theirs or set(apk.signers) & set(theirs):
        return None
    return InstallFailedError(
        f"The app on phone {phone.serial} was signed with the key {_names(theirs)}, this APK with "
        f"{_names(apk.signers)}: Android lets only the same key replace an app.",
        "Build with the same keystore (shakti-sdk demo build --keystore FILE --key-alias NAME), "
        "or give up the installed app's chats and imported models: "
        + uninstall_command(phone.serial),
        serial=phone.serial,
        reason="INSTALL_FAILED_UPDATE_INCOMPATIBLE",
    )


def _common_abi(phone: AdbPhone, facts: DeviceFacts, apk: ApkReport) -> str:
    """The ABI that Android will take: the first of the phone's that the APK has; "": any."""
    listed = phone.shell(["getprop", "ro.product.cpu.abilist"], timeout_s=COMMAND_S).text
    runs = [abi for abi in listed.strip().split(",") if abi] or [facts.abi]
    found = next((abi for abi in runs if abi in apk.abis), None)
    if found is not None or not any(runs) or not apk.abis:
        return found or ""
    wanted = next((abi for abi in runs if abi in ABIS), None)
    raise WrongAbiError(
        f"Phone {phone.serial} ({facts.model}) runs {', '.join(runs)}; this APK is for "
        f"{', '.join(apk.abis)}.",
        f"Build it for this phone: shakti-sdk demo build --abi {wanted} --force"
        if wanted
        else "Use a phone with a 64-bit Android.",
        serial=phone.serial,
    )


def _page_warnings(facts: DeviceFacts, apk: ApkReport, abi: str) -> tuple[str, ...]:
    """Whether the native libraries fit the phone's memory pages."""
    if facts.page_size_bytes < LARGE_PAGE_BYTES:
        return ()
    small = [
        library.name
        for library in apk.libraries
        if library.abi == abi and not library.fits_large_pages
    ]
    if not small:
        return ()
    why = (
        f"Phone {facts.id} ({facts.model}) has memory pages of {facts.page_size_bytes // 1024} "
        f"KiB, and {', '.join(small)} in this APK is made for smaller ones"
    )
    if facts.api_level >= COMPATIBLE_PAGES_API:
        return (f"{why}: Android runs it in a compatibility mode, and says so at the start.",)
    raise InstallFailedError(
        f"{why}: it would not start.",
        "Build with the official runtime: shakti-sdk demo build --runtime official",
        serial=facts.id,
    )


def _require_no_downgrade(phone: AdbPhone, apk: ApkReport, before: InstalledApp) -> None:
    if before.version_code <= apk.version_code:
        return
    raise InstallFailedError(
        f"Phone {phone.serial} has version {before.version_name} ({before.version_code}) of the "
        f"app, this APK is {apk.version_name} ({apk.version_code}): Android installs no older "
        "one over it.",
        "Update shakti-sdk and build again, or give up the installed app's chats and imported "
        f"models: {uninstall_command(phone.serial)}",
        serial=phone.serial,
        reason="INSTALL_FAILED_VERSION_DOWNGRADE",
    )


def _require_signer(
    phone: AdbPhone, apk: ApkReport, before: InstalledApp, inspect: Inspect
) -> None:
    """The hash that Android prints is only a hint: the installed APK has the last word."""
    ours = {signature_hash(certificate) for certificate in apk.certificates}
    if not before.signatures or ours & set(before.signatures):
        return
    conflict = signer_conflict(phone, apk, inspect)
    if conflict is not None:
        raise conflict


def _installed_signers(phone: AdbPhone, package: str, inspect: Inspect) -> tuple[str, ...]:
    """Empty where the installed APK cannot be had, or cannot be read."""
    try:
        path = installed_apk(phone, package)
        if path is None:
            return ()
        with tempfile.TemporaryDirectory(prefix="shakti-apk-") as folder:
            copy = Path(folder) / "installed.apk"
            pull(phone, path, copy)
            return inspect(copy).signers
    except ShaktiError:
        return ()  # then Android decides, and says less


def _names(signers: Sequence[str]) -> str:
    """For people: the beginning of each certificate's SHA-256, as `demo inspect` shows it."""
    return " and ".join(f"{signer[:16]}…" for signer in signers) or "none"

"""An app on a phone: whether it may run there, is installed, or runs; installing it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdk_builder.device.adb import AdbPhone, ShellResult
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.files import PUBLIC_ROOT, remove
from sdk_builder.device.push import Progress, push
from sdk_builder.device.refusals import command_failed
from sdk_builder.errors import (
    AndroidTooOldError,
    DeviceError,
    InstallFailedError,
    WrongAbiError,
)

ABIS = ("arm64-v8a", "x86_64")  # that the runtime's libraries are built for
MIN_API = 26  # Android 8.0; the app's minSdk
COMMAND_S = 30.0
INSTALL_S = 300.0  # phones compile and scan what they install
INSTALL_FILE = f"{PUBLIC_ROOT}/shakti/install.apk"

RELEASES = {  # of Android, by API level
    **{26: "8.0", 27: "8.1", 28: "9", 29: "10", 30: "11", 31: "12", 32: "12L", 33: "13"},
    **{34: "14", 35: "15", 36: "16"},
}
_OTHER_KEY = (
    "An app of this name with another signature is installed. Uninstall it first (its data is "
    "lost): shakti-sdk demo uninstall"
)
# The first row whose word is in Android's reason counts.
INSTALL_FIXES = (
    ("UPDATE_INCOMPATIBLE", _OTHER_KEY),
    ("INCONSISTENT_CERTIFICATES", _OTHER_KEY),
    ("SHARED_USER_INCOMPATIBLE", _OTHER_KEY),
    ("VERSION_DOWNGRADE", "A newer version is installed. Uninstall it first: "
     "shakti-sdk demo uninstall"),
    ("INSUFFICIENT_STORAGE", "Free some space on the phone, then try again."),
    ("NO_MATCHING_ABIS", f"The phone's processor cannot run the app; it needs {ABIS[0]}."),
    ("OLDER_SDK", "The phone's Android is too old for the app: it needs Android "
     f"{RELEASES[MIN_API]} or newer."),
    ("USER_RESTRICTED", "The phone asks before it installs: unlock it and accept. On Xiaomi "
     "phones switch on 'Install via USB' in the developer options."),
    ("VERIFICATION", "The phone's app check refused it: switch off 'Verify apps over USB' in the "
     "developer options, or accept the dialog on the phone."),
    ("TEST_ONLY", "Build the app again; this APK is marked as for tests only."),
    ("INVALID_APK", "The APK is damaged: build it again."),
    ("PARSE_FAILED_NO_CERTIFICATES", "The APK is not signed: build it again."),
    ("PARSE_FAILED", "The APK is damaged: build it again."),
    ("ABORTED", "The installation was cancelled on the phone: unlock it, and accept it there."),
)  # fmt: skip


@dataclass(frozen=True)
class InstalledApp:
    """An app that is installed for the phone's first user.

    signatures: `signature_hash` of the certificates of its signers; empty: the phone does not say.
    """

    package: str
    version_name: str
    version_code: int
    signatures: tuple[str, ...] = ()


def require_runnable(
    facts: DeviceFacts, abis: Sequence[str] = ABIS, min_api: int = MIN_API
) -> None:
    """Raise WrongAbiError or AndroidTooOldError where the app cannot run; unknown facts pass."""
    if facts.abi and facts.abi not in abis:
        raise WrongAbiError(
            f"Phone {facts.id} ({facts.model}) runs {facts.abi}; the app needs "
            f"{' or '.join(abis)}.",
            "Use a phone with a 64-bit Android.",
            serial=facts.id,
        )
    if facts.api_level and facts.api_level < min_api:
        raise AndroidTooOldError(
            f"Phone {facts.id} ({facts.model}) has {facts.system or f'API {facts.api_level}'}; "
            f"the app needs Android {RELEASES.get(min_api, '')} (API {min_api}) or newer.",
            "Update its Android, or use another phone.",
            serial=facts.id,
        )


def installed_app(phone: AdbPhone, package: str) -> InstalledApp | None:
    """The installed app of this name, or None."""
    result = phone.shell(["dumpsys", "package", package], timeout_s=COMMAND_S)
    return parse_package(result.text, package)


def parse_package(text: str, package: str) -> InstalledApp | None:
    """What `dumpsys package PACKAGE` says; None if the first user has no such app."""
    # A package updated over a system one comes again under "Hidden system packages".
    _, found, block = text.partition(f"Package [{package}] (")
    block = re.split(r"^\s*(?:Package \[|Hidden system packages:)", block, flags=re.MULTILINE)[0]
    if not found or re.search(r"^\s*User 0:.*\binstalled=false\b", block, re.MULTILINE):
        return None
    name = re.search(r"^\s*versionName=(.*?)\s*$", block, re.MULTILINE)
    code = re.search(r"\bversionCode=(\d{1,18})\b", block)
    signed = re.search(r"\bsignatures=PackageSignatures\{[^\[\]}]*\[([0-9a-f, ]*)\]", block)
    return InstalledApp(
        package,
        name[1] if name else "",
        int(code[1]) if code else 0,
        tuple(filter(None, (signed[1] if signed else "").split(", "))),
    )


def signature_hash(certificate: bytes) -> str:
    """How `dumpsys package` names a certificate (DER): Java's hash of its bytes, hexadecimal.

    Too short to prove that two are the same; enough to tell that they differ.
    """
    value = 1
    for byte in certificate:
        value = (31 * value + byte - 256 * (byte > 127)) & 0xFFFFFFFF
    return f"{value:x}"


def installed_apk(phone: AdbPhone, package: str) -> str | None:
    """The path on the phone of an installed app's (base) APK; None if the phone tells none."""
    result = phone.shell(["pm", "path", package], timeout_s=COMMAND_S)
    paths = re.findall(r"^package:(/.+\.apk)\s*$", result.text, re.MULTILINE)
    return next((path for path in paths if path.endswith("/base.apk")), next(iter(paths), None))


def install(phone: AdbPhone, apk: Path, *, progress: Progress | None = None) -> None:
    """Install an APK, over an older version of it if there is one.

    Raises InstallFailedError with Android's own word as `reason`, and what `push` raises.
    """
    try:
        push(phone, apk, INSTALL_FILE, progress=progress)
        result = phone.shell(["pm", "install", "-r", "-t", INSTALL_FILE], timeout_s=INSTALL_S)
    finally:
        # A file left behind is not worth hiding how the installation ended.
        with suppress(DeviceError):
            remove(phone, INSTALL_FILE)
    # pm's exit code is 0 for some failures.
    if not _succeeded(result):
        raise _install_failed(phone.serial, apk, result)


def uninstall(phone: AdbPhone, package: str) -> bool:
    """Uninstall an app with its data; whether it was there.

    Raises CommandFailedError if the phone refuses.
    """
    if installed_app(phone, package) is None:
        return False
    result = phone.shell(["pm", "uninstall", package], timeout_s=INSTALL_S)
    if not _succeeded(result):
        raise command_failed(phone.serial, f"{package} cannot be uninstalled", result)
    return True


def force_stop(phone: AdbPhone, package: str) -> None:
    """End all processes of an app. Raises CommandFailedError."""
    result = phone.shell(["am", "force-stop", package], timeout_s=COMMAND_S)
    if result.returncode != 0:
        raise command_failed(phone.serial, f"{package} cannot be stopped", result)


def is_running(phone: AdbPhone, package: str) -> bool:
    """Whether a process of this name runs."""
    return bool(phone.shell(["pidof", package], timeout_s=COMMAND_S).text.split())


def _succeeded(result: ShellResult) -> bool:
    return any(line.strip() == "Success" for line in result.text.splitlines())


def _install_failed(serial: str, apk: Path, result: ShellResult) -> InstallFailedError:
    said = result.text + result.ran.stderr
    # Failure [INSTALL_FAILED_X: explanation], or [INSTALL_FAILED_X]; or words without brackets.
    reason = re.search(r"\bINSTALL_[A-Z0-9_]+", said)
    word = reason[0] if reason else ""
    fix = next((fix for key, fix in INSTALL_FIXES if key in word), "")
    shown = word or " ".join(said.split())[-200:] or f"exit code {result.returncode}"
    return InstallFailedError(
        f"Phone {serial} refused to install {apk.name}: {shown}.",
        fix or "Look at the phone's screen for a question, and try again.",
        serial=serial,
        ran=result.ran,
        reason=word,
    )

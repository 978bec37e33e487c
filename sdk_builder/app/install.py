"""The demo app on phones: installed, opened, uninstalled.

Each call does the same on every phone that is meant; one that fails does not keep the others from
it, and carries its error in its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sdk_builder.app.fit import Inspect, require_fit, signer_conflict
from sdk_builder.app.inspection import ApkReport
from sdk_builder.app.sources import android_demo
from sdk_builder.bundle.checks import require_intact
from sdk_builder.bundle.reader import Bundle
from sdk_builder.device import app
from sdk_builder.device.adb import Adb, AdbPhone
from sdk_builder.device.bundles import bring_bundle
from sdk_builder.device.demo_app import (
    BUNDLE_EXTRA,
    BUNDLES_FOLDER,
    MAIN_ACTIVITY,
    PACKAGE,
    install_command,
)
from sdk_builder.device.discovery import choose
from sdk_builder.device.files import remove
from sdk_builder.device.launch import launch
from sdk_builder.device.phone_facts import read_facts
from sdk_builder.errors import AppMissingError, InputError, InstallFailedError, ShaktiError
from sdk_builder.log import Steps


@dataclass(frozen=True)
class OnPhone:
    """What was done on one phone.

    version: of the app that is there now, empty if none; before: of the one that was there.
    bundle: the folder on the phone of the one that the app was opened on. pid: of the app's
    process, where it was opened. error: why it is not done.
    """

    serial: str
    version: str = ""
    before: str = ""
    bundle: str = ""
    pid: int | None = None
    warnings: tuple[str, ...] = ()
    error: ShaktiError | None = None


def chosen_phones(adb: Adb, wanted: Sequence[str], steps: Steps) -> Sequence[AdbPhone]:
    """The phones that `wanted` names (see `discovery.choose`); warns of those left out."""
    chosen = choose(adb, wanted)
    for warning in chosen.warnings:
        steps.warn(warning)
    return chosen.phones


def is_stale(apk: Path) -> bool:
    """Whether the app's sources were changed after the APK was built."""
    demo = android_demo()
    files = [*(demo / "app" / "src").rglob("*"), *(demo / "gradle").glob("*")]
    built = apk.stat().st_mtime
    return any(file.is_file() and file.stat().st_mtime > built for file in files)


def wanted_abis(phones: Sequence[AdbPhone]) -> tuple[str, ...]:
    """What to build for so that the app runs on all of them; the usual one where none tells."""
    own = {read_facts(phone).abi for phone in phones}
    return tuple(abi for abi in app.ABIS if abi in own) or app.ABIS[:1]


def install(
    phones: Sequence[AdbPhone], path: Path, bundle: Path | None, inspect: Inspect, steps: Steps
) -> list[OnPhone]:
    """Install the APK at `path`; with a bundle push that, and open the app on it.

    Raises ApkError, BundleError before anything is sent.
    """
    apk = inspect(path)
    if apk.package != PACKAGE:
        raise InputError(
            f"{path} is {apk.package}, not the demo app.", "Make it with: shakti-sdk demo build"
        )

    def on(phone: AdbPhone, opened: Bundle | None) -> OnPhone:
        done = _install(phone, path, apk, inspect, steps)
        return done if opened is None else _open(phone, opened, done, steps)

    return _everywhere(phones, bundle, on)


def run(phones: Sequence[AdbPhone], bundle: Path | None, steps: Steps) -> list[OnPhone]:
    """Open the installed app, on a bundle if one is given. Raises BundleError."""

    def on(phone: AdbPhone, opened: Bundle | None) -> OnPhone:
        found = app.installed_app(phone, PACKAGE)
        if found is None:
            raise _missing(phone)
        there = OnPhone(phone.serial, version=found.version_name, before=found.version_name)
        return _open(phone, opened, there, steps)

    return _everywhere(phones, bundle, on)


def uninstall(
    phones: Sequence[AdbPhone],
    confirm: Callable[[Sequence[str]], bool],
    steps: Steps,
    *,
    pushed_bundles: bool = False,
) -> list[OnPhone]:
    """Uninstall the app, if `confirm` agrees for the serials of the phones that have it.

    pushed_bundles: also remove the bundles that were pushed for it. Empty: not confirmed.
    """
    having = {phone.serial: app.installed_app(phone, PACKAGE) for phone in phones}
    serials = [serial for serial, found in having.items() if found]
    if serials and not confirm(serials):
        return []

    def on(phone: AdbPhone, _: Bundle | None) -> OnPhone:
        before = having[phone.serial]
        with steps.step(f"Uninstalling from {phone.serial}") as step:
            if not app.uninstall(phone, PACKAGE):
                step.result(f"Phone {phone.serial} has no demo app")
            if pushed_bundles:
                remove(phone, BUNDLES_FOLDER, recursive=True)
        return OnPhone(phone.serial, before=before.version_name if before else "")

    return _everywhere(phones, None, on)


def _everywhere(
    phones: Sequence[AdbPhone],
    bundle: Path | None,
    on: Callable[[AdbPhone, Bundle | None], OnPhone],
) -> list[OnPhone]:
    """Do it on each phone, with the bundle opened and found intact first."""
    done = []
    with ExitStack() as stack:
        opened = None
        if bundle is not None:
            opened = stack.enter_context(Bundle.open(bundle))
            require_intact(opened)
        for phone in phones:
            try:
                done.append(on(phone, opened))
            except ShaktiError as error:
                done.append(OnPhone(phone.serial, error=error))
    return done


def _install(
    phone: AdbPhone, path: Path, apk: ApkReport, inspect: Inspect, steps: Steps
) -> OnPhone:
    before = app.installed_app(phone, apk.package)
    warnings = require_fit(phone, read_facts(phone), apk, before, inspect)
    with steps.step(f"Installing {apk.version_name} on {phone.serial}") as step:
        try:
            app.install(phone, path, progress=step.progress)
        except InstallFailedError as error:
            if "UPDATE_INCOMPATIBLE" not in error.reason:
                raise
            conflict = signer_conflict(phone, apk, inspect)
            if conflict is None:
                raise
            raise conflict from error
        step.result(f"Installed {apk.version_name} on {phone.serial}")
    return OnPhone(
        phone.serial,
        version=apk.version_name,
        before=before.version_name if before else "",
        warnings=warnings,
    )


def _open(phone: AdbPhone, bundle: Bundle | None, done: OnPhone, steps: Steps) -> OnPhone:
    folder = bring_bundle(phone, bundle, steps) if bundle else ""
    with steps.step(f"Opening the app on {phone.serial}") as step:
        try:
            pid = launch(phone, MAIN_ACTIVITY, {BUNDLE_EXTRA: folder} if folder else {})
        except AppMissingError as error:
            raise _missing(phone) from error
        step.result(f"The app is open on {phone.serial}")
    return replace(done, bundle=folder, pid=pid)


def _missing(phone: AdbPhone) -> AppMissingError:
    return AppMissingError(
        f"The demo app is not installed on {phone.serial}.",
        install_command(phone.serial),
        serial=phone.serial,
    )

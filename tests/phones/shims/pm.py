"""`pm` of a stand-in phone: installs APKs as Android does, or refuses them in its words.

An APK is any file; one that is a zip with a stand-in.json is the app that this describes (the
fields of InstalledApp).
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

from tests.phones.shims.am import stop_app
from tests.phones.shims.state import APK_PATH, PACKAGE, InstalledApp, PhoneFolder

DESCRIPTION = "stand-in.json"


def pm(phone: PhoneFolder, arguments: list[str]) -> int:
    """Do what `pm` was asked for; its exit code."""
    command, *rest = arguments or [""]
    words = [word for word in rest if not word.startswith("-")]
    app = phone.read().app
    if command == "path":
        if app is None or words[:1] != [PACKAGE]:
            return 1
        return _say(f"package:{APK_PATH}")
    if command == "list":
        rows = [f"package:{PACKAGE} versionCode:{app.version_code}"] if app else []
        return _say(*(row for row in rows if len(words) < 2 or words[1] in row))
    if command == "install":
        return _install(phone, words[-1] if words else "")
    if command == "uninstall":
        if app is None or words[:1] != [PACKAGE]:
            return _fail("Failure [DELETE_FAILED_INTERNAL_ERROR]")
        stop_app(phone)
        Path(APK_PATH).unlink(missing_ok=True)
        with phone.changed() as state:
            state.app = None
        return _say("Success")
    return _fail(f"Unknown command: {command}", 255)


def _install(phone: PhoneFolder, path: str) -> int:
    if not Path(path).is_file():
        return _fail(f"Error: Unable to open file: {path}\nError: Can't open file: {path}")
    state = phone.read()
    new = _described(Path(path)) or state.app or InstalledApp()
    answer = _refusal(state.app, new) or _stored(path)
    if state.install_answer != "Success":
        answer = state.install_answer
    if answer:
        return _say(f"Failure [{answer}]") or 1
    stop_app(phone)
    with phone.changed() as changed:
        changed.app = new
    return _say("Success")


def _described(path: Path) -> InstalledApp | None:
    try:
        with zipfile.ZipFile(path) as apk:
            return InstalledApp(**json.loads(apk.read(DESCRIPTION)))
    except (zipfile.BadZipFile, KeyError):
        return None


def _refusal(old: InstalledApp | None, new: InstalledApp) -> str:
    if old is None:
        return ""
    if old.signature != new.signature:
        return (
            f"INSTALL_FAILED_UPDATE_INCOMPATIBLE: Existing package {PACKAGE} signatures do not "
            "match newer version; ignoring!"
        )
    if old.version_code > new.version_code:
        return (
            f"INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected: Update version code "
            f"{new.version_code} is older than current {old.version_code}"
        )
    return ""


def _stored(path: str) -> str:
    """Keep the APK, as Android does; why that did not work."""
    target = Path(APK_PATH)
    fresh = target.with_suffix(".new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, fresh)
    except OSError:
        fresh.unlink(missing_ok=True)
        return "INSTALL_FAILED_INSUFFICIENT_STORAGE"
    fresh.replace(target)
    return ""


def _say(*lines: str) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _fail(message: str, code: int = 1) -> int:
    sys.stderr.write(f"{message}\n")
    return code

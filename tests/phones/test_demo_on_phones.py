"""`shakti-sdk demo install|run|uninstall` against real adbds: real files, real conflicts.

The APKs here are zips with a description for the stand-in's `pm`, so that only the inspection of
an APK is not the SDK's own.
"""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sdk_builder.app.inspection import ApkReport
from sdk_builder.bundle.reader import Bundle
from sdk_builder.cli.installed import InstalledLibrary
from sdk_builder.cli.root import cli
from sdk_builder.device.app import signature_hash
from sdk_builder.device.bundles import bundle_folder
from tests.phones.bench_runs import Ended
from tests.phones.lab import MIB, Lab, Phone
from tests.phones.shims.pm import DESCRIPTION
from tests.phones.shims.state import APK_PATH, MAIN_ACTIVITY, PACKAGE, InstalledApp
from tests.unit.app.apks import OTHERS, OURS, SMALL_PAGES, apk_report, sha256
from tests.unit.bundle.samples import write_bundle

KEYS = {signature_hash(key): key for key in (OURS, OTHERS)}
OUR_HASH, OTHER_HASH = KEYS


class StandInLibrary(InstalledLibrary):
    """The real library, but for what is inside an APK."""

    def inspect_demo(self, apk: Path) -> ApkReport:
        with zipfile.ZipFile(apk) as archive:
            app = InstalledApp(**json.loads(archive.read(DESCRIPTION)))
        return apk_report(
            certificate=KEYS[app.signature],
            version_name=app.version,
            version_code=app.version_code,
        )


def demo(*arguments: str) -> Ended:
    """Run a demo command to its end, in this process."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            cli.main(["demo", *arguments], obj=StandInLibrary())
        except SystemExit as left:
            code = int(left.code or 0)
    return Ended(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def bare(phone: Phone) -> Phone:
    """A phone without the app."""
    with phone.changed() as state:
        state.app = None
    return phone


def apk(folder: Path, size: int = 0, **fields: Any) -> str:
    """The path of an APK; `fields` are those of InstalledApp."""
    app = InstalledApp(**{"version": "1.2.0", "version_code": 12, "signature": OUR_HASH, **fields})
    path = folder / "it's a demo;.apk"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(DESCRIPTION, json.dumps(asdict(app)))
        archive.writestr("padding", bytes(size))
    return str(path)


def test_an_apk_arrives_byte_for_byte_and_nothing_else_is_left(bare: Phone, tmp_path):
    path = apk(tmp_path, 3 * MIB)
    ended = demo("install", "--device", bare.serial, "--apk", path)
    assert (ended.code, ended.stdout) == (0, f"{bare.serial}: installed 1.2.0\n"), ended
    assert bare.path(APK_PATH).read_bytes() == Path(path).read_bytes()
    assert list(bare.path("/data/local/tmp/shakti").iterdir()) == []


def test_an_update_replaces_the_app(bare: Phone, tmp_path):
    demo("install", "--device", bare.serial, "--apk", apk(tmp_path))
    newer = apk(tmp_path, version="1.3.0", version_code=13)
    ended = demo("install", "--device", bare.serial, "--apk", newer)
    assert ended.stdout == f"{bare.serial}: installed 1.3.0 (was 1.2.0)\n"


def test_a_downgrade_is_refused_before_the_push(bare: Phone, tmp_path):
    newer = apk(tmp_path, version="1.3.0", version_code=13)
    demo("install", "--device", bare.serial, "--apk", newer)
    installs = bare.calls("pm")
    ended = demo("install", "--device", bare.serial, "--apk", apk(tmp_path, 8 * MIB))
    assert ended.code == 6
    assert "1.3.0 (13)" in ended.stderr
    assert "demo uninstall" in ended.stderr
    assert bare.calls("pm") == installs
    assert bare.state().app == InstalledApp("1.3.0", 13, OUR_HASH)


def test_another_signer_is_named_from_the_installed_apk_itself(bare: Phone, tmp_path):
    theirs = apk(tmp_path, MIB, signature=OTHER_HASH)
    demo("install", "--device", bare.serial, "--apk", theirs)
    ended = demo("install", "--device", bare.serial, "--apk", apk(tmp_path))
    assert ended.code == 6
    assert f"signed with the key {sha256(OTHERS)[:16]}" in ended.stderr
    assert f"this APK with {sha256(OURS)[:16]}" in ended.stderr
    assert [call[1] for call in bare.calls("pm")] == ["install", "path"]
    # The way on that the hint names:
    assert demo("uninstall", "--device", bare.serial, "--yes").code == 0
    assert demo("install", "--device", bare.serial, "--apk", apk(tmp_path)).code == 0


def test_a_full_phone_is_told_by_us_or_by_android(bare: Phone, tmp_path):
    path = apk(tmp_path, 2 * MIB)
    bare.fill("/data", leave_bytes=MIB)
    ended = demo("install", "--device", bare.serial, "--apk", path, "--json")
    assert ended.document["error"]["cause"] == "DeviceFullError"
    bare.path("/data/.filler").unlink()
    bare.fill("/data", leave_bytes=3 * MIB)  # for the push, but not for the copy that is kept
    ended = demo("install", "--device", bare.serial, "--apk", path, "--json")
    assert ended.document["error"]["cause"] == "InstallFailedError"
    assert "INSUFFICIENT_STORAGE" in ended.document["error"]["message"]
    assert "Free some space" in ended.document["error"]["hint"]
    assert bare.state().app is None


def test_a_phone_with_large_pages_gets_no_libraries_for_small_ones(
    bare: Phone, tmp_path, monkeypatch
):
    small = apk_report(libraries=(SMALL_PAGES,))
    monkeypatch.setattr(StandInLibrary, "inspect_demo", lambda *_: small)
    with bare.changed() as state:
        state.page_size_bytes = 16384
    ended = demo("install", "--device", bare.serial, "--apk", apk(tmp_path))
    assert ended.code == 6
    assert "16 KiB" in ended.stderr
    assert bare.calls("pm") == []


def test_a_bundle_comes_along_and_the_app_opens_on_it(bare: Phone, tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    with Bundle.open(folder) as bundle:
        there = bundle_folder(bundle)
        names = bundle.manifest.file_names
    ended = demo(
        "install", "--device", bare.serial, "--apk", apk(tmp_path), "--bundle", str(folder)
    )
    assert (ended.code, ended.stdout) == (
        0,
        f"{bare.serial}: installed 1.2.0, open on {there}\n",
    ), ended
    for name in names:
        assert bare.path(f"{there}/{name}").read_bytes() == (folder / name).read_bytes()
    assert bare.calls("am")[-1] == ["am", "start", "-n", MAIN_ACTIVITY, "-e", "bundle", there]
    assert bare.app_is_alive()

    again = demo("run", "--device", bare.serial, "--bundle", str(folder))
    assert again.code == 0


def test_run_reports_a_crash_with_its_log(bare: Phone, tmp_path):
    broken = apk(tmp_path, crash="java.lang.UnsatisfiedLinkError: libfbjni.so")
    demo("install", "--device", bare.serial, "--apk", broken)
    ended = demo("run", "--device", bare.serial)
    assert ended.code == 6
    assert "right after its start" in ended.stderr
    assert "libfbjni.so" in ended.stderr


def test_run_without_the_app_names_the_command(bare: Phone):
    ended = demo("run", "--device", bare.serial)
    assert ended.code == 6
    assert f"demo install --device {bare.serial}" in ended.stderr


def test_uninstall_takes_the_app_that_runs_and_leaves_pushed_bundles(bare: Phone, tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    path = apk(tmp_path)
    demo("install", "--device", bare.serial, "--apk", path, "--bundle", str(folder))
    ended = demo("uninstall", "--device", bare.serial, "--yes")
    assert ended.stdout == f"{bare.serial}: uninstalled 1.2.0\n"
    assert not bare.app_is_alive()
    bundles = bare.path("/data/local/tmp/shakti/bundles")
    assert list(bundles.iterdir())
    demo("uninstall", "--device", bare.serial, "--yes", "--pushed-bundles")
    assert not bundles.exists()


def test_all_phones_get_the_app_though_one_refuses(lab: Lab, tmp_path):
    for one in lab.phones:
        with one.changed() as state:
            state.app = None
    with lab.phones[1].changed() as state:
        state.install_answer = "INSTALL_FAILED_USER_RESTRICTED: Install canceled by user"
    ended = demo("install", "--device", "all", "--apk", apk(tmp_path), "--json")
    assert ended.code == 6
    errors = {one["serial"]: one["error"] is not None for one in ended.document["phones"]}
    assert errors == {one.serial: one is lab.phones[1] for one in lab.phones}
    assert lab.phones[2].state().app is not None
    assert PACKAGE not in ended.document["error"]["message"]

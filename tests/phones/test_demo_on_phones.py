"""`shakti-sdk demo install|run|uninstall` against real adbds: real files, real conflicts.

The APKs are real ones as far as the SDK reads them; the stand-in's `pm`, which knows neither
binary XML nor certificates, finds a description of its own in them.
"""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path

import pytest

from sdk_builder.app.archive import Entry, write_archive
from sdk_builder.bundle.reader import Bundle
from sdk_builder.cli.root import cli
from sdk_builder.device.app import signature_hash
from sdk_builder.device.bundles import bundle_folder
from tests.phones.bench_runs import Ended
from tests.phones.lab import MIB, Lab, Phone
from tests.phones.shims.pm import DESCRIPTION
from tests.phones.shims.state import APK_PATH, MAIN_ACTIVITY, PACKAGE, InstalledApp
from tests.unit.app.makers import Tag, binary_xml, elf, signing_block, with_signing_block
from tests.unit.bundle.samples import write_bundle

OURS, OTHERS = b"our certificate", b"another certificate"


def demo(*arguments: str) -> Ended:
    """Run a demo command to its end, in this process."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            cli.main(["demo", *arguments])
        except SystemExit as left:
            code = int(left.code or 0)
    return Ended(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def bare(phone: Phone) -> Phone:
    """A phone without the app."""
    with phone.changed() as state:
        state.app = None
    return phone


def apk(
    folder: Path,
    version: str = "1.2.0",
    code: int = 12,
    *,
    certificate: bytes = OURS,
    padding_bytes: int = 0,
    pages: int = 16384,
    crash: str = "",
) -> str:
    """The path of an APK of the app."""
    levels = Tag("uses-sdk", {"minSdkVersion": 28, "targetSdkVersion": 35})
    names: dict[str, str | int | bool] = {
        "package": PACKAGE,
        "versionCode": code,
        "versionName": version,
    }
    described = InstalledApp(version, code, signature_hash(certificate), crash)
    path = folder / "it's a demo;.apk"
    write_archive(
        path,
        [
            Entry("AndroidManifest.xml", binary_xml(Tag("manifest", names, [levels]))),
            Entry("lib/arm64-v8a/libone.so", elf(alignments=(pages,)), stored=True),
            Entry("padding", bytes(padding_bytes), stored=True),
            Entry(DESCRIPTION, json.dumps(asdict(described)).encode()),
        ],
    )
    block = signing_block({0x7109871A: certificate})
    path.write_bytes(with_signing_block(path.read_bytes(), block))
    return str(path)


def test_an_apk_arrives_byte_for_byte_and_nothing_else_is_left(bare: Phone, tmp_path):
    path = apk(tmp_path, padding_bytes=3 * MIB)
    ended = demo("install", "--device", bare.serial, "--apk", path)
    assert (ended.code, ended.stdout) == (0, f"{bare.serial}: installed 1.2.0\n"), ended
    assert bare.path(APK_PATH).read_bytes() == Path(path).read_bytes()
    assert list(bare.path("/data/local/tmp/shakti").iterdir()) == []


def test_an_update_replaces_the_app(bare: Phone, tmp_path):
    demo("install", "--device", bare.serial, "--apk", apk(tmp_path))
    newer = apk(tmp_path, "1.3.0", 13)
    ended = demo("install", "--device", bare.serial, "--apk", newer)
    assert ended.stdout == f"{bare.serial}: installed 1.3.0 (was 1.2.0)\n"


def test_a_downgrade_is_refused_before_the_push(bare: Phone, tmp_path):
    newer = apk(tmp_path, "1.3.0", 13)
    demo("install", "--device", bare.serial, "--apk", newer)
    installs = bare.calls("pm")
    ended = demo("install", "--device", bare.serial, "--apk", apk(tmp_path, padding_bytes=8 * MIB))
    assert ended.code == 6
    assert "1.3.0 (13)" in ended.stderr
    assert "demo uninstall" in ended.stderr
    assert bare.calls("pm") == installs
    assert bare.state().app == InstalledApp("1.3.0", 13, signature_hash(OURS))


def test_another_signer_is_named_from_the_installed_apk_itself(bare: Phone, tmp_path):
    theirs = apk(tmp_path, certificate=OTHERS, padding_bytes=MIB)
    demo("install", "--device", bare.serial, "--apk", theirs)
    ended = demo("install", "--device", bare.serial, "--apk", apk(tmp_path))
    assert ended.code == 6
    assert f"signed with the key {hashlib.sha256(OTHERS).hexdigest()[:16]}" in ended.stderr
    assert f"this APK with {hashlib.sha256(OURS).hexdigest()[:16]}" in ended.stderr
    assert [call[1] for call in bare.calls("pm")] == ["install", "path"]
    # The way on that the hint names:
    assert demo("uninstall", "--device", bare.serial, "--yes").code == 0
    assert demo("install", "--device", bare.serial, "--apk", apk(tmp_path)).code == 0


def test_a_full_phone_is_told_by_us_or_by_android(bare: Phone, tmp_path):
    path = apk(tmp_path, padding_bytes=2 * MIB)
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


def test_libraries_for_small_pages_do_not_go_onto_a_phone_with_large_ones(bare: Phone, tmp_path):
    with bare.changed() as state:
        state.page_size_bytes = 16384
    small = apk(tmp_path, pages=4096)
    ended = demo("install", "--device", bare.serial, "--apk", small)
    assert ended.code == 6
    assert "16 KiB" in ended.stderr
    assert "libone.so" in ended.stderr
    assert bare.calls("pm") == []
    assert demo("install", "--device", bare.serial, "--apk", apk(tmp_path)).code == 0


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

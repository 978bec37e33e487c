"""The app on phones: what keeps an APK from going there is told before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdk_builder.app.inspection import ApkReport
from sdk_builder.app.install import OnPhone, install, run, uninstall, wanted_abis
from sdk_builder.bundle.reader import Bundle
from sdk_builder.device.bundles import bundle_folder
from sdk_builder.device.demo_app import BUNDLES_FOLDER, MAIN_ACTIVITY, PACKAGE
from sdk_builder.device.fake import FakeApp, FakePhone, Reply
from sdk_builder.errors import (
    AndroidTooOldError,
    AppCrashedError,
    AppMissingError,
    BundleError,
    DeviceFullError,
    DeviceLostError,
    InputError,
    InstallFailedError,
    ShaktiError,
    WrongAbiError,
)
from sdk_builder.log import Steps
from tests.unit.app.apks import (
    NATIVE,
    OTHERS,
    OURS,
    SMALL_PAGES,
    apk_line,
    apk_report,
    inspecting,
    sha256,
)
from tests.unit.benchmark.bench_fakes import make_bundle
from tests.unit.benchmark.test_phone import PROPERTIES

APK = apk_report()
LARGE_PAGES = {"ro.product.cpu.pagesize.max": "16384"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    with make_bundle(tmp_path / "bundle") as made:
        return made.path


def make_phone(serial: str = "P1", **properties: str) -> FakePhone:
    return FakePhone(serial, properties={**PROPERTIES, **properties})


def having(phone: FakePhone, apk: ApkReport) -> FakePhone:
    """The phone with the APK installed."""
    phone.files["/data/local/tmp/old.apk"] = apk_line(apk).encode()
    assert phone.shell(["pm", "install", "/data/local/tmp/old.apk"], timeout_s=1).returncode == 0
    del phone.files["/data/local/tmp/old.apk"]
    phone.ran.clear()
    return phone


def put(tmp_path: Path, *phones: FakePhone, apk: ApkReport = APK, bundle: Path | None = None):
    """Install the APK on the phones."""
    path = tmp_path / "demo.apk"
    path.write_text(apk_line(apk))
    return install(phones, path, bundle, inspecting(apk), Steps.silent())


def refusal(tmp_path: Path, phone: FakePhone, apk: ApkReport = APK) -> ShaktiError:
    """Why the APK does not go onto the phone; nothing may have been sent."""
    (done,) = put(tmp_path, phone, apk=apk)
    assert done.error is not None
    assert not [argv for argv in phone.ran if argv[:2] == ("pm", "install")]
    assert not [name for name in phone.files if name.startswith("/data/local/tmp/")]
    return done.error


# --- installing ---------------------------------------------------------------------------------


def test_a_phone_without_the_app_has_it_then(tmp_path):
    phone = make_phone()
    assert put(tmp_path, phone) == [OnPhone("P1", version="1.2.0")]
    assert phone.apps[PACKAGE].version_code == 12
    assert phone.running == {}  # nobody asked for it to be opened


def test_an_update_tells_what_was_there(tmp_path):
    phone = having(make_phone(), replace(APK, version_name="1.1.0", version_code=11))
    (done,) = put(tmp_path, phone)
    assert (done.version, done.before, done.error) == ("1.2.0", "1.1.0", None)


def test_a_bundle_is_pushed_and_the_app_opened_on_it(tmp_path, bundle):
    phone = make_phone()
    (done,) = put(tmp_path, phone, bundle=bundle)
    with Bundle.open(bundle) as opened:
        folder = bundle_folder(opened)
        sent = {f"{folder}/{name}" for name in opened.manifest.file_names}
    assert (done.bundle, done.pid) == (folder, phone.running[PACKAGE])
    assert sent <= set(phone.files)
    assert ("am", "start", "-n", MAIN_ACTIVITY, "-e", "bundle", folder) in phone.ran


def test_a_damaged_bundle_is_refused_before_anything_is_sent(tmp_path, bundle):
    (bundle / "model.pte").write_bytes(b"x" * (bundle / "model.pte").stat().st_size)
    phone = make_phone()
    with pytest.raises(BundleError, match="damaged"):
        put(tmp_path, phone, bundle=bundle)
    assert phone.ran == []


def test_a_file_that_is_another_app_or_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="org.other, not the demo app"):
        put(tmp_path, make_phone(), apk=replace(APK, package="org.other"))
    (tmp_path / "x.apk").write_text("no apk")
    with pytest.raises(InputError):
        install([make_phone()], tmp_path / "x.apk", None, inspecting(APK), Steps.silent())


def test_one_phone_that_fails_does_not_keep_the_others_from_it(tmp_path):
    phones = [make_phone("A"), make_phone("B"), make_phone("C")]
    phones[0].unplug_after(calls=1)
    phones[1].capacity_bytes = 3
    done = put(tmp_path, *phones)
    assert [type(one.error) for one in done] == [DeviceLostError, DeviceFullError, type(None)]
    assert [one.serial for one in done] == ["A", "B", "C"]


# --- what does not fit --------------------------------------------------------------------------


def test_a_newer_app_is_not_replaced_and_both_versions_are_named(tmp_path):
    phone = having(make_phone(), replace(APK, version_name="2.0.0", version_code=20))
    error = refusal(tmp_path, phone)
    assert isinstance(error, InstallFailedError)
    assert error.reason == "INSTALL_FAILED_VERSION_DOWNGRADE"
    for words in ("2.0.0 (20)", "1.2.0 (12)"):
        assert words in error.message
    assert "demo uninstall --device P1" in error.hint
    assert "chats" in error.hint


def test_an_app_of_another_signer_is_not_replaced_and_both_signers_are_named(tmp_path):
    phone = having(make_phone(), apk_report(certificate=OTHERS))
    error = refusal(tmp_path, phone)
    assert isinstance(error, InstallFailedError)
    assert error.reason == "INSTALL_FAILED_UPDATE_INCOMPATIBLE"
    assert f"signed with the key {sha256(OTHERS)[:16]}" in error.message
    assert f"this APK with {sha256(OURS)[:16]}" in error.message
    assert "--keystore" in error.hint
    assert "demo uninstall --device P1" in error.hint


def test_a_signer_that_only_android_knows_is_told_in_its_words(tmp_path):
    phone = having(make_phone(), apk_report(certificate=OTHERS))
    phone.commands["dumpsys"] = lambda call: Reply(
        f"  Package [{PACKAGE}] (1):\n    versionCode=12 minSdk=28\n    versionName=1.2.0\n"
    )
    del phone.files[next(name for name in phone.files if name.endswith("base.apk"))]
    (done,) = put(tmp_path, phone)
    assert isinstance(done.error, InstallFailedError)
    assert done.error.reason == "INSTALL_FAILED_UPDATE_INCOMPATIBLE"
    assert "demo uninstall" in done.error.hint


def test_a_signer_that_android_does_not_print_is_named_after_its_refusal(tmp_path):
    phone = having(make_phone(), apk_report(certificate=OTHERS))
    phone.commands["dumpsys"] = lambda call: Reply(
        f"  Package [{PACKAGE}] (1):\n    versionCode=12 minSdk=28\n    versionName=1.2.0\n"
    )
    (done,) = put(tmp_path, phone)
    assert done.error is not None
    assert sha256(OTHERS)[:16] in done.error.message


def test_a_hash_that_differs_though_the_signer_is_the_same_is_no_conflict(tmp_path):
    phone = having(make_phone(), APK)
    phone.apps[PACKAGE].signature = "dead"  # as a phone with a hash of another kind would say
    phone.commands["pm"] = lambda call: (
        Reply("package:/data/app/~~fake==/io.shakti.demo-fake==/base.apk\n")
        if call.arguments[0] == "path"
        else Reply("Success\n")
    )
    (done,) = put(tmp_path, phone)
    assert done.error is None


@pytest.mark.parametrize(
    ("abilist", "abis", "hint"),
    [
        ("x86_64,x86", ("arm64-v8a",), "--abi x86_64"),
        ("armeabi-v7a,armeabi", ("arm64-v8a", "x86_64"), "64-bit"),
    ],
)
def test_a_processor_that_the_apk_is_not_for(tmp_path, abilist, abis, hint):
    phone = make_phone(**{"ro.product.cpu.abilist": abilist})
    error = refusal(tmp_path, phone, replace(APK, abis=abis))
    assert isinstance(error, WrongAbiError)
    assert abilist.split(",")[0] in error.message
    assert hint in error.hint


def test_a_processor_that_runs_the_apk_in_second_place_will_do(tmp_path):
    phone = make_phone(**{
        "ro.product.cpu.abi": "x86_64", "ro.product.cpu.abilist": "x86_64,arm64-v8a"
    })  # fmt: skip
    (done,) = put(tmp_path, phone)
    assert done.error is None


def test_an_android_that_is_too_old(tmp_path):
    phone = make_phone(**{"ro.build.version.sdk": "25", "ro.build.version.release": "7.1"})
    error = refusal(tmp_path, phone)
    assert isinstance(error, AndroidTooOldError)
    assert "Android 7.1" in error.message
    assert "Android 8.0" in error.message


def test_libraries_for_small_pages_are_refused_on_a_phone_with_large_ones(tmp_path):
    error = refusal(tmp_path, make_phone(**LARGE_PAGES), replace(APK, libraries=(SMALL_PAGES,)))
    assert isinstance(error, InstallFailedError)
    for words in ("16 KiB", "libexecutorch.so", "would not start"):
        assert words in error.message
    assert "--runtime official" in error.hint


def test_android_16_runs_libraries_for_small_pages_with_a_warning(tmp_path):
    phone = make_phone(**LARGE_PAGES, **{"ro.build.version.sdk": "36"})
    (done,) = put(tmp_path, phone, apk=replace(APK, libraries=(SMALL_PAGES,)))
    assert done.error is None
    (warning,) = done.warnings
    assert "compatibility mode" in warning


def test_an_apk_without_native_libraries_runs_on_any_processor(tmp_path):
    phone = make_phone(**{"ro.product.cpu.abilist": "x86_64"})
    (done,) = put(tmp_path, phone, apk=replace(APK, abis=(), libraries=()))
    assert done.error is None


def test_only_the_libraries_of_the_phones_processor_count(tmp_path):
    both = (NATIVE, replace(SMALL_PAGES, abi="x86_64"))
    (done,) = put(tmp_path, make_phone(**LARGE_PAGES), apk=replace(APK, libraries=both))
    assert (done.error, done.warnings) == (None, ())
    (done,) = put(tmp_path, make_phone(), apk=replace(APK, libraries=(SMALL_PAGES,)))
    assert (done.error, done.warnings) == (None, ())


# --- opening ------------------------------------------------------------------------------------


def test_the_app_is_opened_as_it_is_or_on_a_bundle(bundle):
    phone = having(make_phone(), APK)
    (done,) = run([phone], None, Steps.silent())
    assert done == OnPhone("P1", "1.2.0", "1.2.0", pid=phone.running[PACKAGE])
    assert ("am", "start", "-n", MAIN_ACTIVITY) in phone.ran
    (done,) = run([phone], bundle, Steps.silent())
    assert done.bundle.startswith(BUNDLES_FOLDER)


def test_an_app_that_is_not_there_is_not_opened_and_nothing_is_pushed(bundle):
    phone = make_phone()
    (done,) = run([phone], bundle, Steps.silent())
    assert isinstance(done.error, AppMissingError)
    assert done.error.hint == "shakti-sdk demo install --device P1"
    assert phone.files == {}


def test_an_app_that_crashes_is_told_with_its_log():
    phone = make_phone()
    phone.apps[PACKAGE] = FakeApp("1.2.0", crash="java.lang.UnsatisfiedLinkError: libfbjni.so")
    (done,) = run([phone], None, Steps.silent())
    assert isinstance(done.error, AppCrashedError)
    assert "libfbjni.so" in done.error.hint


# --- uninstalling -------------------------------------------------------------------------------


def test_an_app_goes_when_it_is_confirmed_for_the_phones_that_have_it(bundle):
    phones = [having(make_phone("A"), APK), make_phone("B")]
    asked: list[list[str]] = []

    def confirm(serials) -> bool:
        asked.append(list(serials))
        return True

    done = uninstall(phones, confirm, Steps.silent())
    assert asked == [["A"]]
    assert done == [OnPhone("A", before="1.2.0"), OnPhone("B")]
    assert phones[0].apps == {}


def test_an_app_stays_when_it_is_not_confirmed():
    phone = having(make_phone(), APK)
    assert uninstall([phone], lambda serials: False, Steps.silent()) == []
    assert PACKAGE in phone.apps


def test_nobody_is_asked_where_no_phone_has_the_app():
    done = uninstall([make_phone()], lambda serials: pytest.fail("asked"), Steps.silent())
    assert done == [OnPhone("P1")]


@pytest.mark.parametrize("removed", [False, True])
def test_pushed_bundles_stay_unless_they_are_to_go(tmp_path, bundle, removed):
    phone = make_phone()
    put(tmp_path, phone, bundle=bundle)
    uninstall([phone], lambda serials: True, Steps.silent(), pushed_bundles=removed)
    left = [name for name in phone.files if name.startswith(BUNDLES_FOLDER)]
    assert bool(left) != removed


# --- what to build ------------------------------------------------------------------------------


def test_an_apk_is_built_for_the_phones_at_hand():
    arm, intel = make_phone("A"), make_phone("B", **{"ro.product.cpu.abi": "x86_64"})
    old = make_phone("C", **{"ro.product.cpu.abi": "armeabi-v7a"})
    assert wanted_abis([arm]) == ("arm64-v8a",)
    assert wanted_abis([intel, arm]) == ("arm64-v8a", "x86_64")
    assert wanted_abis([old]) == ("arm64-v8a",)

"""An app on a phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.device.app import (
    INSTALL_FILE,
    InstalledApp,
    force_stop,
    install,
    installed_apk,
    installed_app,
    is_running,
    parse_package,
    require_runnable,
    signature_hash,
    uninstall,
)
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.device.fake import FakeApp, FakePhone, Reply
from sdk_builder.errors import (
    AndroidTooOldError,
    CommandFailedError,
    DeviceFullError,
    InstallFailedError,
    WrongAbiError,
)

APP = "io.shakti.demo"

# An app that updates one of the system, on a phone with a second user.
UPDATED = f"""\
Activity Resolver Table:
  Non-Data Actions:
      android.intent.action.MAIN:
        1f0f8a5 {APP}/.MainActivity filter 9f2
Packages:
  Package [{APP}] (5fe0c6e):
    userId=10271
    pkg=Package{{d9c7f0b {APP}}}
    versionCode=10203 minSdk=26 targetSdk=35
    versionName=1.2.3-beta 4
    splits=[base]
    User 0: ceDataInode=8011 installed=true hidden=false suspended=false
    User 10: ceDataInode=0 installed=false hidden=false suspended=false
Hidden system packages:
  Package [{APP}] (1f2e3d4):
    versionCode=1 minSdk=26 targetSdk=30
    versionName=0.1
"""


@pytest.fixture
def apk(tmp_path):
    path = tmp_path / "it's a; demo.apk"
    path.write_text(f"{APP} 1.2.0 12")
    return path


def facts(**changes) -> DeviceFacts:
    known = {"abi": "arm64-v8a", "api_level": 34, "system": "Android 14 (API 34)"}
    return DeviceFacts(**{"kind": "phone", "id": "P1", "model": "Pixel 8", **known, **changes})


def test_the_version_is_that_of_the_app_in_use():
    assert parse_package(UPDATED, APP) == InstalledApp(APP, "1.2.3-beta 4", 10203)


def test_an_app_that_the_first_user_has_not_is_not_installed():
    text = UPDATED.replace("8011 installed=true", "8011 installed=false")
    assert parse_package(text, APP) is None
    assert parse_package(f"Unable to find package: {APP}\n", APP) is None
    assert parse_package("", APP) is None
    assert parse_package(UPDATED, "io.shakti") is None


def test_the_signers_of_an_app_are_told_as_android_hashes_them():
    for told, signatures in (("a01bc", ("a01bc",)), ("a01bc, ffe2", ("a01bc", "ffe2")), ("", ())):
        signed = f"signatures=PackageSignatures{{3a1b version:3, signatures:[{told}], past:[]}}"
        text = UPDATED.replace("splits=[base]", signed)
        assert parse_package(text, APP) == InstalledApp(APP, "1.2.3-beta 4", 10203, signatures)
    # Java: Arrays.hashCode(new byte[]{1, -1}) is 31 * (31 + 1) - 1 = 991; of {} it is 1
    assert (signature_hash(b"\x01\xff"), signature_hash(b"")) == (f"{991:x}", "1")
    # a sum below zero is printed as a Java int without its sign
    assert signature_hash(b"\x80") == f"{31 - 128 + 2**32:x}"


def test_the_path_of_an_installed_apk_is_its_base():
    phone = FakePhone()
    assert installed_apk(phone, APP) is None
    phone.commands["pm"] = lambda call: Reply(
        "package:/data/app/~~a==/x/split_config.en.apk\npackage:/data/app/~~a==/x/base.apk\r\n"
    )
    assert installed_apk(phone, APP) == "/data/app/~~a==/x/base.apk"


@given(st.text())
def test_whatever_is_printed_about_a_package_is_an_app_or_none(text):
    assert parse_package(text, APP) is None
    app = parse_package(f"  Package [{APP}] (1):\n{text}", APP)
    assert app is None or app.package == APP


@pytest.mark.parametrize("abi", ["arm64-v8a", "x86_64", ""])
def test_a_phone_that_can_run_the_app_or_does_not_tell_passes(abi):
    require_runnable(facts(abi=abi))
    require_runnable(facts(api_level=0))
    require_runnable(facts(api_level=26))


def test_a_phone_that_cannot_run_the_app_is_told_why():
    with pytest.raises(WrongAbiError, match="armeabi-v7a; the app needs arm64-v8a") as caught:
        require_runnable(facts(abi="armeabi-v7a"))
    assert caught.value.serial == "P1"
    with pytest.raises(AndroidTooOldError, match=r"Android 7\.1.*Android 8\.0 \(API 26\)"):
        require_runnable(facts(api_level=25, system="Android 7.1 (API 25)"))


def test_an_app_comes_and_goes(apk):
    phone = FakePhone()
    assert installed_app(phone, APP) is None
    install(phone, apk)
    assert installed_app(phone, APP) == InstalledApp(APP, "1.2.0", 12)
    assert list(phone.files) == [installed_apk(phone, APP)]
    assert uninstall(phone, APP)
    assert not uninstall(phone, APP)
    assert installed_app(phone, APP) is None


@pytest.mark.parametrize(
    ("said", "reason", "fix"),
    [
        (
            "Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: Existing package signatures do not "
            "match newer version; ignoring!]",
            "INSTALL_FAILED_UPDATE_INCOMPATIBLE",
            "demo uninstall",
        ),
        (
            "Failure [INSTALL_FAILED_VERSION_DOWNGRADE]",
            "INSTALL_FAILED_VERSION_DOWNGRADE",
            "newer version",
        ),
        (
            "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]",
            "INSTALL_FAILED_INSUFFICIENT_STORAGE",
            "Free some space",
        ),
        (
            "Failure [INSTALL_FAILED_NO_MATCHING_ABIS: Failed to extract native libraries, "
            "res=-113]",
            "INSTALL_FAILED_NO_MATCHING_ABIS",
            "processor",
        ),
        ("Failure [INSTALL_FAILED_OLDER_SDK]", "INSTALL_FAILED_OLDER_SDK", "Android 8.0"),
        (
            "Failure [INSTALL_FAILED_USER_RESTRICTED: Install canceled by user]",
            "INSTALL_FAILED_USER_RESTRICTED",
            "Install via USB",
        ),
        (
            "Failure [INSTALL_FAILED_VERIFICATION_FAILURE]",
            "INSTALL_FAILED_VERIFICATION_FAILURE",
            "Verify apps over USB",
        ),
        (
            "Failure [INSTALL_PARSE_FAILED_NO_CERTIFICATES: no certs]",
            "INSTALL_PARSE_FAILED_NO_CERTIFICATES",
            "not signed",
        ),
        ("Failure [-99]", "", "screen"),
        ("", "", "screen"),
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_a_refused_installation_has_androids_reason_and_a_fix(apk, said, reason, fix, code):
    phone = FakePhone("P1")
    phone.commands["pm"] = lambda call: Reply(f"\tpkg: x\n{said}\n", code)
    with pytest.raises(InstallFailedError) as caught:
        install(phone, apk)
    assert (caught.value.reason, caught.value.serial) == (reason, "P1")
    assert fix in caught.value.hint
    assert caught.value.ran is not None
    assert caught.value.ran.argv[-1] == INSTALL_FILE
    assert phone.files == {}


def test_an_installation_without_room_is_a_full_phone(apk):
    with pytest.raises(DeviceFullError):
        install(FakePhone(capacity_bytes=3), apk)


def test_an_app_is_stopped():
    phone = FakePhone(apps={APP: FakeApp()}, running={APP: 4321})
    assert is_running(phone, APP)
    force_stop(phone, APP)
    assert not is_running(phone, APP)
    phone.commands["am"] = lambda call: Reply("", 255, "Security exception\n")
    with pytest.raises(CommandFailedError, match="Security exception"):
        force_stop(phone, APP)
    phone.commands["pm"] = lambda call: Reply("Failure [DELETE_FAILED_DEVICE_POLICY_MANAGER]\n")
    with pytest.raises(CommandFailedError, match="DEVICE_POLICY"):
        uninstall(phone, APP)

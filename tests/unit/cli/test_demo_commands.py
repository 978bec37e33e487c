"""demo build, inspect, install, run and uninstall: what they ask for and what they print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdk_builder.app.build import BuildRequest
from sdk_builder.cli.installed import InstalledLibrary
from sdk_builder.cli.requests import DemoBuildOptions, KeystoreOptions
from sdk_builder.device.demo_app import PACKAGE
from sdk_builder.device.fake import FakeAdb, FakeApp, FakePhone
from sdk_builder.errors import CompileError
from tests.unit.app.apks import COMMUNITY, OTHERS, OURS, apk_line, apk_report, sha256
from tests.unit.benchmark.bench_fakes import make_bundle
from tests.unit.benchmark.test_phone import PROPERTIES
from tests.unit.cli.conftest import Outcome, Shakti
from tests.unit.cli.fakes import FakeLibrary, failing

OUTPUT = Path("build/demo")
APK = BuildRequest(OUTPUT).apk


@dataclass
class DemoLibrary(FakeLibrary):
    """The real library over phones that are not there; only the build is from memory."""

    phones: Sequence[FakePhone] = ()

    def adb(self) -> FakeAdb:
        return FakeAdb(self.phones)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name in ("SHAKTI_KEYSTORE_PASSWORD", "SHAKTI_KEY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def phone(serial: str = "R5CT1", app: FakeApp | None = None) -> FakePhone:
    made = FakePhone(serial, properties=dict(PROPERTIES))
    if app is not None:
        made.apps[PACKAGE] = app
    return made


def built(library: FakeLibrary) -> DemoBuildOptions:
    (options,) = library.built
    return options


# --- build --------------------------------------------------------------------------------


def test_build_without_options_asks_for_the_official_runtime_on_arm(shakti: Shakti):
    library = FakeLibrary()
    outcome = shakti("demo", "build", library=library)
    assert outcome.code == 0
    assert built(library) == DemoBuildOptions(
        output=OUTPUT,
        runtime="official",
        abis=("arm64-v8a",),
        keystore=None,
        repositories=(),
        shrink=True,
        offline=False,
        force=False,
    )
    assert "Next: shakti-sdk demo install\n" in outcome.stderr


def test_build_passes_on_what_was_asked(shakti: Shakti):
    library = FakeLibrary()
    outcome = shakti(
        *("demo", "build", "-o", "out", "--runtime", "community", "--abi", "x86_64"),
        *("--abi", "arm64-v8a", "--repository", "a", "--repository", "b", "--offline"),
        *("--no-shrink", "--force"),
        library=library,
    )
    assert built(library) == DemoBuildOptions(
        output=Path("out"),
        runtime="community",
        abis=("x86_64", "arm64-v8a"),
        keystore=None,
        repositories=("a", "b"),
        shrink=False,
        offline=True,
        force=True,
    )
    assert "Next: shakti-sdk demo install --runtime community -o out" in outcome.stderr


def test_build_prints_steps_size_by_part_signer_permissions_and_limits(shakti: Shakti):
    apk = apk_report(runtime=COMMUNITY)
    outcome = shakti("demo", "build", library=FakeLibrary(apk=apk))
    assert "✓ Compiling" in outcome.stderr
    for words in (
        f"{APK}: io.shakti.demo 1.2.0 (12), 10.0 MB",
        "native libraries  9.0 MB  90.0%",
        f"signed by    {sha256(OURS)[:16]}",
        "permissions  none that reach the network\n",
        "Android 8.0 (API 26) or newer",
        "v2, v3",
        "community: ExecuTorch of others 0.5.15",
        "limit        4 KiB pages",
    ):
        assert words in outcome.stdout


def test_an_app_that_could_reach_the_network_is_told_so(shakti: Shakti):
    apk = apk_report(permissions=("android.permission.INTERNET",))
    outcome = shakti("demo", "build", library=FakeLibrary(apk=apk))
    assert "none that reach" not in outcome.stdout
    assert "it can reach the network (INTERNET)" in outcome.stdout


def test_build_json_is_one_document(shakti: Shakti):
    document = shakti("demo", "build", "--json", library=FakeLibrary()).document
    assert document["apk"] == str(APK)
    assert document["permissions"] == ["android.permission.POST_NOTIFICATIONS"]
    assert document["reaches_network"] is False
    assert document["signers"] == [sha256(OURS)]
    assert document["libraries"][0]["load_alignment"] == 16384
    assert document["size_by_part"]["dex"] == 1_000_000
    assert document["warnings"] == ["a warning"]


def test_a_build_that_fails_ends_with_its_error(shakti: Shakti):
    outcome = shakti("demo", "build", library=failing(CompileError("kotlinc refused it.", "E: 1")))
    assert outcome.code == 7
    assert "kotlinc refused it." in outcome.stderr


# --- the keystore -------------------------------------------------------------------------


SIGNED = ("demo", "build", "--keystore", "my.jks", "--key-alias", "me")


@pytest.fixture
def my_jks(elsewhere: None) -> None:
    """A file for the name in `SIGNED`."""
    Path("my.jks").touch()


@pytest.mark.usefixtures("my_jks")
def test_passwords_come_from_the_environment(shakti: Shakti, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHAKTI_KEYSTORE_PASSWORD", "one")
    library = FakeLibrary()
    shakti(*SIGNED, library=library)
    assert built(library).keystore == KeystoreOptions(Path("my.jks"), "me", "one", None)
    monkeypatch.setenv("SHAKTI_KEY_PASSWORD", "two")
    library = FakeLibrary()
    shakti(*SIGNED, library=library)
    assert built(library).keystore == KeystoreOptions(Path("my.jks"), "me", "one", "two")


@pytest.mark.usefixtures("my_jks")
@pytest.mark.parametrize(("typed", "key"), [("s3cret\n\n", None), ("s3cret\ntwo\n", "two")])
def test_passwords_that_are_not_there_are_asked_for_and_never_shown(shakti: Shakti, typed, key):
    library = FakeLibrary()
    outcome = shakti(*SIGNED, library=library, stdin=typed)
    assert built(library).keystore == KeystoreOptions(Path("my.jks"), "me", "s3cret", key)
    assert "Password of my.jks" in outcome.stderr
    assert "s3cret" not in outcome.stdout + outcome.stderr
    assert "s3cret" not in repr(built(library))


def test_a_keystore_that_is_not_there_is_told_before_its_password_is_asked_for(shakti: Shakti):
    outcome = shakti(*SIGNED, stdin="s3cret\n\n")
    assert outcome.code == 2
    assert "no keystore my.jks" in outcome.stderr
    assert "Password" not in outcome.stderr


@pytest.mark.usefixtures("my_jks")
def test_a_password_that_nobody_can_type_is_a_usage_error(shakti: Shakti):
    outcome = shakti(*SIGNED, stdin="")
    assert outcome.code == 2
    assert "SHAKTI_KEYSTORE_PASSWORD" in outcome.stderr


def test_an_alias_needs_a_keystore_but_not_the_other_way_round(
    shakti: Shakti, monkeypatch: pytest.MonkeyPatch
):
    assert shakti("demo", "build", "--key-alias", "a").code == 2
    Path("a").touch()
    monkeypatch.setenv("SHAKTI_KEYSTORE_PASSWORD", "one")
    library = FakeLibrary()
    assert shakti("demo", "build", "--keystore", "a", library=library).code == 0
    assert built(library).keystore == KeystoreOptions(Path("a"), "", "one", None)


def test_the_real_library_replaces_an_apk_only_with_force(shakti: Shakti):
    OUTPUT.mkdir(parents=True)
    APK.touch()
    outcome = shakti("demo", "build", "--json", library=InstalledLibrary())
    assert (outcome.code, outcome.document["error"]["cause"]) == (9, "TargetExistsError")
    assert "--force" in outcome.document["error"]["hint"]


# --- inspect ------------------------------------------------------------------------------


def test_inspect_shows_permissions_and_libraries_by_name(shakti: Shakti):
    Path("x.apk").write_text(apk_line(apk_report()))
    outcome = shakti("demo", "inspect", "x.apk")
    assert outcome.code == 0
    for words in ("x.apk: io.shakti.demo", "(POST_NOTIFICATIONS)", "libexecutorch.so", "16 KiB"):
        assert words in outcome.stdout
    assert shakti("demo", "inspect", "x.apk", "--json").document["version_code"] == 12


def test_inspect_of_no_apk_ends_with_3(shakti: Shakti):
    assert shakti("demo", "inspect", "none.apk").code == 3


# --- install ------------------------------------------------------------------------------


def test_install_builds_the_apk_that_is_not_there_for_the_phone_that_is(shakti: Shakti):
    there = phone()
    there.properties["ro.product.cpu.abi"] = "x86_64"
    library = DemoLibrary(phones=[there], apk=apk_report(abis=("x86_64",)))
    outcome = shakti("demo", "install", "--runtime", "community", library=library)
    assert outcome.code == 0, outcome
    assert (built(library).abis, built(library).runtime) == (("x86_64",), "community")
    assert there.apps[PACKAGE].version_name == "1.2.0"
    assert outcome.stdout == "R5CT1: installed 1.2.0\n"
    assert "Next: shakti-sdk demo run" in outcome.stderr


def test_install_takes_the_apk_that_was_built(shakti: Shakti):
    OUTPUT.mkdir(parents=True)
    APK.write_text(apk_line(apk_report()))
    library = DemoLibrary(
        phones=[phone(app=FakeApp("1.1.0", 11, apk_line(apk_report()).split()[-1]))]
    )
    outcome = shakti("demo", "install", library=library)
    assert library.built == []
    assert outcome.stdout == "R5CT1: installed 1.2.0 (was 1.1.0)\n"
    assert "newer than" not in outcome.stderr


def test_an_apk_that_is_older_than_the_apps_sources_is_told_so(shakti: Shakti):
    OUTPUT.mkdir(parents=True)
    APK.write_text(apk_line(apk_report()))
    os.utime(APK, (1, 1))
    outcome = shakti("demo", "install", library=DemoLibrary(phones=[phone()]))
    assert outcome.code == 0
    assert f"newer than {APK}. To build it again: shakti-sdk demo build" in outcome.stderr


def test_install_takes_the_apk_that_is_named(shakti: Shakti):
    apk = apk_report(version_name="3.0.0")
    Path("my.apk").write_text(apk_line(apk))
    library = DemoLibrary(phones=[phone()], apk=apk)
    assert "3.0.0" in shakti("demo", "install", "--apk", "my.apk", library=library).stdout
    assert library.built == []


def test_install_with_a_bundle_opens_the_app_on_it(shakti: Shakti):
    there = phone()
    with make_bundle(Path("bundle")):
        outcome = shakti(
            "demo", "install", "--bundle", "bundle", library=DemoLibrary(phones=[there])
        )
    assert outcome.code == 0
    assert "installed 1.2.0, open on /data/local/tmp/shakti/bundles/" in outcome.stdout
    assert there.running[PACKAGE]
    assert "Next" not in outcome.stderr


def conflict(shakti: Shakti, *options: str) -> Outcome:
    """An installation on a phone with the app of another signer, and on one without the app."""
    first = phone("A")
    first.files["/data/local/tmp/x"] = apk_line(apk_report(certificate=OTHERS)).encode()
    first.shell(["pm", "install", "/data/local/tmp/x"], timeout_s=1)
    library = DemoLibrary(phones=[first, phone("B")])
    return shakti("demo", "install", *options, library=library)


def test_a_conflict_ends_with_6_and_the_way_on(shakti: Shakti):
    outcome = conflict(shakti, "--device", "A")
    assert outcome.code == 6
    assert f"signed with the key {sha256(OTHERS)[:16]}" in outcome.stderr
    assert "hint: " in outcome.stderr
    assert "demo uninstall --device A" in outcome.stderr


def test_all_phones_are_installed_on_though_one_fails(shakti: Shakti):
    outcome = conflict(shakti, "--device", "all", "--json")
    assert outcome.code == 6
    first, second = outcome.document["phones"]
    assert first["error"]["cause"] == "InstallFailedError"
    assert (second["version"], second["error"]) == ("1.2.0", None)
    assert outcome.document["error"]["message"] == "1 of 2 devices failed: A."


def test_install_without_a_phone_builds_nothing(shakti: Shakti):
    library = DemoLibrary()
    assert shakti("demo", "install", library=library).code == 6
    assert library.built == []


# --- run ----------------------------------------------------------------------------------


def test_run_opens_the_app(shakti: Shakti):
    outcome = shakti("demo", "run", library=DemoLibrary(phones=[phone(app=FakeApp("1.2.0"))]))
    assert (outcome.code, outcome.stdout) == (0, "R5CT1: version 1.2.0, open\n")


def test_run_of_an_app_that_crashes_shows_its_log(shakti: Shakti):
    there = phone(app=FakeApp(crash="java.lang.IllegalStateException: no font"))
    outcome = shakti("demo", "run", library=DemoLibrary(phones=[there]))
    assert outcome.code == 6
    assert "no font" in outcome.stderr
    assert outcome.stdout.startswith("R5CT1: failed: ")


def test_run_without_the_app_says_how_to_get_it(shakti: Shakti):
    outcome = shakti("demo", "run", "--json", library=DemoLibrary(phones=[phone()]))
    assert outcome.document["error"]["hint"] == "shakti-sdk demo install --device R5CT1"


# --- uninstall ----------------------------------------------------------------------------


def test_uninstall_says_what_goes_and_asks(shakti: Shakti):
    there = phone(app=FakeApp("1.2.0"))
    library = DemoLibrary(phones=[there])
    outcome = shakti("demo", "uninstall", library=library, stdin="n\n")
    assert outcome.code == 130
    assert "Nothing was uninstalled." in outcome.stderr
    assert PACKAGE in there.apps
    outcome = shakti("demo", "uninstall", library=library, stdin="y\n")
    assert "chats, settings and imported models go too" in outcome.stderr
    assert (outcome.code, outcome.stdout) == (0, "R5CT1: uninstalled 1.2.0\n")
    assert there.apps == {}


def test_uninstall_with_yes_asks_nothing(shakti: Shakti):
    library = DemoLibrary(phones=[phone("A", FakeApp()), phone("B")])
    outcome = shakti("demo", "uninstall", "--yes", "--device", "all", "--json", library=library)
    assert [one["version_before"] for one in outcome.document["phones"]] == ["1.0.0", None]


def test_uninstall_with_json_needs_yes(shakti: Shakti):
    library = DemoLibrary(phones=[phone(app=FakeApp())])
    outcome = shakti("demo", "uninstall", "--json", library=library)
    assert (outcome.code, outcome.document["error"]["hint"]) == (2, "Add --yes.")


def test_uninstall_of_what_is_not_there_is_no_error(shakti: Shakti):
    outcome = shakti("demo", "uninstall", library=DemoLibrary(phones=[phone()]))
    assert (outcome.code, outcome.stdout) == (0, "R5CT1: the demo app was not there\n")


# --- the group ----------------------------------------------------------------------------


def test_an_unknown_subcommand_ends_with_2(shakti: Shakti):
    outcome = shakti("demo", "instal")
    assert outcome.code == 2
    assert "install" in outcome.stderr


def test_the_reference_has_each_subcommand():
    from sdk_builder.cli.reference import reference

    page = reference()
    for name in ("build", "inspect", "install", "run", "uninstall"):
        assert f"\n### demo {name}\n" in page

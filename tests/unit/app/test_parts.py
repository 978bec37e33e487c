"""The smaller parts of the build: versions, messages of compilers, services, keystores, keeping."""

from __future__ import annotations

import threading
import time
import zipfile
from pathlib import Path

import pytest

from sdk_builder.app import compiling, dexing, keep
from sdk_builder.app.archive import Entry, write_archive
from sdk_builder.app.build import BuildRequest
from sdk_builder.app.download import sha256_of
from sdk_builder.app.framework import slim_framework
from sdk_builder.app.resources import version_of
from sdk_builder.app.signing import Keystore
from sdk_builder.errors import ToolchainError, UsageError


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("0.1.0", 100),
        ("1.2.3", 10203),
        ("10.0.0", 100000),
        ("1.2.3rc1", 10203),
        ("1.2", 10200),
        ("0.0.0", 1),
        ("1.100.0", 19900),
    ],
)
def test_version_code_rises_with_the_version(name, code):
    assert (version_of(name).name, version_of(name).code) == (name, code)


def test_output_is_a_file_or_a_folder():
    assert BuildRequest(Path("out/my.apk")).apk == Path("out/my.apk")
    in_folder = BuildRequest(Path("out"), runtime="community").apk
    assert in_folder.parent == Path("out")
    assert in_folder.name.startswith("shakti-demo-")
    assert in_folder.name.endswith("-community.apk")


def test_errors_of_the_kotlin_compiler_are_shown_without_its_warnings():
    said = (
        "/a/One.kt:3:5: warning: variable 'x' is never used\n"
        "    val x = 1\n"
        "        ^\n"
        "/a/Two.kt:7:1: error: unresolved reference: foo\n"
        "    foo()\n"
        "    ^^^\n"
        "error: something of the whole\n"
    )
    shown = compiling._errors(said)
    assert shown.startswith("/a/Two.kt:7:1: error")
    assert "    ^^^" in shown
    assert "error: something of the whole" in shown
    assert "never used" not in shown


def test_compiler_that_says_nothing_known_is_quoted():
    assert compiling._errors("java.lang.OutOfMemoryError\n") == "java.lang.OutOfMemoryError"


def test_very_long_errors_are_cut_and_counted():
    said = "".join(f"/a/One.kt:{n}:1: error: no {n}\n" for n in range(500))
    shown = compiling._errors(said).splitlines()
    assert len(shown) < 70
    assert shown[-1].startswith("... and")


def test_shrinkers_traces_of_itself_are_left_out():
    said = (
        "Missing class a.B (referenced from: void c.D.e())\n"
        "\tat com.android.tools.r8.x(R8:1)\n"
        "\t... 1 more\n"
        "\tSuppressed: java.lang.RuntimeException: Missing class a.B\n"
    )
    assert dexing._told(said) == "Missing class a.B (referenced from: void c.D.e())"


def test_service_files_of_several_jars_are_joined(tmp_path):
    for name, text in (("a.jar", b"x.One\n"), ("b.jar", b"x.Two")):
        write_archive(tmp_path / name, [Entry("META-INF/services/x.S", text), Entry("x/y", b"")])
    (entry,) = dexing._services([tmp_path / "a.jar", tmp_path / "b.jar"])
    assert (entry.name, entry.data) == ("META-INF/services/x.S", b"x.One\nx.Two\n")


def test_framework_keeps_public_packages_and_resources(tmp_path):
    names = [
        "android/app/Activity.class",
        "android/internal/X.class",
        "com/android/internal/Y.class",
    ]
    names += ["org/json/JSONObject.class", "resources.arsc", "AndroidManifest.xml", "res/a.png"]
    write_archive(tmp_path / "all.jar", [Entry(name, name.encode()) for name in names])
    framework = slim_framework(tmp_path / "all.jar", "0" * 64, tmp_path / "cache")
    with zipfile.ZipFile(framework.classes) as classes:
        assert classes.namelist() == ["android/app/Activity.class", "org/json/JSONObject.class"]
    with zipfile.ZipFile(framework.resources) as resources:
        assert resources.namelist() == ["resources.arsc", "AndroidManifest.xml"]
    assert framework.lacks_java


def test_framework_that_is_no_jar_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "all.jar").write_bytes(b"no jar")
    with pytest.raises(ToolchainError, match="no jar"):
        slim_framework(tmp_path / "all.jar", "0" * 64, tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]


def test_passwords_come_from_the_environment_and_are_not_shown(monkeypatch):
    monkeypatch.setenv("SHAKTI_KEYSTORE_PASSWORD", "secret-1")
    monkeypatch.setenv("SHAKTI_KEY_PASSWORD", "secret-2")
    keystore = Keystore.from_environment(Path("my.p12"), "me")
    assert (keystore.store_password, keystore.key_password) == ("secret-1", "secret-2")
    assert "secret" not in repr(keystore)


def test_unknown_password_names_the_variable(monkeypatch):
    monkeypatch.delenv("SHAKTI_KEYSTORE_PASSWORD", raising=False)
    with pytest.raises(UsageError) as caught:
        Keystore.from_environment(Path("my.p12"))
    assert "SHAKTI_KEYSTORE_PASSWORD" in caught.value.hint


def test_folder_is_made_once_even_by_many_at_a_time(tmp_path):
    made = []

    def make(target: Path) -> None:
        made.append(target)
        time.sleep(0.05)
        (target / "it").write_text("whole")

    threads = [
        threading.Thread(target=keep.made_folder, args=(tmp_path / "x", make)) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (tmp_path / "x" / "it").read_text() == "whole"


def test_folder_whose_making_fails_is_not_there(tmp_path):
    def make(target: Path) -> None:
        (target / "half").touch()
        raise ToolchainError("it failed")

    with pytest.raises(ToolchainError):
        keep.made_folder(tmp_path / "x", make)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_file_is_hashed_anew_only_when_it_changed(tmp_path, monkeypatch):
    (tmp_path / "it").write_bytes(b"1")
    sha256 = sha256_of(tmp_path / "it")
    assert keep.is_intact(tmp_path / "it", sha256)
    monkeypatch.setattr(keep, "sha256_of", lambda _: pytest.fail("hashed again"))
    assert keep.is_intact(tmp_path / "it", sha256)
    monkeypatch.setattr(keep, "sha256_of", lambda _: "another")
    (tmp_path / "it").write_bytes(b"22")
    assert not keep.is_intact(tmp_path / "it", sha256)

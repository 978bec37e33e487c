"""Which Java is taken, and what is said of one that will not do."""

from __future__ import annotations

import sys

import pytest

from sdk_builder.app.jdk import find_jdk
from sdk_builder.errors import JdkError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


def java_home(folder, version: str, *, tools=("javac", "keytool"), fails: bool = False):
    """A folder that answers as a Java of this version."""
    said = f"    java.home = {folder}\\n    java.version = {version}\\n"
    script = f"#!/bin/sh\nprintf '{said}' >&2\nexit {int(fails)}\n"
    (folder / "bin").mkdir(parents=True)
    for name in ("java", *tools):
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("version", ["17.0.15", "21", "25.0.1", "24-ea"])
def test_supported_jdk_is_taken(tmp_path, monkeypatch, version):
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / version, version)))
    jdk = find_jdk()
    assert (jdk.home, jdk.version) == (tmp_path / version, version)


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_402", "26"])
def test_other_version_is_refused_by_name(tmp_path, monkeypatch, version):
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / version, version)))
    with pytest.raises(JdkError, match=f"version {version}") as caught:
        find_jdk()
    assert "JDK 17 to 25" in caught.value.hint


def test_java_on_path_is_taken_without_java_home(tmp_path, monkeypatch):
    home = java_home(tmp_path / "jdk", "21")
    monkeypatch.setenv("PATH", f"{home / 'bin'}:/usr/bin:/bin")
    assert find_jdk().home == home


def test_java_home_goes_before_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{java_home(tmp_path / 'a', '21') / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "b", "17")))
    assert find_jdk().home == tmp_path / "b"


def test_no_java_at_all_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JdkError, match="No JDK was found") as caught:
        find_jdk()
    assert "apt install" in caught.value.hint


def test_java_home_without_java_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(JdkError, match="JAVA_HOME is"):
        find_jdk()


@pytest.mark.parametrize("missing", ["javac", "keytool"])
def test_runtime_without_its_tools_is_no_jdk(tmp_path, monkeypatch, missing):
    tools = {"javac", "keytool"} - {missing}
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "jre", "17", tools=tools)))
    with pytest.raises(JdkError, match=f"has no {missing}"):
        find_jdk()


def test_java_that_does_not_run_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "bad", "17", fails=True)))
    with pytest.raises(JdkError, match="does not run"):
        find_jdk()

"""What the build uses of an Android SDK, and what doctor says of a machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import pytest

from sdk_builder.app import toolchain
from sdk_builder.app.artifacts import ArtifactStore
from sdk_builder.app.catalog import read_catalog
from sdk_builder.app.sources import android_demo
from sdk_builder.app.toolchain import examine_toolchain, find_android_sdk
from sdk_builder.errors import JdkError, ToolchainError
from sdk_builder.log import Steps
from tests.unit.app.test_jdk import java_home

AAPT2 = "aapt2.exe" if sys.platform == "win32" else "aapt2"


def android_home(folder, *, tools=("34.0.0", "36.0.0", "36.1.0-rc1"), platforms=("35", "36")):
    """A folder with what the build looks for in an Android SDK."""
    for version in tools:
        for name in (AAPT2, "lib/d8.jar", "lib/apksigner.jar"):
            path = folder / "build-tools" / version / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for version in platforms:
        path = folder / "platforms" / f"android-{version}" / "android.jar"
        path.parent.mkdir(parents=True)
        path.touch()
    return folder


def test_no_android_home_is_no_sdk():
    assert find_android_sdk(36) is None


@pytest.mark.parametrize("variable", ["ANDROID_HOME", "ANDROID_SDK_ROOT"])
def test_newest_released_tools_of_the_sdk_are_taken(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, str(android_home(tmp_path)))
    sdk = find_android_sdk(36)
    assert sdk is not None
    assert sdk.aapt2 == tmp_path / "build-tools" / "36.0.0" / AAPT2
    assert sdk.framework.classes == tmp_path / "platforms" / "android-36" / "android.jar"
    assert not sdk.framework.lacks_java


@pytest.mark.parametrize(
    ("parts", "what"),
    [({"tools": ("34.0.0",)}, "build-tools 35"), ({"platforms": ("35",)}, "platform 36")],
)
def test_sdk_that_is_too_old_is_told_with_the_command(tmp_path, monkeypatch, parts, what):
    monkeypatch.setenv("ANDROID_HOME", str(android_home(tmp_path, **parts)))
    with pytest.raises(ToolchainError, match=what) as caught:
        find_android_sdk(36)
    assert "sdkmanager" in caught.value.hint
    assert "unset ANDROID_HOME" in caught.value.hint


def test_sdk_that_lacks_a_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDROID_HOME", str(android_home(tmp_path)))
    (tmp_path / "build-tools/36.0.0/lib/d8.jar").unlink()
    with pytest.raises(ToolchainError, match=r"d8\.jar is missing"):
        find_android_sdk(36)


@dataclass(frozen=True)
class NamingStore(ArtifactStore):
    """A store that has everything, and keeps what it was asked for."""

    asked: list[str] = field(default_factory=list)

    def bring(self, artifacts, step):
        self.asked.extend(one.coordinate.name for one in artifacts)
        return [android_demo() / one.coordinate.filename for one in artifacts]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in JDK is a shell script")
def test_with_an_sdk_its_tools_are_used_and_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "jdk", "17.0.1")))
    monkeypatch.setenv("ANDROID_HOME", str(android_home(tmp_path / "sdk")))
    store = NamingStore(tmp_path)
    with Steps.silent().step("tools") as step:
        tools = toolchain.resolve_tools(read_catalog(android_demo()), store, step)
    build_tools = tmp_path / "sdk/build-tools/36.0.0"
    assert tools.shrinker == (build_tools / "lib/d8.jar",)
    assert tools.signer == (build_tools / "lib/apksigner.jar",)
    assert tools.aapt2 == build_tools / AAPT2
    assert {"kotlin-compiler-embeddable", "kotlin-stdlib"} <= set(store.asked)
    assert not {"r8", "apksig", "apktool-lib", "android-all"} & set(store.asked)


def test_machine_without_anything_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.name: finding for finding in examine_toolchain()}
    assert found["JDK"].status == "missing"
    assert "JDK 17 to 25" in found["JDK"].fix
    assert found["npm"].status == "warning"
    assert "apt install npm" in found["npm"].fix
    assert found["app build cache"].status == "warning"
    assert "MB" in found["app build cache"].fix


def test_npm_is_not_needed_where_the_runtime_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    version = read_catalog(android_demo()).versions["react-native-executorch"]
    (toolchain.app_cache() / f"runtimes/react-native-executorch-{version}-1").mkdir(parents=True)
    assert {f.name: f.status for f in examine_toolchain()}["npm"] == "ok"


def test_old_sdk_is_a_miss_for_doctor(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDROID_HOME", str(android_home(tmp_path, platforms=("30",))))
    found = {finding.name: finding for finding in examine_toolchain()}
    assert found["Android tools"].status == "missing"


def test_missing_jdk_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    from sdk_builder.app.build import BuildRequest, build_apk

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JdkError):
        build_apk(
            BuildRequest(tmp_path / "out", repositories=("http://127.0.0.1:9",)), Steps.silent()
        )
    assert not (tmp_path / "out").exists()

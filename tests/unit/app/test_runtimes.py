"""The runtimes: what is taken of their packages, and what is said where they cannot be had."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from dataclasses import replace

import pytest

from sdk_builder.app import artifacts
from sdk_builder.app.artifacts import ArtifactStore
from sdk_builder.app.catalog import Artifact, Catalog, Coordinate, NpmPackage
from sdk_builder.app.runtimes import resolve_runtime
from sdk_builder.errors import (
    ArtifactMissingError,
    NetworkError,
    TamperedArtifactError,
    ToolchainError,
    UsageError,
)
from sdk_builder.log import Steps
from tests.unit.app.web import serving

FBJNI = Coordinate("com.facebook.fbjni", "fbjni", "1", "aar")
OFFICIAL = Coordinate("org.pytorch", "executorch-android", "2", "aar")
PACKAGE = "react-native-executorch"


def aar(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("jni/", b"")
        archive.writestr("jni/arm64-v8a/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tgz(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


FBJNI_AAR = aar(
    {
        "classes.jar": b"fbjni classes",
        "proguard.txt": b"-keep",
        "jni/arm64-v8a/libfbjni.so": b"arm fbjni",
        "jni/armeabi-v7a/libfbjni.so": b"old fbjni",
        "prefab/modules/x/libfbjni.so": b"no",
    }
)
OFFICIAL_AAR = aar({"classes.jar": b"et", "jni/arm64-v8a/libexecutorch.so": b"arm et"})
NPM_TGZ = tgz(
    {
        "package/package.json": b"{}",
        "package/src/index.js": b"React's part",
        "package/android/libs/classes.jar": b"et classes",
        "package/third-party/android/libs/executorch/arm64-v8a/libexecutorch.so": b"arm et",
        "package/third-party/android/libs/executorch/x86_64/libexecutorch.so": b"x86 et",
        "package/third-party/android/libs/cpuinfo/arm64-v8a/libcpuinfo.so": b"no",
    }
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CATALOG = Catalog(
    {"executorch": "2", PACKAGE: "3"},
    {
        "runtime-community": (Artifact(FBJNI, sha(FBJNI_AAR), len(FBJNI_AAR)),),
        "runtime-official": (
            Artifact(OFFICIAL, None, None),
            Artifact(FBJNI, sha(FBJNI_AAR), len(FBJNI_AAR)),
        ),
    },
    {PACKAGE: NpmPackage(PACKAGE, "3", sha(NPM_TGZ), len(NPM_TGZ))},
)
FILES = {"/com/facebook/fbjni/fbjni/1/fbjni-1.aar": FBJNI_AAR}
OFFICIAL_PATH = "/org/pytorch/executorch-android/2/executorch-android-2.aar"


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An npm that packs the archive in its own folder."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "it.tgz").write_bytes(NPM_TGZ)
    (folder / "npm").write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\ncp {folder}/it.tgz "$4/{PACKAGE}-3.tgz"\n'
    )
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def site(monkeypatch):
    with serving(dict(FILES)) as running:
        monkeypatch.setattr(artifacts, "default_address", lambda _: f"{running.address}/none")
        yield running


def resolve(tmp_path, site, name="community", abis=("arm64-v8a",), catalog=CATALOG, offline=False):
    store = ArtifactStore(tmp_path / "maven", (site.address,), offline)
    with Steps.silent().step("runtime") as step:
        return resolve_runtime(name, abis, catalog, store, tmp_path / "runtimes", step)


def test_community_runtime_is_its_libraries_and_classes_alone(tmp_path, site, npm):
    runtime = resolve(tmp_path, site)
    libraries = {name: path.read_bytes() for name, path in runtime.libraries["arm64-v8a"].items()}
    assert libraries == {"libfbjni.so": b"arm fbjni", "libexecutorch.so": b"arm et"}
    assert [jar.read_bytes() for jar in runtime.jars] == [b"fbjni classes", b"et classes"]
    assert [rules.read_bytes() for rules in runtime.rules] == [b"-keep"]
    assert runtime.version == "3"
    assert any("4 KiB" in limit for limit in runtime.flavour.limits)
    kept = sorted(p.name for p in (tmp_path / "runtimes").rglob("*") if p.is_file())
    assert "index.js" not in kept
    assert "libcpuinfo.so" not in kept


def test_second_build_asks_nobody(tmp_path, site, npm):
    resolve(tmp_path, site)
    asked = len(site.asked)
    resolve(tmp_path, site, offline=True)
    assert len(site.asked) == asked
    assert len((npm / "asked").read_text().splitlines()) == 1


def test_altered_npm_package_is_refused_and_not_kept(tmp_path, site, npm):
    (npm / "it.tgz").write_bytes(NPM_TGZ + b"x")
    with pytest.raises(TamperedArtifactError, match=PACKAGE):
        resolve(tmp_path, site)
    assert not list((tmp_path / "runtimes").glob(f"{PACKAGE}*"))


def test_npm_package_without_the_runtime_is_told(tmp_path, site, npm):
    other = tgz({"package/package.json": b"{}"})
    (npm / "it.tgz").write_bytes(other)
    package = replace(CATALOG.npm[PACKAGE], sha256=sha(other))
    with pytest.raises(ToolchainError, match="does not hold"):
        resolve(tmp_path, site, catalog=replace(CATALOG, npm={PACKAGE: package}))


def test_missing_npm_is_told_with_the_command(tmp_path, site, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="npm was not found") as caught:
        resolve(tmp_path, site)
    assert "apt install npm" in caught.value.hint


def test_npm_that_fails_shows_what_it_said(tmp_path, site, npm):
    (npm / "npm").write_text("#!/bin/sh\necho 'npm error 404' >&2\nexit 1\n")
    with pytest.raises(ToolchainError, match="npm failed while fetching") as caught:
        resolve(tmp_path, site)
    assert "npm error 404" in caught.value.hint


def test_nothing_is_fetched_offline(tmp_path, site, npm):
    with pytest.raises(NetworkError):
        resolve(tmp_path, site, offline=True)
    assert site.asked == []
    assert not (npm / "asked").exists()


def test_official_runtime_that_does_not_resolve_names_the_other_one(tmp_path, site):
    with pytest.raises(ArtifactMissingError, match="official ExecuTorch runtime") as caught:
        resolve(tmp_path, site, "official")
    assert "\n" not in caught.value.message
    assert "--runtime community" in caught.value.hint


def test_official_runtime_is_recorded_where_it_resolves(tmp_path, site):
    site.files[OFFICIAL_PATH] = OFFICIAL_AAR
    runtime = resolve(tmp_path, site, "official")
    assert set(runtime.libraries["arm64-v8a"]) == {"libexecutorch.so", "libfbjni.so"}
    assert runtime.flavour.limits == ()
    (remark,) = runtime.remarks
    assert sha(OFFICIAL_AAR) in remark


def test_unknown_names_are_usage_errors(tmp_path, site):
    with pytest.raises(UsageError, match="No runtime is called nightly"):
        resolve(tmp_path, site, "nightly")
    with pytest.raises(UsageError, match="mips"):
        resolve(tmp_path, site, abis=("mips",))

"""The version catalog and the lock file say the same, and a damaged one is told."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from sdk_builder.app import relock
from sdk_builder.app.catalog import CATALOG, LOCK, Coordinate, libraries, read_catalog, read_toml
from sdk_builder.app.runtimes import FLAVOURS
from sdk_builder.app.sources import android_demo
from sdk_builder.errors import ToolchainError

UNKNOWN_HERE = {"org.pytorch:executorch-android:1.5.1@aar"}


@pytest.fixture
def demo(tmp_path):
    """A copy of the two files that a test may spoil."""
    for path in (CATALOG, LOCK):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(android_demo() / path, tmp_path / path)
    return tmp_path


def change_lock(demo, change) -> None:
    lock = json.loads((demo / LOCK).read_text())
    change(lock)
    (demo / LOCK).write_text(json.dumps(lock))


def test_every_artifact_is_pinned_but_the_one_that_nobody_here_can_fetch():
    catalog = read_catalog(android_demo())
    artifacts = {one for bundle in catalog.bundles.values() for one in bundle}
    unknown = {str(one.coordinate) for one in artifacts if one.sha256 is None}
    assert unknown == UNKNOWN_HERE
    for one in artifacts:
        if one.sha256 is not None:
            assert re.fullmatch("[0-9a-f]{64}", one.sha256)
            assert one.size_bytes is not None
            assert one.size_bytes > 0


def test_lock_holds_what_the_bundles_need_and_nothing_else():
    lock = json.loads((android_demo() / LOCK).read_text())
    used = [text for bundle in lock["bundles"].values() for text in bundle]
    assert set(used) == set(lock["artifacts"])


def test_every_library_of_the_catalog_is_in_a_bundle():
    table = read_toml(android_demo() / CATALOG)
    bundled = {alias for bundle in table["bundles"].values() for alias in bundle}
    assert bundled == set(table["libraries"])


def test_no_class_path_has_a_library_in_two_versions():
    for name, artifacts in read_catalog(android_demo()).bundles.items():
        if name in relock.CLASS_PATHS:
            ids = [(one.coordinate.group, one.coordinate.name) for one in artifacts]
            assert len(ids) == len(set(ids)), name


def test_levels_are_numbers():
    versions = read_catalog(android_demo()).versions
    assert int(versions["minSdk"]) <= int(versions["targetSdk"]) <= int(versions["compileSdk"])


def test_lock_names_no_host():
    assert "://" not in (android_demo() / LOCK).read_text()
    assert "://" not in (android_demo() / CATALOG).read_text()


@pytest.mark.parametrize("text", ["a.b:c:1.0", "a:b:1-rc@aar"])
def test_coordinate_reads_what_it_writes(text):
    assert str(Coordinate.parse(text)) == text


@pytest.mark.parametrize("text", ["", "a:b", "a:b:c:d"])
def test_other_texts_are_no_coordinates(text):
    with pytest.raises(ValueError, match="unpack"):
        Coordinate.parse(text)


def test_version_that_is_not_the_locked_one_is_told(demo):
    text = (demo / CATALOG).read_text().replace('r8 = "8.13.25"', 'r8 = "8.99.0"')
    (demo / CATALOG).write_text(text)
    with pytest.raises(ToolchainError, match="com.android.tools:r8:8.99.0") as caught:
        read_catalog(demo)
    assert "relock" in caught.value.hint


def test_npm_version_that_is_not_the_locked_one_is_told(demo):
    change_lock(demo, lambda lock: lock["npm"]["react-native-executorch"].update(version="9"))
    with pytest.raises(ToolchainError, match="locked at 9"):
        read_catalog(demo)


def test_artifact_without_an_entry_is_told(demo):
    change_lock(demo, lambda lock: lock["artifacts"].pop("com.android.tools:r8:8.13.25"))
    with pytest.raises(ToolchainError, match="does not fit"):
        read_catalog(demo)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}'])
def test_lock_that_is_none_is_told(demo, text):
    (demo / LOCK).write_text(text)
    with pytest.raises(ToolchainError):
        read_catalog(demo)


@pytest.mark.parametrize("path", [CATALOG, LOCK])
def test_missing_file_is_told(demo, path):
    (demo / path).unlink()
    with pytest.raises(ToolchainError, match=path.name):
        read_catalog(demo)


def test_catalog_that_is_no_toml_is_told(demo):
    (demo / CATALOG).write_text("[versions")
    with pytest.raises(ToolchainError, match="no version catalog"):
        read_catalog(demo)


def test_wheel_carries_what_the_build_reads_and_none_of_its_tests():
    root = android_demo().parent
    targets = read_toml(root / "pyproject.toml")["tool"]["hatch"]["build"]["targets"]
    carried = targets["wheel"]["force-include"]
    assert all((root / source).exists() for source in carried)
    assert all(target == f"sdk_builder/{source}" for source, target in carried.items())
    needed = ["app/proguard-rules.pro", "app/src/main", str(CATALOG), str(LOCK)]
    needed += [f"app/src/{flavour}" for flavour in FLAVOURS]
    assert sorted(carried) == sorted(f"android_demo/{path}" for path in needed)


def test_libraries_have_their_versions():
    table = {
        "versions": {"x": "1"},
        "libraries": {"a": {"module": "g:n", "version": {"ref": "x"}}},
    }
    assert libraries(table) == {"a": "g:n:1"}

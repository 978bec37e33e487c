"""Artifacts come from the first repository that has them, once, and only as the lock wants them."""

from __future__ import annotations

import hashlib

import pytest

from sdk_builder.app import artifacts
from sdk_builder.app.artifacts import ArtifactStore, addresses
from sdk_builder.app.catalog import Artifact, Coordinate
from sdk_builder.errors import ArtifactMissingError, NetworkError, TamperedArtifactError
from sdk_builder.log import Steps
from tests.unit.app.web import serving

DATA = b"a jar" * 100
SHA256 = hashlib.sha256(DATA).hexdigest()
IT = Coordinate("org.example.deep", "it", "1.0")
PATH = "/org/example/deep/it/1.0/it-1.0.jar"


@pytest.fixture(autouse=True)
def default_repository(monkeypatch):
    """An address where nobody answers, in place of Maven's own."""
    default = artifacts.default_address
    monkeypatch.setattr(
        artifacts,
        "default_address",
        lambda coordinate: f"http://127.0.0.1:9/{default(coordinate).rpartition('/')[2]}",
    )
    return default


def bring(store: ArtifactStore, artifact: Artifact):
    with Steps.silent().step("bringing") as step:
        return store.bring([artifact], step)


def test_default_repository_is_mavens_by_way_of_the_maven_client(default_repository):
    address = default_repository(Coordinate("a.b", "c", "2", "aar"))
    assert address.startswith("https://")
    assert address.endswith("/a/b/c/2/c-2.aar")


def test_given_repositories_come_before_the_default_one():
    found = addresses(IT, ("http://one/", "http://two/m2"))
    assert found[:2] == [f"http://one{PATH}", f"http://two/m2{PATH}"]
    assert len(found) == 3


def test_artifact_is_fetched_once(tmp_path):
    with serving({PATH: DATA}) as site:
        store = ArtifactStore(tmp_path, (site.address,))
        first = bring(store, Artifact(IT, SHA256, len(DATA)))
        second = bring(store, Artifact(IT, SHA256, len(DATA)))
    assert first == second
    assert first[0].read_bytes() == DATA
    assert len(site.asked) == 1


def test_second_repository_is_asked_where_the_first_has_it_not(tmp_path):
    with serving({}) as empty, serving({PATH: DATA}) as full:
        store = ArtifactStore(tmp_path, (empty.address, full.address))
        bring(store, Artifact(IT, SHA256, len(DATA)))
    assert len(empty.asked) == len(full.asked) == 1


def test_cached_file_that_was_altered_is_fetched_again(tmp_path):
    with serving({PATH: DATA}) as site:
        store = ArtifactStore(tmp_path, (site.address,))
        (path,) = bring(store, Artifact(IT, SHA256, len(DATA)))
        path.write_bytes(b"altered")
        bring(store, Artifact(IT, SHA256, len(DATA)))
    assert path.read_bytes() == DATA
    assert len(site.asked) == 2


def test_repository_with_another_file_is_refused(tmp_path):
    with serving({PATH: b"evil"}) as site, pytest.raises(TamperedArtifactError):
        bring(ArtifactStore(tmp_path, (site.address,)), Artifact(IT, SHA256, len(DATA)))


def test_nothing_is_fetched_offline(tmp_path):
    with serving({PATH: DATA}) as site:
        store = ArtifactStore(tmp_path, (site.address,), offline=True)
        with pytest.raises(NetworkError, match="not in the cache") as caught:
            bring(store, Artifact(IT, SHA256, len(DATA)))
    assert site.asked == []
    assert "--offline" in caught.value.hint


def test_unpinned_artifact_is_remembered_and_must_stay_what_it_was(tmp_path):
    unpinned = Artifact(IT, None, None)
    with serving({PATH: DATA}) as site:
        store = ArtifactStore(tmp_path, (site.address,))
        (path,) = bring(store, unpinned)
        assert SHA256 in store.unpinned(unpinned)
        path.unlink()
        site.files[PATH] = b"another one"
        with pytest.raises(TamperedArtifactError):
            bring(store, unpinned)
    assert ArtifactStore(tmp_path).unpinned(Artifact(IT, SHA256, 1)) == ""


@pytest.fixture
def nowhere(monkeypatch):
    with serving({}) as site:
        monkeypatch.setattr(artifacts, "default_address", lambda _: f"{site.address}/x")
        yield site


@pytest.mark.parametrize("group", ["com.android.tools", "com.android.tools.build", "androidx.a"])
def test_artifact_of_google_that_is_nowhere_names_both_ways_on(tmp_path, nowhere, group):
    with pytest.raises(ArtifactMissingError, match="Maven's default repository") as caught:
        bring(ArtifactStore(tmp_path), Artifact(Coordinate(group, "r8", "1"), SHA256, 1))
    assert "google()" in caught.value.hint
    assert "ANDROID_HOME" in caught.value.hint
    assert "SHAKTI_MAVEN_REPOSITORIES" in caught.value.hint


def test_other_artifact_that_is_nowhere_names_the_variable(tmp_path, nowhere):
    with pytest.raises(ArtifactMissingError, match="and 1 more") as caught:
        bring(ArtifactStore(tmp_path, (nowhere.address,)), Artifact(IT, SHA256, 1))
    assert "google()" not in caught.value.hint


def test_repositories_come_from_the_environment(monkeypatch):
    monkeypatch.setenv(artifacts.REPOSITORIES_VARIABLE, " http://a  http://b,http://c ")
    assert artifacts.repositories_from_environment() == ("http://a", "http://b", "http://c")

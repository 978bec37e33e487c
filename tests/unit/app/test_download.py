"""Downloads from a server on this machine: cut, resumed, altered, refused, without room."""

from __future__ import annotations

import errno
import hashlib
import random
import socket

import pytest

from sdk_builder.app.download import (
    ATTEMPTS,
    BLOCK_BYTES,
    NotThereError,
    Wanted,
    download,
    open_url,
)
from sdk_builder.errors import DiskFullError, NetworkError, TamperedArtifactError
from tests.unit.app.web import serving

DATA = random.Random(7).randbytes(3 * BLOCK_BYTES + 17)
SHA256 = hashlib.sha256(DATA).hexdigest()


def wanted(site, *, sha256: str | None = SHA256, path: str = "/it.jar") -> Wanted:
    return Wanted("it.jar", site.address + path, sha256, len(DATA))


def ignore(done: int, total: int | None) -> None:
    pass


def test_file_arrives_whole_with_progress_up_to_its_size(tmp_path):
    seen = []
    with serving({"/it.jar": DATA}) as site:
        found = download(wanted(site), tmp_path / "a/it.jar", lambda *p: seen.append(p))
    assert found == SHA256
    assert (tmp_path / "a/it.jar").read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["it.jar"]


def test_cut_connection_goes_on_where_it_broke(tmp_path):
    with serving({"/it.jar": DATA}, "cut", "cut") as site:
        download(wanted(site), tmp_path / "it.jar", ignore)
    first = len(DATA) // 2
    second = first + (len(DATA) - first) // 2
    assert [asked for _, asked in site.asked] == ["", f"bytes={first}-", f"bytes={second}-"]
    assert (tmp_path / "it.jar").read_bytes() == DATA


def test_part_of_an_earlier_run_is_not_fetched_again(tmp_path):
    (tmp_path / "it.jar.part").write_bytes(DATA[:1000])
    with serving({"/it.jar": DATA}) as site:
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert site.asked == [("/it.jar", "bytes=1000-")]


@pytest.mark.parametrize("manner", ["whole", "shifted"])
def test_server_that_answers_another_range_is_believed_from_the_start(tmp_path, manner):
    (tmp_path / "it.jar.part").write_bytes(DATA[:1000])
    with serving({"/it.jar": DATA}, manner) as site:
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert (tmp_path / "it.jar").read_bytes() == DATA


def test_part_that_is_longer_than_the_file_is_given_up(tmp_path):
    (tmp_path / "it.jar.part").write_bytes(DATA + b"more")
    with serving({"/it.jar": DATA}) as site:
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert (tmp_path / "it.jar").read_bytes() == DATA


def test_altered_file_is_named_and_not_kept(tmp_path):
    with (
        serving({"/it.jar": DATA[:-1] + b"!"}) as site,
        pytest.raises(TamperedArtifactError, match=f"not the expected {SHA256}") as caught,
    ):
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert "it.jar" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_part_of_another_file_fails_once_and_the_next_run_is_right(tmp_path):
    (tmp_path / "it.jar.part").write_bytes(b"x" * 1000)
    with serving({"/it.jar": DATA}) as site:
        with pytest.raises(TamperedArtifactError):
            download(wanted(site), tmp_path / "it.jar", ignore)
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert (tmp_path / "it.jar").read_bytes() == DATA


def test_file_without_a_known_hash_is_taken_and_its_hash_told(tmp_path):
    with serving({"/it.jar": DATA}) as site:
        assert download(wanted(site, sha256=None), tmp_path / "it.jar", ignore) == SHA256


def test_missing_file_is_told_apart_at_once(tmp_path):
    with serving({}) as site, pytest.raises(NotThereError):
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert len(site.asked) == 1


def test_refusal_is_not_tried_again(tmp_path):
    with serving({"/it.jar": DATA}, "403") as site, pytest.raises(NetworkError, match="HTTP 403"):
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert len(site.asked) == 1


def test_server_in_trouble_is_asked_again(tmp_path):
    with serving({"/it.jar": DATA}, "503", "500", "429") as site:
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert len(site.asked) == 4


def test_server_that_stays_in_trouble_is_a_network_error(tmp_path):
    with (
        serving({"/it.jar": DATA}, *(["503"] * 20)) as site,
        pytest.raises(NetworkError, match="503") as caught,
    ):
        download(wanted(site), tmp_path / "it.jar", ignore)
    assert len(site.asked) == ATTEMPTS
    assert "what came already is kept" in caught.value.hint


def test_no_server_at_all_is_a_network_error_with_a_hint(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/it.jar"
    with pytest.raises(NetworkError, match="cannot be downloaded") as caught:
        download(Wanted("it.jar", address, SHA256), tmp_path / "it.jar", ignore)
    assert "https_proxy" in caught.value.hint
    assert "\n" not in caught.value.message


def test_full_disk_is_told_and_the_part_is_kept(tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving({"/it.jar": DATA}) as site:
        monkeypatch.setattr("sdk_builder.app.download._copy", full)
        with pytest.raises(DiskFullError):
            download(wanted(site), tmp_path / "it.jar", ignore)
    assert not (tmp_path / "it.jar").exists()


def test_file_address_is_a_source_too(tmp_path):
    (tmp_path / "there.jar").write_bytes(DATA)
    found = Wanted("it.jar", (tmp_path / "there.jar").as_uri(), SHA256)
    download(found, tmp_path / "it.jar", ignore, opener=open_url)
    assert (tmp_path / "it.jar").read_bytes() == DATA


def test_missing_file_address_is_not_there(tmp_path):
    found = Wanted("it.jar", (tmp_path / "there.jar").as_uri(), SHA256)
    with pytest.raises(NotThereError):
        download(found, tmp_path / "it.jar", ignore)

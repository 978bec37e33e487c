"""Named sources: the table, and the cache that is trusted only after a check."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdk_builder.cache import cache_dir
from sdk_builder.models import sources
from sdk_builder.models.sources import SOURCES, Source, cached_path, find_source, known_names

CONTENT = b"GGUF pretend"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source whose file is in the cache already."""
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "cache"))
    made = replace(
        SOURCES["smollm2-135m"],
        member_sha256=hashlib.sha256(CONTENT).hexdigest(),
        member_bytes=len(CONTENT),
        requirement="a-package-that-must-not-be-asked-for==0",
    )
    cached_path(made).parent.mkdir(parents=True)
    cached_path(made).write_bytes(CONTENT)
    return made


@pytest.mark.parametrize("name", ["smollm2-135m", "SmolLM2-135M", "smollm2-135m-instruct"])
def test_source_is_found_by_name_and_alias(name: str) -> None:
    assert find_source(name) is SOURCES["smollm2-135m"]


def test_unknown_name_is_no_source() -> None:
    assert find_source("smollm2") is None


def test_known_names_are_unique_and_hold_presets_and_sources() -> None:
    names = known_names()
    assert len(set(names)) == len(names)
    assert {"shakti-100m", "smollm2-135m"} <= set(names)


def test_cache_is_below_home_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SHAKTI_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_dir() == tmp_path / ".cache" / "shakti-sdk"
    monkeypatch.setenv("SHAKTI_CACHE", "~/elsewhere")
    assert cache_dir() == Path("~/elsewhere").expanduser()


def test_file_in_the_cache_is_hashed_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    full = sources._sha256

    def noting(path: Path) -> str:
        hashed.append(path)
        return full(path)

    monkeypatch.setattr(sources, "_sha256", noting)
    assert sources.fetch(source) == cached_path(source)
    assert sources.fetch(source) == cached_path(source)
    assert hashed == [cached_path(source)]


def test_file_that_was_touched_is_hashed_again(source: Source) -> None:
    path = sources.fetch(source)
    os.utime(path, ns=(0, 0))
    assert sources._is_intact(path, source)
    path.write_bytes(b"X" * len(CONTENT))
    assert not sources._is_intact(path, source)


@pytest.mark.parametrize("content", [b"", b"short", b"X" * len(CONTENT), CONTENT + b"!"])
def test_altered_file_is_not_intact(content: bytes, source: Source) -> None:
    cached_path(source).write_bytes(content)
    assert not sources._is_intact(cached_path(source), source)


@pytest.mark.parametrize("note", ["", "[", "[1, 2]", json.dumps({"a": 1})])
def test_damaged_note_is_ignored(note: str, source: Source) -> None:
    sources._note_path(cached_path(source)).write_text(note)
    assert sources.fetch(source) == cached_path(source)

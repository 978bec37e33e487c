"""What the app's tokenizer tests stand on: the character sets and the cases."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.app.tokenizer_cases import make_cases
from tests.app.tokenizer_shapes import PATTERNS
from tests.app.unicode_ranges import character_sets, encoded, kotlin, ranges

KOTLIN = (
    Path(__file__).resolve().parents[2]
    / "android_demo/app/src/main/kotlin/io/shakti/demo/tokenizer"
)


def without_version(text: str) -> str:
    return re.sub(r"with tokenizers [^;]+;", "", text)


@pytest.mark.slow
def test_the_app_s_character_sets_are_those_of_the_installed_library():
    found = kotlin(character_sets())
    stored = (KOTLIN / "UnicodeRanges.kt").read_text("utf-8")
    assert without_version(stored) == without_version(found), (
        "make it anew: python tests/app/unicode_ranges.py > .../tokenizer/UnicodeRanges.kt"
    )


def test_ranges_are_written_as_gaps_and_lengths():
    assert list(ranges([5, 3, 4, 9])) == [(3, 5), (9, 9)]
    assert encoded([3, 4, 5, 0x20]) == "3 3 1a 1"


def test_every_pattern_of_the_cases_is_one_that_the_app_knows_by_its_text():
    # Kotlin builds some of them from parts, so only a part of each is looked for.
    source = (KOTLIN / "Scanners.kt").read_text("utf-8")
    for pattern in PATTERNS:
        longest = max(pattern.split("|"), key=len)
        assert longest in source, pattern


@pytest.mark.slow
def test_cases_are_what_the_library_says_and_need_no_text_of_elsewhere(tmp_path: Path):
    summary = make_cases(tmp_path, texts=1500)
    assert summary.texts == 1500
    assert summary.cases["llama3"] == 1500 + 30
    assert summary.cases["chance"] > 10_000
    texts = list(read_texts(tmp_path / "texts.bin"))
    assert len(set(texts)) == 1500
    tokenizer = Tokenizer.from_str(json.dumps(json.loads(read(tmp_path, "llama3"))))
    number, ids = first_case(tmp_path / "llama3" / "cases.bin")
    assert ids == tokenizer.encode(texts[number], add_special_tokens=False).ids


def read(folder: Path, name: str) -> str:
    return (folder / name / "tokenizer.json").read_text("utf-8")


def read_texts(file: Path):
    data = file.read_bytes()
    (count,), at = struct.unpack_from(">i", data), 4
    for _ in range(count):
        (length,) = struct.unpack_from(">i", data, at)
        yield data[at + 4 : at + 4 + length].decode("utf-8")
        at += 4 + length
    assert at == len(data)


def first_case(file: Path) -> tuple[int, list[int]]:
    data = file.read_bytes()
    (length,) = struct.unpack_from(">i", data)
    number, count = struct.unpack_from(">ii", data, 4 + length + 4)
    return number, list(struct.unpack_from(f">{count}i", data, 4 + length + 12))

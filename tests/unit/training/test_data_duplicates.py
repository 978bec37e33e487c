"""Copies are found whatever their case, spaces and Unicode spelling; near copies, if asked for."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import MissingPackageError, UsageError
from sdk_builder.training.data import Duplicates, Message, Preference, Reason, Records
from tests.unit.training.data_makers import QUICK, TEXTS, Listed

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "in", "rain"]


def kept(*written: str, duplicates: Duplicates | None = None) -> list[str]:
    source = Listed([{"text": text} for text in written])
    data = Records(source, "pretrain", duplicates=duplicates or Duplicates(), max_dropped=1)
    return [example.record.parts[0][1] for example in data.examples()]


def spellings(text: str) -> list[str]:
    return [
        text,
        f"  {text}\n",
        unicodedata.normalize("NFD", text),
        text.replace(" ", " \t "),
    ]


@QUICK
@given(TEXTS)
def test_spellings_of_a_text_are_one(text: str) -> None:
    assert kept(*spellings(text)) == [text]


@pytest.mark.parametrize(
    ("one", "other"), [("Größe", "GRÖSSE"), ("É", "e\u0301"), ("a b", "A\u00a0B")]
)
def test_case_and_composed_letters_do_not_matter(one: str, other: str) -> None:
    assert kept(one, other) == [one]


@pytest.mark.parametrize(("one", "other"), [("a b", "ab"), ("a", "a."), ("e", "é"), ("１", "1")])
def test_other_texts_are_kept(one: str, other: str) -> None:
    assert kept(one, other) == [one, other]


@QUICK
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1), st.integers(1, 8))
def test_as_many_texts_are_remembered_as_the_memory_holds(
    written: list[str], capacity: int
) -> None:
    remembered: list[str] = []
    expected: list[str] = []
    for text in written:
        if text not in remembered[-capacity:]:
            remembered.append(text)
            expected.append(text)
    assert kept(*written, duplicates=Duplicates(capacity)) == expected


def test_a_copy_is_dropped_with_its_reason_and_the_first_one_stays() -> None:
    source = Listed([{"text": "a"}, {"text": "b"}, {"text": "A"}])
    report = Records(source, "pretrain", duplicates=Duplicates()).report()
    assert report.dropped == {Reason.DUPLICATE: 1}
    assert report.examples[Reason.DUPLICATE][0].origin.row == 3


def test_all_that_a_record_says_counts() -> None:
    why = (Message("user", "Why?"),)
    records = [
        Preference(why, "So.", "No."),
        Preference(why, "No.", "So."),
        Preference((Message("system", "Hm."), *why), "So.", "No."),
        Preference(why, "So. ", "NO."),
    ]
    source = Listed([one.as_row() for one in records])
    data = Records(source, "dpo", duplicates=Duplicates())
    assert [example.record for example in data.examples()] == records[:3]


def test_a_remembered_text_takes_no_more_than_stated() -> None:
    seen = Duplicates().seen()
    preference = Preference((Message("user", "Why?"),), "So.", "No.")
    tracemalloc.start()
    for number in range(5_000):
        seen.check(Preference(preference.prompt, f"So {number}.", "No."))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 5_000 < 200


@pytest.mark.parametrize(("capacity", "near"), [(0, None), (1, 0.0), (1, 1.0), (1, float("nan"))])
def test_settings_that_make_no_sense_are_refused(capacity: int, near: float | None) -> None:
    with pytest.raises(UsageError):
        Duplicates(capacity, near)


# --- near duplicates ------------------------------------------------------------------------


def likeness(one: str, other: str) -> float:
    """Share of common runs of five words, counted in full."""
    runs = [
        {tuple(text.split()[at : at + 5]) for at in range(len(text.split()) - 4)}
        for text in (one, other)
    ]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def article(first: int, count: int = 200) -> str:
    return " ".join(f"{WORDS[at % len(WORDS)]}{at}" for at in range(first, first + count))


def test_a_text_with_a_few_other_words_is_a_near_duplicate() -> None:
    pytest.importorskip("datasketch")
    edited = article(0).replace("fox3 ", "cat ").replace("dog8 ", "hen ")
    shifted = article(150)
    assert likeness(article(0), edited) > 0.9
    assert likeness(article(0), shifted) < 0.2
    assert kept(article(0), edited, shifted, duplicates=Duplicates(near=0.8)) == [
        article(0),
        shifted,
    ]
    assert len(kept(article(0), edited, shifted)) == 3


def test_short_texts_have_neighbours_too() -> None:
    pytest.importorskip("datasketch")
    assert kept("one two", "one two!", "One  Two", duplicates=Duplicates(near=0.8)) == [
        "one two",
        "one two!",
    ]


def test_near_duplicates_are_forgotten_as_others_are() -> None:
    pytest.importorskip("datasketch")
    edited = article(0).replace("fox3 ", "cat ")
    between = [article(1000), article(2000)]
    assert kept(article(0), *between, edited, duplicates=Duplicates(2, near=0.8))[-1] == edited
    assert kept(article(0), *between, edited, duplicates=Duplicates(3, near=0.8))[-1] != edited


def test_without_its_package_the_search_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasketch", None)
    with pytest.raises(MissingPackageError, match="Finding near duplicates needs the package"):
        kept("a", duplicates=Duplicates(near=0.8))


@pytest.mark.parametrize(("edits", "alike", "least", "most"), [(2, 0.90, 19, 20), (12, 0.53, 0, 0)])
def test_pairs_above_the_likeness_are_found_and_those_below_are_not(
    edits: int, alike: float, least: int, most: int
) -> None:
    pytest.importorskip("datasketch")
    found = 0
    for start in range(0, 8000, 400):
        words = article(start).split()
        for at in range(10, 10 + 15 * edits, 15):
            words[at] = "other"  # and five runs with it
        edited = " ".join(words)
        assert likeness(article(start), edited) == pytest.approx(alike, abs=0.01)
        found += len(kept(article(start), edited, duplicates=Duplicates(near=0.8))) == 1
    assert least <= found <= most

"""Sentences, numbers and negations by rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.evaluation.domain.text import (
    clauses,
    consistent,
    content_words,
    negated,
    numbers,
    opposed,
    sentences,
    stem,
    unique_sentences,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ... \n", []),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith came. He left.", ["Dr. Smith came.", "He left."]),
        ("No. It is not.", ["No.", "It is not."]),
        ("It costs 3.5 dollars. Yes.", ["It costs 3.5 dollars.", "Yes."]),
        ("Advice:\n- rest\n2. drink water\n* sleep", ["Advice:", "rest", "drink water", "sleep"]),
        ('He said "stop." Then he went.', ['He said "stop.', "Then he went."]),
    ],
)
def test_sentences(text: str, expected: list[str]):
    assert sentences(text) == expected


def test_repeated_sentence_counts_once_whatever_its_punctuation():
    assert unique_sentences("Rest helps. Drink. REST helps!") == ["Rest helps.", "Drink."]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Rest helps the back.", []),
        (
            "It kills bacteria that live here, but it does not kill any virus.",
            ["It kills bacteria that live here", "but it does not kill any virus."],
        ),
        ("Thirst, dark urine and dizziness.", []),
    ],
)
def test_clauses(sentence: str, expected: list[str]):
    assert clauses(sentence) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no number, one says", set()),
        ("1,000 and 1000", {"1000"}),
        ("5 percent, 5%, five", {"5"}),
        ("3.50 and 0.0", {"3.5", "0"}),
        ("2,5 litres", {"2.5"}),
        ("two to twelve of a hundred", {"2", "12", "100"}),
        ("10", {"10"}),
    ],
)
def test_numbers(text: str, expected: set[str]):
    assert numbers(text) == expected


@pytest.mark.parametrize(
    "text", ["It does not.", "It doesn't.", "It doesn’t.", "No.", "It never is.", "Without it."]
)
def test_negated(text: str):
    assert negated(text)


@pytest.mark.parametrize("text", ["", "It notes.", "Nonetheless it is a knot."])
def test_not_negated(text: str):
    assert not negated(text)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Prices rise.", "Prices fall.", True),
        ("Prices rise.", "Prices rise and fall.", False),
        ("Prices rise.", "Prices change.", False),
        ("It is safe.", "It is dangerous.", True),
        ("A bank lends.", "It is allowed.", False),  # not the ban of "allowed"
    ],
)
def test_opposites(one: str, other: str, expected: bool):
    assert opposed(one, other) is expected
    assert opposed(other, one) is expected


def test_two_negations_agree():
    assert consistent("It is not legal.", "It is illegal.")
    assert not consistent("It is legal.", "It is illegal.")


@pytest.mark.parametrize(
    ("one", "other"),
    [("disease", "diseases"), ("family", "families"), ("rise", "rises"), ("walks", "walking")],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str):
    assert content_words(one) == content_words(other)


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str):
    for one in sentences(text):
        assert one.strip() == one
        assert content_words(one) is not None
    assert consistent(text, text)
    assert set(unique_sentences(text)) <= set(sentences(text))


@given(st.text(min_size=1, alphabet="abcdefsing"))
def test_stem_is_no_longer_than_the_word(word: str):
    assert len(stem(word)) <= len(word) + 1

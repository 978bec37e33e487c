"""Sentences, content words, numbers and negations of English text, by rules. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_BREAK = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_MARK = re.compile(
    r"^\s*(?:[-*•#>]+|\(?\d{1,2}[.)]|[a-z]\))\s+", re.MULTILINE
)  # of a list or a heading
_CLAUSE = re.compile(r"[,;:–—]\s+|\s+(?:but|while|whereas|although|though|so|and)\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)*", re.UNICODE)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_LEAST_CLAUSE = 3  # words; a shorter piece asserts nothing by itself


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Abbreviations that end in a full stop within a sentence.
_SHORT = _listed("dr mr mrs ms st vs e.g i.e u.s u.k inc")
_STOP = _listed(
    """a about after all also am an and any are as at be because been before being both but by can
    could did do does doing down during each for from further get gets had has have having he her
    here hers him his how i if in into is it its itself just made make makes many may me might more
    most much must my of off often on once one only or other our out over own same shall she should
    so some such than that the their them then there these they this those through to too under up
    upon usually very was we were what when where which while who whom why will with would you
    your"""
)
_NEGATIONS = _listed(
    """no not never none nobody nothing neither nor without cannot hardly unable fails failed
    unlawful illegal lacks"""
)
# "one" is left out: it is mostly a pronoun.
_COUNTED = "zero _ two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: str(i) for i, word in enumerate(_COUNTED.split())} | {"hundred": "100"}
# Each word of the left text is an opposite of each of the right one's.
_OPPOSITE_WORDS = (
    (
        "increase increases increasing raise raises raised rise rises rising rose grow grows grew "
        "growing gain gains gained",
        "decrease decreases decreasing lower lowers lowered reduce reduces reduced reducing fall "
        "falls fell falling shrink shrinks drop drops dropped decline declines declined",
    ),
    ("higher more greater bigger larger", "lower less fewer smaller"),
    ("fast faster quick quickly", "slow slower slowly"),
    ("always", "seldom rarely"),
    ("safe harmless", "unsafe dangerous harmful"),
    ("allow allows allowed permit permits permitted", "forbid forbids forbidden ban bans banned"),
    ("guilty", "innocent"),
    ("before", "after"),
    ("cheap cheaper", "expensive"),
    ("profit profits", "loss losses"),
    ("acute", "chronic"),
    ("above", "below"),
    ("maximum", "minimum"),
)
_OPPOSITES = tuple((_listed(left), _listed(right)) for left, right in _OPPOSITE_WORDS)


def sentences(text: str) -> list[str]:
    """The sentences and list items of `text` that have a word, without list marks."""
    # Marks go first: the full stop of "2." would end a sentence.
    return [piece.strip() for piece in _pieces(_MARK.sub("\n", text)) if words(piece)]


def _pieces(text: str) -> list[str]:
    """`text` cut after full stops and at line ends, but not after abbreviations."""
    joined: list[str] = []
    at = 0
    for cut in [*_BREAK.finditer(text), None]:
        piece = text[at : cut.start() if cut else len(text)]
        last = piece.rsplit(None, 1)[-1].rstrip(".").casefold() if piece.strip() else ""
        if cut and "\n" not in cut.group() and piece.endswith(".") and last in _SHORT:
            continue
        joined.append(piece)
        at = cut.end() if cut else at
    return joined


def unique_sentences(text: str) -> list[str]:
    """`sentences`, each once, whatever its case and punctuation."""
    found: dict[tuple[str, ...], str] = {}
    for one in sentences(text):
        found.setdefault(tuple(words(one)), one)
    return list(found.values())


def with_clauses(found: Sequence[str]) -> list[str]:
    """Sentences, and the clauses of those that have several."""
    return [*found, *(clause for one in found for clause in clauses(one))]


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence that may assert something by themselves; none if it is simple."""
    parts = [part for part in _CLAUSE.split(sentence) if len(words(part)) >= _LEAST_CLAUSE]
    return [] if parts == [sentence] else parts


def words(text: str) -> list[str]:
    """All words and numbers in lower case, in order."""
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    """The words that say what a text is about: stems, without function words."""
    return frozenset(stem(word) for word in words(text) if word not in _STOP)


def stem(word: str) -> str:
    """A word without the endings of plurals and verb forms; not always a word."""
    word = word.removesuffix("'s")
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    return word.removesuffix("e") if len(word) > 3 else word


def numbers(text: str) -> frozenset[str]:
    """The numbers of a text in one form: ``1,000`` and ``1000`` are the same, two is 2."""
    found = {_NUMBER_WORDS[word] for word in words(text) if word in _NUMBER_WORDS}
    for match in _NUMBER.findall(text):
        plain = match.replace(",", "") if _GROUPED.fullmatch(match) else match.replace(",", ".")
        found.add(plain.rstrip("0").rstrip(".") or "0" if "." in plain else plain)
    return frozenset(found)


def negated(text: str) -> bool:
    """Whether a text has a word that negates."""
    return any(word in _NEGATIONS or word.endswith("n't") for word in words(text))


def opposed(one: str, other: str) -> bool:
    """Whether one text has a word whose opposite the other has, and neither has both."""
    mine, theirs = frozenset(words(one)), frozenset(words(other))
    return any(_apart(mine, theirs, a, b) or _apart(mine, theirs, b, a) for a, b in _OPPOSITES)


def _apart(
    mine: frozenset[str], theirs: frozenset[str], left: frozenset[str], right: frozenset[str]
) -> bool:
    """Whether mine is on the left side alone, and theirs on the right alone."""
    return bool(mine & left and theirs & right and not mine & right and not theirs & left)


def consistent(claim: str, text: str) -> bool:
    """Whether `text` may assert `claim`: both are negated or neither, and it says no opposite."""
    return negated(claim) == negated(text) and not opposed(claim, text)

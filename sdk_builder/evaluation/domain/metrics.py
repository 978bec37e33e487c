"""Answer relevancy, summarization and factual score of one answer, each from 0 to 1. No torch.

They need an embedding and no judge model; docs/domain-quality.md has the definitions, where they
are from, and what they cannot see.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sdk_builder.evaluation.domain.embedding import Embedder, Vectors
from sdk_builder.evaluation.domain.text import (
    clauses,
    consistent,
    content_words,
    numbers,
    unique_sentences,
    with_clauses,
    words,
)

VERSION = 1  # of the definitions; another one's scores do not compare

CLAIM_THRESHOLD = 0.6  # cosine from which a sentence says a claim; see benchmarks/domain_agreement
_AS_NEAR = 0.05  # a sentence this much further from a claim than the nearest may stand for it, too
_LEAST_NEW = 0.25  # share of new words below which an answer only repeats its question
_LONGEST = 0.5  # of the source; a longer summary is marked down
_LEAST_NEAR = 0.2  # a question that its reference is further from says little about answers

_NO_ANSWER = re.compile(
    r"\b(?:i|we)(?: am|'m| are|'re)? (?:sorry|(?:do not|don't) (?:know|have)|not sure|unsure"
    r"|(?:cannot|can't|am unable to|'m unable to) (?:answer|help|provide|say|tell))\b",
    re.IGNORECASE,
)


def answer_relevancy(question: str, reference: str, answer: str, embedder: Embedder) -> float:
    """How much an answer is about what was asked, whether it is true or not.

    The mean of its nearness to the question (1: as near as the reference is) and to the reference;
    0 for nothing, for "I do not know", and for the question over again. The question counts less
    where even the reference is hardly near it.
    """
    said = unique_sentences(answer)
    if not said or all(_NO_ANSWER.search(one.replace("’", "'")) for one in said):
        return 0.0
    # Sorted, so that the order of sentences cannot change a last digit.
    text = " ".join(sorted(said))
    asked, wanted, given = embedder.embed([question, reference, text])
    usual = _share(float(asked @ wanted))
    weight = min(usual / _LEAST_NEAR, 1.0)
    to_question = min(_share(float(asked @ given)), usual) / max(usual, _LEAST_NEAR)
    to_reference = _share(float(wanted @ given))
    mean = (to_question + to_reference) / (weight + 1)  # to_question is weighted already
    return _newness(question, reference, text) * min(mean, 1.0)


def _newness(question: str, reference: str, answer: str) -> float:
    """1 for an answer with words of its own, 0 for one that has only the question's.

    Where the reference needs no others, an answer does not either.
    """
    asked, given = content_words(question), content_words(answer)
    if not given:
        return 0.0
    if not content_words(reference) - asked and given != asked:
        return 1.0
    return min(len(given - asked) / len(given) / _LEAST_NEW, 1.0)


def factual(claims: Sequence[str], answer: str, embedder: Embedder) -> float:
    """The share of `claims` that the answer makes; what else it says does not count.

    The sentences and clauses nearest to a claim decide: one of them must have a cosine of
    CLAIM_THRESHOLD or more and agree with it in numbers, negation and opposites. A question makes
    no claim.
    """
    said = with_clauses([one for one in unique_sentences(answer) if not one.endswith("?")])
    if not said or not claims:
        return 0.0
    near = embedder.embed(claims) @ embedder.embed(said).T
    made = [_is_made(claim, said, row) for claim, row in zip(claims, near, strict=True)]
    return sum(made) / len(made)


def _is_made(claim: str, said: Sequence[str], near: Vectors) -> bool:
    # Not any sentence: "X is not so" would be overlooked for a remoter one that happens to agree.
    least = max(CLAIM_THRESHOLD, float(near.max()) - _AS_NEAR)
    return any(
        value >= least and consistent(claim, one) and numbers(claim) <= numbers(one)
        for value, one in zip(near, said, strict=True)
    )


def summarization(source: str, reference: str, summary: str, embedder: Embedder) -> float:
    """Harmonic mean of coverage and alignment, less for a summary that is hardly shorter.

    coverage: mean support of the reference's sentences by the summary; alignment: mean support of
    the summary's sentences by the source.
    """
    said = unique_sentences(summary)
    if not said:
        return 0.0
    coverage = _support(unique_sentences(reference), said, embedder)
    alignment = _support(said, unique_sentences(source), embedder)
    if coverage + alignment == 0:
        return 0.0
    both = 2 * coverage * alignment / (coverage + alignment)
    return both * _brevity(source, reference, said)


def _support(claims: Sequence[str], text: Sequence[str], embedder: Embedder) -> float:
    """How much of `claims` the sentences `text` say, mean over claims.

    A claim of several clauses has the mean of theirs, if that is more than it has as a whole.
    """
    pairs = [f"{a} {b}" for a, b in pairwise(text)]
    parts = [*with_clauses(text), *pairs]
    if not claims or not parts:
        return 0.0
    pieces = [(claim, *clauses(claim)) for claim in claims]
    near = embedder.embed([one for group in pieces for one in group]) @ embedder.embed(parts).T
    rows = iter(near)
    found = []
    for group in pieces:
        whole, *rest = [_best(one, parts, next(rows)) for one in group]
        found.append(max(whole, sum(rest) / len(rest)) if rest else whole)
    return float(np.mean(found))


def _best(claim: str, parts: Sequence[str], near: Vectors) -> float:
    """The most that one of `parts` supports the claim: the mean of cosine and ROUGE-1 recall of
    content words, times the share of the claim's numbers; 0 where they contradict."""
    wanted = numbers(claim)
    return max(
        (_share(float(value)) + _recall(claim, part))
        / 2
        * (len(wanted & numbers(part)) / len(wanted) if wanted else 1.0)
        * consistent(claim, part)
        for value, part in zip(near, parts, strict=True)
    )


def _recall(claim: str, text: str) -> float:
    wanted = content_words(claim)
    return len(wanted & content_words(text)) / len(wanted) if wanted else 0.0


def _brevity(source: str, reference: str, said: Sequence[str]) -> float:
    """1 up to half of the source (or the reference's length, if that is more); of a longer summary
    the square of that over its length, so that a copy has a quarter."""
    usual = max(_LONGEST * len(words(source)), len(words(reference)))
    length = sum(len(words(one)) for one in said)
    # Never 0: small models write too much, and what they write should still tell them apart.
    return min(usual / length, 1.0) ** 2


def _share(cosine: float) -> float:
    return min(max(cosine, 0.0), 1.0)

"""Scores of continuations: right, reused where they can be, and of the request alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdk_builder.attention import RingCache, SlidingWindow
from sdk_builder.errors import InputError
from sdk_builder.evaluation.continuations import Continuation, ContinuationScorer, continuation
from tests.unit.evaluation.engines import ChunkedEngine

Result = tuple[float, bool]


def score(requests: list[Continuation], scorer: ContinuationScorer) -> list[Result]:
    """The results in the order of the requests."""
    found = {one.index: (one.log_likelihood, one.greedy) for one in scorer.score(requests)}
    return [found[index] for index in range(len(requests))]


def by_hand(request: Continuation) -> Result:
    """One token after another, from an empty cache; only where cuts do not matter."""
    engine = ChunkedEngine(cuts_matter=False)
    rows = [engine.score([one], at)[0] for at, one in enumerate(request.inputs)]
    logs = torch.stack(rows[-request.count :]).log_softmax(-1)
    tokens = request.ids[-request.count :]
    total = sum(float(row[token]) for row, token in zip(logs, tokens, strict=True))
    return total, tokens == tuple(logs.argmax(-1).tolist())


ids = st.integers(0, 12)
request_lists = st.lists(
    st.builds(
        continuation,
        # Few beginnings, so that requests share them.
        st.builds(
            lambda head, tail: [*head, *tail],
            st.sampled_from([[1] * 3, [1] * 20, [*[1] * 20, *range(12)]]),
            st.lists(ids, max_size=12),
        ),
        st.lists(ids, min_size=1, max_size=12),
        st.just(64),
    ),
    min_size=1,
    max_size=8,
)


class ForgettingEngine(ChunkedEngine):
    """With a sliding window, whose ring does not hold all that was run."""

    ring = RingCache(SlidingWindow(3), block=8)
    written = 0

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        assert self.ring.reusable(start, self.written) == start, "what is behind is forgotten"
        self.written = max(start + len(ids), self.written if start else 0)
        return super().score(ids, start)


@settings(deadline=None)
@given(request_lists)
def test_what_a_sliding_window_forgot_is_run_again(requests):
    scorer = ContinuationScorer(ForgettingEngine(cuts_matter=False), ForgettingEngine.ring)
    for (value, greedy), request in zip(score(requests, scorer), requests, strict=True):
        expected, expected_greedy = by_hand(request)
        assert value == pytest.approx(expected, abs=1e-4)
        assert greedy == expected_greedy


@settings(deadline=None)
@given(request_lists)
def test_scores_are_those_of_one_token_after_another(requests):
    scorer = ContinuationScorer(ChunkedEngine(cuts_matter=False))
    for (value, greedy), request in zip(score(requests, scorer), requests, strict=True):
        expected, expected_greedy = by_hand(request)
        assert value == pytest.approx(expected, abs=1e-4)
        assert greedy == expected_greedy


@settings(deadline=None)
@given(request_lists, st.randoms(use_true_random=False))
def test_score_does_not_depend_on_what_else_was_asked_or_when(requests, random):
    alone = [score([one], ContinuationScorer(ChunkedEngine()))[0] for one in requests]
    together = ContinuationScorer(ChunkedEngine())
    assert score(requests, together) == alone
    order = list(range(len(requests)))
    random.shuffle(order)
    for index in order:  # the same scorer, whose cache now holds all sorts of things
        assert score([requests[index]], together) == [alone[index]]


@settings(deadline=None)
@given(request_lists)
def test_cost_is_what_will_be_computed(requests):
    scorer = ContinuationScorer(ChunkedEngine())
    for _ in range(2):  # the second time the cache is not empty
        cost, before = scorer.cost(requests), scorer.computed_tokens
        found = list(scorer.score(requests))
        assert sum(one.computed for one in found) == cost == scorer.computed_tokens - before


def test_context_of_choices_is_computed_once():
    engine = ChunkedEngine()
    context = list(range(11))
    choices = [[1, 2, 3], [4, 5], [6]]
    scorer = ContinuationScorer(engine)
    score([continuation(context, choice, 64) for choice in choices], scorer)
    # A whole chunk, the rest of the context, then each choice after the context's last token.
    assert sorted(engine.calls) == [(0, 8), (8, 2), (10, 1), (10, 2), (10, 3)]
    assert scorer.computed_tokens == 10 + 3 + 2 + 1
    assert scorer.asked_tokens == 13 + 12 + 11


def test_choices_of_one_token_take_one_position():
    engine = ChunkedEngine()
    score([continuation([1, 2, 3], [one], 64) for one in range(5)], ContinuationScorer(engine))
    assert engine.calls == [(0, 2), (2, 1)]


def test_long_shared_beginning_is_computed_in_whole_chunks_once():
    engine = ChunkedEngine()
    shots = [7] * 20
    questions = [[*shots, 1, 2, 3], [*shots, 4, 5]]
    score([continuation(one, [9], 64) for one in questions], ContinuationScorer(engine))
    assert [call for call in engine.calls if call[1] == 8] == [(0, 8), (8, 8)]


def test_continuation_is_no_context_for_what_follows_it():
    """Its tokens were cut as a continuation's; as a context's they are cut otherwise."""
    ids = [3] * 10 + list(range(12))
    short, longer = continuation(ids[:10], ids[10:], 64), continuation(ids, [5], 64)
    (alone,) = score([longer], ContinuationScorer(ChunkedEngine()))
    assert score([short, longer], ContinuationScorer(ChunkedEngine()))[1] == alone


def test_long_request_loses_its_beginning():
    request = continuation(range(10), [10, 11], 8)
    assert request == Continuation(tuple(range(3, 12)), 2)
    assert len(request.inputs) == 8


@pytest.mark.parametrize(
    ("context", "tokens", "said"),
    [([], [1], "without"), ([1], [], "without"), ([1], [1] * 9, "has 9 tokens")],
)
def test_what_cannot_be_scored_is_refused(context, tokens, said):
    with pytest.raises(InputError, match=said):
        continuation(context, tokens, 8)


def test_failure_of_the_program_does_not_leave_a_wrong_cache():
    engine = ChunkedEngine()
    scorer = ContinuationScorer(engine)
    request = continuation(list(range(12)), [1, 2], 64)
    expected = score([request], scorer)
    engine.context_length = 9  # fails in the second chunk of what is next
    with pytest.raises(AssertionError):
        score([continuation([5] * 12, [1], 64)], scorer)
    engine.context_length = 64
    assert score([request], scorer) == expected

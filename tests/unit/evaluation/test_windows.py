"""Sliding windows count every token once; perplexity by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import UsageError
from sdk_builder.evaluation.perplexity import score_ids, windows
from sdk_builder.log import Steps
from sdk_builder.runtime.engine import ScriptedEngine
from sdk_builder.runtime.session import Session


@given(st.integers(2, 300), st.integers(2, 64), st.data())
def test_each_prediction_is_counted_once_with_enough_context(length, window, data):
    stride = data.draw(st.integers(1, window - 1))
    counted: list[int] = []
    for index, part in enumerate(windows(length, window, stride)):
        assert 0 <= part.start < part.counted <= part.stop <= length
        assert part.stop - part.start <= window
        if index:
            assert part.counted - part.start >= min(window - stride, part.counted)
        counted += range(part.counted, part.stop)
    assert counted == list(range(1, length))


def scripted_session() -> Session:
    """Only what scoring uses: logits 10 for the next number, 0 for the 49 others."""
    engine = ScriptedEngine(lambda ids: (ids[-1] + 1) % 50, 50, context_length=16, max_chunk=5)
    session = Session.__new__(Session)
    session.engine = engine
    return session


def test_perplexity_by_hand():
    right = math.log(math.exp(10) + 49) - 10  # nats lost on a token that was expected
    wrong = math.log(math.exp(10) + 49)
    ids = [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]
    result = score_ids(scripted_session(), ids, 8, 4, Steps.silent())
    assert result.tokens == 9
    assert result.perplexity == pytest.approx(math.exp((8 * right + wrong) / 9), rel=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (17, 4), (8, 0), (8, 8)])
def test_window_that_does_not_fit_is_refused(window, stride):
    with pytest.raises(UsageError, match="does not fit a context of 16"):
        score_ids(scripted_session(), [1, 2, 3], window, stride, Steps.silent())

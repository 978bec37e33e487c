"""llama-perplexity's rule of windows, against a model whose losses are known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.windows import counted_loss, cut, measure
from sdk_builder.errors import InputError

VOCAB = 16


def scored(probability: float):
    """A model that gives the next of a counting text `probability`, the rest to all others."""

    def score(ids):
        logits = torch.full((len(ids), VOCAB), math.log((1 - probability) / (VOCAB - 1)))
        for position, one in enumerate(ids):
            logits[position, (one + 1) % VOCAB] = math.log(probability)
        return logits

    return score


@given(window=st.integers(2, 12), extra=st.integers(0, 30), limit=st.integers(1, 5))
def test_windows_do_not_overlap_and_are_whole(window, extra, limit):
    ids = list(range(2 * window + extra))
    found = cut(ids, window, bos=None, limit=limit)
    assert len(found) == min(limit, len(ids) // window)
    assert [one for ids_ in found for one in ids_] == ids[: len(found) * window]


def test_bos_replaces_the_first_token_of_each_window():
    assert cut([1, 2, 3, 4], 2, bos=9, limit=2) == [[9, 2], [9, 4]]


def test_text_of_less_than_two_windows_is_refused():
    with pytest.raises(InputError, match="7 tokens"):
        cut(list(range(7)), 4, bos=None, limit=9)


@pytest.mark.parametrize("window", [8, 9])
def test_only_the_second_half_counts(window):
    ids = [at % VOCAB for at in range(window)]
    whole = scored(0.5)(ids)
    assert counted_loss(whole, ids) == pytest.approx(math.log(2), rel=1e-6)
    whole[: window // 2] = 0.0  # what is before the half
    whole[-1] = 0.0  # predicts what is not in the window
    assert counted_loss(whole, ids) == pytest.approx(math.log(2), rel=1e-6)
    whole[window // 2] = 0.0
    assert counted_loss(whole, ids) != pytest.approx(math.log(2), rel=1e-3)


def test_perplexity_is_of_all_counted_tokens():
    windows = cut([at % VOCAB for at in range(64)], 16, bos=None, limit=4)
    told: list[int] = []
    loss = measure(scored(0.25), windows, told.append)
    assert loss.perplexity == pytest.approx(4.0, rel=1e-6)
    assert loss.counted == 4 * 7
    assert told == [1, 2, 3, 4]

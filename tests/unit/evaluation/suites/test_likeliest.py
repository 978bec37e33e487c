"""The likeliest of several answers, with few of them computed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.evaluation.continuations import Continuation
from sdk_builder.evaluation.suites.likelihoods import likeliest

CONTEXT = (1, 2)
ANSWERS = st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=4), min_size=2, max_size=8)


def continuations(answers: Sequence[Sequence[int]]) -> list[Continuation]:
    return [Continuation((*CONTEXT, *one), len(one)) for one in answers]


class Model:
    """Log-likelihoods by a hash of all tokens before; a token that runs with others is up to
    `noise` off. `scored` are whole answers that were computed."""

    def __init__(self, seed: int, noise: float = 0.0) -> None:
        self.seed = seed
        self.noise = noise
        self.scored: list[Continuation] = []

    def exact(self, one: Continuation) -> float:
        start = len(one.ids) - one.count
        return sum(self._token(one.ids[: at + 1]) for at in range(start, len(one.ids)))

    def __call__(self, wanted: Sequence[Continuation]) -> list[float]:
        if len(wanted) == 1 and wanted[0].count > 1:
            self.scored.append(wanted[0])
            return [self.exact(wanted[0])]
        return [min(0.0, self.exact(one) - self.noise) for one in wanted]

    def _token(self, ids: Sequence[int]) -> float:
        digest = hashlib.sha256(bytes([self.seed, *ids])).digest()
        return math.log((digest[0] + 1) / 257)


@given(ANSWERS, st.integers(0, 99), st.floats(0.0, 0.5))
def test_the_likeliest_is_that_of_all_likelihoods(
    answers: list[list[int]], seed: int, noise: float
):
    model = Model(seed, noise)
    wanted = continuations(answers)
    # Answers of one token are read off the same position: their noise is theirs.
    exact = [model.exact(one) - (noise if one.count == 1 else 0.0) for one in wanted]
    decisions = (range(len(wanted)), range(min(2, len(wanted))))
    found = likeliest(model, wanted, decisions, margin=noise)
    for one in decisions:
        best = int(np.argmax([exact[at] for at in one]))
        assert found[best] == pytest.approx(min(0.0, exact[best]))
        assert int(np.argmax([found[at] for at in one])) in {
            at for at in one if exact[at] == pytest.approx(exact[best])
        }


def test_an_answer_whose_first_token_is_unlikely_is_not_computed():
    class Two(Model):
        def _token(self, ids: Sequence[int]) -> float:
            return {3: -0.1, 4: -5.0, 5: -0.2}[ids[-1]]

    model = Two(0)
    wanted = continuations([[3, 5], [4, 3], [4, 5]])
    found = likeliest(model, wanted, [range(3)], margin=1.0)
    assert model.scored == [wanted[0]]
    assert found == pytest.approx((-0.3, -5.0, -5.0))


def test_an_answer_that_another_decision_needs_is_computed():
    class Two(Model):
        def _token(self, ids: Sequence[int]) -> float:
            return {3: -0.1, 4: -5.0, 5: -0.2}[ids[-1]]

    model = Two(0)
    wanted = continuations([[3, 5], [4, 3], [4, 5]])
    likeliest(model, wanted, [range(3), (1, 2)], margin=1.0)
    assert model.scored == wanted

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
from sdk_builder.runtime.session import common_prefix

CONTEXT = (1, 2)
ANSWERS = st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=4), min_size=2, max_size=8)


def continuations(answers: Sequence[Sequence[int]]) -> list[Continuation]:
    return [Continuation((*CONTEXT, *one), len(one)) for one in answers]


class Model:
    """Log-likelihoods by a hash of all tokens before. What a call says of other answers is up to
    `noise` too low, as with int8 activations. `scored` are the answers that were computed."""

    def __init__(self, seed: int, noise: float = 0.0) -> None:
        self.seed = seed
        self.noise = noise
        self.scored: list[Continuation] = []

    def exact(self, one: Continuation) -> float:
        start = len(one.ids) - one.count
        return sum(self.token(one.ids[: at + 1]) for at in range(start, len(one.ids)))

    def __call__(
        self, one: Continuation, others: Sequence[Continuation]
    ) -> tuple[float, list[float]]:
        self.scored.append(one)
        return self.exact(one), [self._bound(one, other) - self.noise for other in others]

    def _bound(self, one: Continuation, other: Continuation) -> float:
        shared = common_prefix(one.ids, other.ids)
        seen = other.ids[: min(shared + 1, len(one.ids))]
        return sum(self.token(seen[: at + 1]) for at in range(len(CONTEXT), len(seen)))

    def token(self, ids: Sequence[int]) -> float:
        digest = hashlib.sha256(bytes([self.seed, *ids])).digest()
        return math.log((digest[0] + 1) / 257)


class Unlikely(Model):
    """Nothing that begins with 4 is likely, whatever follows."""

    def token(self, ids: Sequence[int]) -> float:
        return {3: -0.1, 4: -5.0, 5: -0.2}[ids[-1]]


@given(ANSWERS, st.integers(0, 99), st.floats(0.0, 0.5))
def test_the_likeliest_is_that_of_all_likelihoods(
    answers: list[list[int]], seed: int, noise: float
):
    model = Model(seed, noise)
    wanted = continuations(answers)
    exact = [model.exact(one) for one in wanted]
    decisions = (range(len(wanted)), range(min(2, len(wanted))))
    found = likeliest(model, wanted, decisions, margin=noise)
    for decision in decisions:
        best = max(decision, key=lambda at: exact[at])
        assert max(found[at] for at in decision) == pytest.approx(exact[best])
        chosen = int(np.argmax([found[at] for at in decision]))
        assert exact[decision[chosen]] == pytest.approx(exact[best])
    assert len(model.scored) == len(set(map(id, model.scored)))


def test_an_answer_whose_beginning_is_unlikely_is_not_computed():
    model = Unlikely(0)
    wanted = continuations([[3, 5], [4, 3], [4, 5]])
    found = likeliest(model, wanted, [range(3)], margin=1.0)
    assert model.scored == [wanted[0]]
    assert found == pytest.approx((-0.3, -5.0, -5.0))


def test_an_answer_that_another_decision_needs_is_computed():
    model = Unlikely(0)
    wanted = continuations([[3, 5], [4, 3], [4, 5]])
    found = likeliest(model, wanted, [range(3), (1, 2)], margin=0.05)
    assert model.scored == wanted[:2]
    assert found == pytest.approx((-0.3, -5.1, -5.2))  # the last by what it shares with the second

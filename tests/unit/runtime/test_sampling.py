"""From logits to tokens: greedy, seeded, nucleus."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import UsageError
from sdk_builder.runtime import GenerationOptions
from sdk_builder.runtime.sampling import Sampler, nucleus

LOGITS = torch.tensor([0.5, 3.0, 2.5, -1.0, 2.9])


def draws(sampler: Sampler, count: int = 50, logits: torch.Tensor = LOGITS) -> list[int]:
    return [sampler(logits) for _ in range(count)]


def test_temperature_0_takes_the_most_likely_whatever_the_seed() -> None:
    assert set(draws(Sampler(0.0, 0.1, None))) == {1}
    assert set(draws(Sampler(0.0, 1.0, 7))) == {1}


def test_equal_seeds_draw_equal_tokens_and_others_do_not() -> None:
    assert draws(Sampler(1.0, 1.0, 7)) == draws(Sampler(1.0, 1.0, 7))
    assert draws(Sampler(1.0, 1.0, 7)) != draws(Sampler(1.0, 1.0, 8))
    assert draws(Sampler(1.0, 1.0, None)) != draws(Sampler(1.0, 1.0, None))


def test_tokens_come_as_often_as_softmax_says() -> None:
    found = torch.tensor(draws(Sampler(2.0, 1.0, 0), 4000)).bincount(minlength=5) / 4000
    torch.testing.assert_close(found, torch.softmax(LOGITS / 2.0, 0), atol=0.03, rtol=0)


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 5e-324])
def test_a_temperature_near_0_is_nearly_greedy(temperature: float) -> None:
    assert set(draws(Sampler(temperature, 1.0, 0))) == {1}


def test_a_high_temperature_draws_anything() -> None:
    assert set(draws(Sampler(1e30, 1.0, 0), 200)) == set(range(5))


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.1, [1]),  # the best alone is more than enough
        (0.5, [1]),  # exactly enough
        (0.51, [1, 3]),
        (0.75, [1, 3]),
        (0.76, [0, 1, 3]),
        (1.0, [0, 1, 2, 3]),
    ],
)
def test_nucleus_is_the_fewest_best_that_reach_top_p(top_p: float, kept: list[int]) -> None:
    shares = torch.tensor([0.125, 0.5, 0.125, 0.25], dtype=torch.float64)
    found = nucleus(shares, top_p)
    if top_p == 0.76:  # two candidates are as likely as each other: one of them
        assert found.count_nonzero() == 3
        assert found[[1, 3]].tolist() == [0.5, 0.25]
    else:
        assert found.nonzero().flatten().tolist() == kept
        assert torch.equal(found[kept], shares[kept])


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30), st.floats(0.01, 1.0))
def test_nucleus_of_any_shares(weights: list[float], top_p: float) -> None:
    shares = torch.tensor(weights, dtype=torch.float64)
    shares /= shares.sum()
    found = nucleus(shares, top_p)
    kept, dropped = shares[found > 0], shares[found == 0]
    assert torch.equal(found[found > 0], kept)
    assert len(kept) > 0
    if len(dropped):
        assert kept.min() >= dropped.max()
        assert kept.sum() >= top_p - 1e-9
    assert kept.sum() - kept.min() < top_p + 1e-9, "one less would not do"


def test_top_p_leaves_out_the_unlikely() -> None:
    assert set(draws(Sampler(1.0, 0.7, 0), 300)) == {1, 4}


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"top_p": 0.0},
        {"top_p": 1.01},
        {"top_p": math.nan},
        {"seed": -1},
        {"seed": 2**63},
        {"max_tokens": 0},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused_when_made(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=name):
        GenerationOptions(**options)


def test_the_largest_seed_is_taken() -> None:
    GenerationOptions(temperature=0.0, top_p=1.0, seed=2**63 - 1, max_tokens=1)
    Sampler(1.0, 1.0, 2**63 - 1)

"""Figures of single tokens against their definitions."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.evaluation.token_scores import are_best, divergences, losses

sizes = st.tuples(st.integers(1, 40), st.integers(1, 9), st.integers(0, 10**6))


def some(rows: int, vocab: int, seed: int) -> torch.Tensor:
    """Logits in which equals are frequent."""
    return torch.randint(
        -3, 4, (rows, vocab), generator=torch.Generator().manual_seed(seed)
    ).float()


@settings(deadline=None)
@given(sizes)
def test_losses_are_negative_log_likelihoods(size):
    logits = some(*size)
    targets = torch.arange(len(logits)) % logits.shape[1]
    expected = -logits.softmax(-1)[torch.arange(len(logits)), targets].log()
    torch.testing.assert_close(losses(logits, targets), expected, atol=1e-5, rtol=1e-5)


@settings(deadline=None)
@given(sizes)
def test_best_is_the_first_of_the_most_likely(size):
    logits = some(*size)
    for shift in range(logits.shape[1]):
        targets = (torch.arange(len(logits)) + shift) % logits.shape[1]
        assert torch.equal(are_best(logits, targets), logits.argmax(-1) == targets)


@settings(deadline=None)
@given(sizes)
def test_divergence_is_that_of_torch_and_zero_of_equals(size):
    rows, vocab, seed = size
    wanted, found = some(rows, vocab, seed), some(rows, vocab, seed + 1)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=wanted),
        torch.distributions.Categorical(logits=found),
    )
    torch.testing.assert_close(divergences(wanted, found), expected, atol=1e-5, rtol=1e-4)
    assert float(divergences(wanted, wanted).abs().max()) == 0.0

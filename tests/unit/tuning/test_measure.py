"""Quality and speed of engines without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sdk_builder.runtime.engine import ScriptedEngine
from sdk_builder.tuning.measure import (
    KL_POSITIONS,
    Scored,
    SpeedPlan,
    compare_speed,
    ratio_stderr,
    score,
)

VOCABULARY = 5


def by_position(ids: Sequence[int]) -> Tensor:
    """Logits ``[len(ids), V]`` that depend on the id they follow."""
    table = torch.arange(VOCABULARY * VOCABULARY, dtype=torch.float32).sin()
    return table.view(VOCABULARY, VOCABULARY)[list(ids)]


@given(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=700),
    st.integers(2, 40),
    st.data(),
)
def test_each_token_is_scored_once_whatever_the_windows(ids: list[int], window: int, data):
    stride = data.draw(st.integers(1, window - 1))
    found = score(by_position, ids, window, stride, lambda done, total: None)
    losses = torch.nn.functional.cross_entropy(
        by_position(ids[:-1]), torch.tensor(ids[1:]), reduction="none"
    )
    assert torch.allclose(found.losses, losses)
    assert found.tokens == len(ids) - 1
    assert found.perplexity == pytest.approx(math.exp(losses.mean()), rel=1e-5)
    assert min(found.tokens, KL_POSITIONS // 2) - 1 <= len(found.kept) <= KL_POSITIONS


def test_kept_logits_are_of_the_same_positions_in_every_run():
    ids = [at * at % VOCABULARY for at in range(600)]
    wide = score(by_position, ids, 64, 32, lambda done, total: None)
    narrow = score(by_position, ids, 10, 3, lambda done, total: None)
    assert torch.equal(wide.kept, narrow.kept)


def test_error_of_the_ratio_is_none_without_a_difference_and_grows_with_their_spread():
    losses = torch.rand(100, generator=torch.Generator().manual_seed(0))
    kept = torch.empty(0, VOCABULARY)
    same, shifted = Scored(losses, kept), Scored(losses + 0.5, kept)
    assert ratio_stderr(same, same) == 0.0
    assert ratio_stderr(same, shifted) == pytest.approx(0.0, abs=1e-6)
    noise = torch.tensor([0.2, -0.2]).repeat(50)
    spread = ratio_stderr(same, Scored(losses + noise, kept))
    assert spread == pytest.approx(0.2 * math.sqrt(100 / 99) / 10, rel=1e-4)
    assert ratio_stderr(Scored(losses[:1], kept), Scored(losses[:1], kept)) == 0.0


def engine(context: int = 64) -> ScriptedEngine:
    return ScriptedEngine(lambda ids: 1, vocab_size=VOCABULARY, context_length=context)


def test_both_programs_do_the_same_work_in_every_round():
    one, other = engine(), engine()
    plan = SpeedPlan(rounds=3, prefill_tokens=20, decode_tokens=4)
    speed = compare_speed(one, other, VOCABULARY, plan)
    once = [(0, 16), (16, 4), (20, 1), (21, 1), (22, 1), (23, 1)]
    assert one.calls == other.calls == once * 4  # with the warm-up
    assert min(speed.decode_ratio, speed.prefill_ratio, speed.decode_tokens_per_s) > 0


@given(st.integers(16, 4096))
def test_speed_plan_fits_the_shorter_context(context: int):
    plan = SpeedPlan().within(context)
    assert plan.prefill_tokens > 0
    assert plan.decode_tokens > 0
    assert plan.prefill_tokens + plan.decode_tokens <= context


def test_programs_with_different_contexts_can_be_compared():
    short, long = engine(context=16), engine()
    compare_speed(short, long, VOCABULARY, SpeedPlan(rounds=1))
    assert short.calls == long.calls

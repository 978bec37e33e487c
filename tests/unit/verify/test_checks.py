"""Golden answers and distances between logits, on engines without a model."""

from __future__ import annotations

import math

import pytest
import torch

from sdk_builder.bundle.manifest import GoldenPrompt
from sdk_builder.runtime import ScriptedEngine
from sdk_builder.verify.agreement import (
    LEAST_MEDIAN_COSINE,
    Agreement,
    check_lowering,
    collect,
    compare,
    program_logits,
)
from sdk_builder.verify.golden import GOLDEN_TOKENS, check_golden, greedy, make_golden

COUNT = 50


def counting(*wrong_at: int, context_length: int = 64) -> ScriptedEngine:
    """Says what comes after the last id, but something else at the given positions."""

    def next_id(ids: list[int]) -> int:
        return 0 if len(ids) in wrong_at else (ids[-1] + 1) % COUNT

    return ScriptedEngine(next_id, COUNT, context_length=context_length, max_chunk=8)


def golden_of(engine: ScriptedEngine) -> tuple[GoldenPrompt, ...]:
    texts = ("3", "10 11 12 13 14 15 16 17 18 19")
    return make_golden(engine, texts, lambda text: [int(word) for word in text.split()])


def test_golden_answers_are_what_the_program_says_after_the_whole_prompt() -> None:
    golden = golden_of(counting())
    assert golden[0].prompt_ids == (3,)
    assert golden[0].expected_ids == tuple(range(4, 4 + GOLDEN_TOKENS))
    assert golden[1].expected_ids == tuple(range(20, 20 + GOLDEN_TOKENS))
    assert golden[1].text.startswith("10 11")


def test_an_answer_may_end_where_the_context_does() -> None:
    assert greedy(counting(context_length=16), [1], 16) == tuple(range(2, 18))
    golden = make_golden(counting(context_length=16), ["1"], lambda text: [1])
    for exact in (True, False):
        (result,) = check_golden(counting(2, context_length=16), golden, exact=exact)
        assert result.status == ("fail" if exact else "pass")


@pytest.mark.parametrize("exact", [True, False])
def test_the_same_program_repeats_its_answers(exact: bool) -> None:
    (result,) = check_golden(counting(), golden_of(counting()), exact=exact)
    assert (result.status, result.detail) == ("pass", "2 answers repeated to the token")


def test_one_other_token_fails_an_exact_program_only() -> None:
    golden = golden_of(counting())
    (exact,) = check_golden(counting(5), golden, exact=True)
    assert exact.status == "fail"
    assert exact.detail == "1 of 2 answers repeated"
    (rounded,) = check_golden(counting(5), golden, exact=False)
    assert rounded.status == "pass"
    assert "97% of the recorded tokens" in rounded.detail  # 31 of 32


def test_a_program_that_says_other_things_fails_either_way() -> None:
    other = counting(*range(1, 64))
    for exact in (True, False):
        (result,) = check_golden(other, golden_of(counting()), exact=exact)
        assert result.status == "fail"


def test_a_bundle_without_golden_answers_is_not_judged() -> None:
    (result,) = check_golden(counting(), (), exact=True)
    assert result.status == "skipped"


def test_logits_come_chunk_by_chunk_for_prompt_and_answer() -> None:
    golden = golden_of(counting())
    found = collect(golden, lambda ids: program_logits(counting(), ids))
    lengths = [len(one.prompt_ids) + len(one.expected_ids) - 1 for one in golden]
    assert found.shape == (sum(lengths), COUNT)
    assert found[: lengths[0]].argmax(-1).tolist() == list(range(4, 4 + lengths[0]))


# --- distances ------------------------------------------------------------------------------


def test_equal_logits_are_at_no_distance() -> None:
    logits = torch.randn(7, COUNT)
    found = compare(logits, logits)
    assert (found.max_abs_error, found.top1) == (0.0, 1.0)
    assert found.cosine == pytest.approx(1.0)
    assert found.kl == pytest.approx(0.0, abs=1e-6)


def test_distances_by_hand() -> None:
    expected = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])  # 3/4 1/4; 1/2 1/2
    found = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])
    agreement = compare(expected, found)
    first = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    second = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert agreement.kl == pytest.approx((first + second) / 2)
    assert agreement.max_abs_error == pytest.approx(math.log(3.0))


def test_top1_is_the_share_of_positions_with_the_same_best() -> None:
    expected = torch.eye(4)
    found = expected[[0, 1, 2, 0]]
    assert compare(expected, found).top1 == 0.75


@pytest.mark.parametrize(
    ("agreement", "exact", "status"),
    [
        (Agreement(cosine=1.0, max_abs_error=1e-3, kl=0.0, top1=1.0), True, "pass"),
        (Agreement(cosine=1.0, max_abs_error=1e-2, kl=0.0, top1=1.0), True, "fail"),
        (Agreement(LEAST_MEDIAN_COSINE, max_abs_error=9.0, kl=0.1, top1=0.9), False, "pass"),
        (Agreement(0.9, max_abs_error=1e-3, kl=0.1, top1=0.9), False, "fail"),
        (Agreement(math.nan, max_abs_error=math.nan, kl=math.nan, top1=0.0), False, "fail"),
        (Agreement(math.nan, max_abs_error=math.nan, kl=math.nan, top1=0.0), True, "fail"),
    ],
)
def test_a_program_that_is_far_from_its_weights_fails(
    agreement: Agreement, exact: bool, status: str
) -> None:
    assert check_lowering(agreement, exact=exact).status == status

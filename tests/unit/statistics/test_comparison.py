"""Verdicts of `compare`: what it decides, what it leaves open, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.benchmark.analysis.comparison import (
    RUN_TO_RUN_SD,
    Comparison,
    Measured,
    compare,
    parse_margin,
)
from sdk_builder.benchmark.protocol import Case
from sdk_builder.errors import InconclusiveError, InputError, RegressionFound, UsageError
from tests.unit.statistics.makers import DECODE, LOAD, PREFILL, measured, run_line, sample
from tests.unit.statistics.phone_noise import ALPHA, Phone, p_slower

STEADY = [100.0, 100.4, 99.7, 100.9, 99.2, 100.2, 99.9, 100.6]


def times(factor: float, values: list[float] = STEADY) -> list[float]:
    """Like `values`, slower by the factor, and not the very same numbers."""
    return [value * factor * (1 + 0.0003 * i) for i, value in enumerate(values)]


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {case.case.id: case.verdict for case in comparison.cases}


# --- verdicts -----------------------------------------------------------------------------


def test_a_case_that_became_much_slower_is_a_regression_and_the_others_are_not() -> None:
    base = measured(1, {PREFILL: STEADY, DECODE: STEADY, LOAD: STEADY})
    new = measured(2, {PREFILL: times(1.0), DECODE: times(1.3), LOAD: times(0.7)})
    result = compare([base], [new])
    assert verdicts(result) == {
        "prefill-128": "no_regression_shown",
        "decode-128": "regression",
        "load": "faster",
    }
    decode = result.having("regression")[0]
    assert decode.ratio == pytest.approx(1.3, rel=0.01)
    assert decode.low is not None
    assert decode.high is not None
    assert decode.ratio is not None
    assert 1.03 < decode.low < decode.ratio < decode.high
    with pytest.raises(RegressionFound, match=r"decode-128 \(\+30") as caught:
        result.raise_if_bad()
    assert "prefill" not in caught.value.message


def test_a_slowdown_within_the_margin_is_no_regression_however_clear_it_is() -> None:
    base = measured(1, {DECODE: [100.0, 100.1, 100.2, 100.3, 100.4, 100.5]})
    new = measured(2, {DECODE: [104.0, 104.1, 104.2, 104.3, 104.4, 104.5]})
    strict = compare([base], [new], margin=0.0, run_to_run_sd=0.0)
    wide = compare([base], [new], margin=0.05, run_to_run_sd=0.0)
    assert verdicts(strict) == {"decode-128": "regression"}
    assert verdicts(wide) == {"decode-128": "no_regression_shown"}
    wide.raise_if_bad()


def test_a_difference_that_two_runs_may_have_for_no_reason_is_no_regression() -> None:
    base = measured(1, {DECODE: STEADY})
    new = measured(2, {DECODE: times(1.02)})
    same_conditions = compare([base], [new], margin=0.0, run_to_run_sd=0.0)
    assert verdicts(same_conditions) == {"decode-128": "regression"}
    assumed = compare([base], [new], margin=0.0)
    assert verdicts(assumed) == {"decode-128": "no_regression_shown"}
    assert (assumed.cases[0].run_to_run, assumed.cases[0].run_to_run_sd) == (
        "assumed",
        RUN_TO_RUN_SD,
    )


def test_several_runs_a_side_show_what_one_run_cannot() -> None:
    offsets = (1.0, 1.003, 0.997, 1.001)
    base = [measured(i, {DECODE: times(f)}) for i, f in enumerate(offsets)]
    new = [measured(10 + i, {DECODE: times(1.05 * f)}) for i, f in enumerate(offsets)]
    assert verdicts(compare(base[:1], new[:1], margin=0.03)) == {
        "decode-128": "no_regression_shown"
    }
    several = compare(base, new, margin=0.03)
    assert verdicts(several) == {"decode-128": "regression"}
    assert several.cases[0].run_to_run == "estimated"
    levels = [math.log(f) for f in offsets]
    assert several.cases[0].run_to_run_sd == pytest.approx(np.std(levels, ddof=1), rel=0.02)


def test_too_few_rounds_are_called_so_and_the_number_that_is_needed_is_named() -> None:
    base = measured(1, {DECODE: [100.0, 101.0], PREFILL: STEADY})
    new = measured(2, {DECODE: [900.0, 901.0], PREFILL: times(1.0)})
    result = compare([base], [new])
    decode = result.having("not_enough_samples")[0]
    # Two cases: each is tested at 2.5 %, and 1/C(2n, n) is 5 % for n = 3 and 1.4 % for n = 4.
    assert (decode.case, decode.samples_needed, decode.p_value) == (DECODE, 4, None)
    assert decode.ratio == pytest.approx(8.96, rel=0.01)
    with pytest.raises(InconclusiveError, match="decode-128") as caught:
        result.raise_if_bad()
    assert "4 rounds" in caught.value.hint


@pytest.mark.parametrize(("rounds", "decided"), [(3, False), (4, True)])
def test_the_named_number_of_rounds_is_enough_for_data_that_are_clear(
    rounds: int, decided: bool
) -> None:
    base = measured(1, {DECODE: STEADY[:rounds], PREFILL: STEADY[:rounds]})
    new = measured(2, {DECODE: times(3.0)[:rounds], PREFILL: times(1.0)[:rounds]})
    expected = "regression" if decided else "not_enough_samples"
    assert verdicts(compare([base], [new]))["decode-128"] == expected


def test_a_regression_outranks_an_undecided_case() -> None:
    base = measured(1, {DECODE: STEADY, PREFILL: [1.0]})
    new = measured(2, {DECODE: times(2.0), PREFILL: [1.0]})
    with pytest.raises(RegressionFound):
        compare([base], [new]).raise_if_bad()


def test_a_planned_case_without_any_sample_is_undecided_not_forgotten() -> None:
    base = measured(1, {DECODE: STEADY, PREFILL: STEADY})
    new = measured(2, {DECODE: times(1.0), PREFILL: []})
    missing = compare([base], [new]).having("not_enough_samples")
    assert [(case.case, case.ratio, case.new_ms) for case in missing] == [(PREFILL, None, ())]


def test_invalid_samples_do_not_enter() -> None:
    base = measured(1, {DECODE: STEADY})
    good = measured(2, {DECODE: times(1.0)})
    hot = tuple(
        sample(DECODE, 500.0, round_number, invalid_reason="after: thermal status is 2")
        for round_number in range(8)
    )
    assert compare([base], [Measured(good.run, (*hot, *good.samples))]).cases == (
        compare([base], [good]).cases
    )
    only_hot = compare([base], [Measured(good.run, hot)])
    assert verdicts(only_hot) == {"decode-128": "not_enough_samples"}


def test_two_samples_of_one_round_are_one_repetition() -> None:
    base = measured(1, {DECODE: STEADY})
    new = measured(2, {DECODE: [100.0, 101.0]})
    doubled = Measured(new.run, new.samples * 4)
    assert compare([base], [doubled]).cases[0].new_ms == (100.0, 101.0)


def test_cases_of_one_side_alone_are_listed_when_plans_may_differ() -> None:
    base = measured(1, {DECODE: STEADY, LOAD: STEADY})
    new = measured(2, {DECODE: times(1.0), PREFILL: STEADY})
    result = compare([base], [new], across=["plans"])
    assert (result.base_only, result.new_only) == (("load",), ("prefill-128",))
    assert verdicts(result) == {"decode-128": "no_regression_shown"}


def test_more_cases_make_each_ones_test_stricter() -> None:
    many = [Case(kind="decode", tokens=n) for n in range(1, 15)]
    base = measured(1, dict.fromkeys(many, STEADY[:5]))
    new = measured(2, {case: times(2.0)[:5] for case in many})
    # 5 % over 14 cases is 0.36 %, and five rounds a side reach 1/252 = 0.40 % at best.
    assert {case.verdict for case in compare([base], [new]).cases} == {"not_enough_samples"}
    assert {case.samples_needed for case in compare([base], [new]).cases} == {6}
    base, new = (
        Measured(side.run, tuple(s for s in side.samples if s.case in many[:12]))
        for side in (base, new)
    )
    fewer = compare(
        [measured(1, dict.fromkeys(many[:12], STEADY[:5]))],
        [measured(2, {case: times(2.0)[:5] for case in many[:12]})],
    )
    assert {case.verdict for case in fewer.cases} == {"regression"}


def test_durations_without_any_noise_are_compared_too() -> None:
    base, new = measured(1, {DECODE: [10.0] * 5}), measured(2, {DECODE: [20.0] * 5})
    assert verdicts(compare([base], [new])) == {"decode-128": "regression"}
    assert verdicts(compare([base], [measured(3, {DECODE: [10.0] * 5})])) == {
        "decode-128": "no_regression_shown"
    }


def test_the_p_values_are_those_that_the_simulations_use() -> None:
    phone, random = Phone(), np.random.default_rng(11)
    base, new = phone.side(random, 1, 2, 7), phone.side(random, 1, 2, 7, slower=0.08)
    expected = p_slower(base, new, 0.03)[0]
    cases = (DECODE, PREFILL)
    result = compare(
        [measured(1, {case: np.exp(base[0, i]).tolist() for i, case in enumerate(cases)})],
        [measured(2, {case: np.exp(new[0, i]).tolist() for i, case in enumerate(cases)})],
    )
    smaller, larger = sorted(expected)
    found = sorted(case.p_value or 0.0 for case in result.cases)
    assert found == pytest.approx([2 * smaller, max(2 * smaller, larger)])
    assert bool(result.having("regression")) == (2 * smaller <= ALPHA)


@given(st.floats(0.2, 5.0), st.floats(0.01, 1000.0))
def test_ratio_and_interval_follow_the_true_ratio_and_no_unit(ratio: float, unit: float) -> None:
    base = measured(1, {DECODE: STEADY})
    new = measured(2, {DECODE: times(1.0)})
    scaled = measured(3, {DECODE: [unit * ratio * ms for ms in times(1.0)]})
    before = compare([base], [new]).cases[0]
    after = compare([measured(4, {DECODE: [unit * ms for ms in STEADY]})], [scaled]).cases[0]
    for name in ("ratio", "low", "high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) * ratio, rel=1e-5)


# --- what must not be compared ------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what"), [({"device": "other"}, "devices"), ({"runtime": "llama.cpp"}, "runtimes")]
)
def test_other_devices_and_runtimes_are_compared_only_when_asked(
    changes: dict[str, str], what: str
) -> None:
    base, new = measured(1, {DECODE: STEADY}), measured(2, {DECODE: times(1.0)}, **changes)
    with pytest.raises(InputError, match=what) as caught:
        compare([base], [new])
    assert f"--across {what}" in caught.value.hint
    assert verdicts(compare([base], [new], across=[what]))  # type: ignore[list-item]


def test_other_plans_are_compared_only_when_asked_but_more_rounds_are_no_other_plan() -> None:
    base = measured(1, {DECODE: STEADY})
    with pytest.raises(InputError, match="plans"):
        compare([base], [measured(2, {DECODE: STEADY, LOAD: STEADY})])
    assert verdicts(compare([base], [measured(3, {DECODE: times(1.0)}, rounds=20)]))


def test_another_bundle_or_runtime_version_on_the_other_side_is_what_compare_is_for() -> None:
    base = measured(1, {DECODE: STEADY})
    new = measured(2, {DECODE: times(1.0)}, identity="b" * 64, version="2")
    assert verdicts(compare([base], [new])) == {"decode-128": "no_regression_shown"}


def test_one_side_of_two_bundles_is_refused() -> None:
    base = [measured(1, {DECODE: STEADY}), measured(2, {DECODE: STEADY}, identity="b" * 64)]
    with pytest.raises(InputError, match="different bundles"):
        compare(base, [measured(3, {DECODE: STEADY})])


def test_a_run_does_not_count_twice() -> None:
    base, new = measured(1, {DECODE: STEADY}), measured(2, {DECODE: STEADY})
    for first, second in (([base], [base]), ([base, base], [new])):
        with pytest.raises(InputError, match="0000000000000001"):
            compare(first, second)


def test_a_side_without_files_and_sides_without_a_common_case_are_refused() -> None:
    base = measured(1, {DECODE: STEADY})
    with pytest.raises(InputError, match="NEW has no results"):
        compare([base], [])
    with pytest.raises(InputError, match="no case in common"):
        compare([base], [measured(2, {LOAD: STEADY})], across=["plans"])


@pytest.mark.parametrize(
    "numbers",
    [{"margin": -0.01}, {"margin": 3.0}, {"confidence": 1.0}, {"run_to_run_sd": math.nan}],
)
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, float]) -> None:
    side = Measured(run_line(1, [DECODE]), ())
    with pytest.raises(UsageError):
        compare([side], [side], **numbers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "share"),
    [("3%", 0.03), (" 2.5 % ", 0.025), ("0.03", 0.03), (".5%", 0.005), ("0", 0.0)],
)
def test_a_margin_is_read_as_per_cent_or_as_a_share(text: str, share: float) -> None:
    assert parse_margin(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["3", "100%", "-3%", "3%%", "", "nan", "1e-2", "٣%", "three"])
def test_what_is_no_margin_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no margin"):
        parse_margin(text)

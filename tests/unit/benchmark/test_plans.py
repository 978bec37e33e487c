"""Plans: what fits, in which order, and what nonsense is refused."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.benchmark.plans import (
    DEPTHS,
    auto_threads,
    make_plan,
    quick_plan,
    rotated,
    round_plan,
)
from sdk_builder.benchmark.subject import LEAST_SHARE, bundle_facts, program_check
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.errors import UsageError
from tests.unit.benchmark.bench_fakes import RUN_ID, host_facts, make_bundle
from tests.unit.bundle.samples import sample_manifest


def ids(cases) -> list[str]:
    return [case.id for case in cases]


def test_standard_plan_is_what_the_protocol_promises():
    plan, notes = make_plan(2048)
    assert ids(plan.cases) == ["load", "prefill-128", "prefill-512", "ttft-128", "decode-128"]
    assert (plan.rounds, notes) == (5, ())


def test_depth_sweep_leaves_out_what_does_not_fit_and_names_it():
    plan, notes = make_plan(2048, depths=DEPTHS)
    assert "decode-128@512" in ids(plan.cases)
    assert max(case.tokens + case.depth for case in plan.cases) <= 2048
    [note] = notes
    for left_out in ("prefill-128@2048", "decode-128@2048", "prefill-512@3584"):
        assert left_out in note
    assert "decode-128@512" not in note


def test_case_that_fills_the_context_to_the_last_token_fits():
    plan, notes = make_plan(640, prefill=(128,), decode=(128,), depths=(512,), ttft=0)
    assert ids(plan.cases) == ["load", "prefill-128@512", "decode-128@512"]
    assert notes == ()


def test_threads_make_groups_and_the_runtimes_own_choice_comes_first():
    plan, _ = make_plan(512, prefill=(8,), decode=(), ttft=0, threads=(4, None, 1))
    assert ids(plan.cases) == ["load", "prefill-8", "load/1t", "prefill-8/1t", "load/4t",
                               "prefill-8/4t"]  # fmt: skip


def test_few_rounds_are_noted():
    _, notes = make_plan(2048, rounds=3)
    assert "3 rounds" in notes[0]
    assert "2 rounds" in quick_plan(2048)[1][0]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"rounds": 0},
        {"prefill": (0,)},
        {"decode": (-1,)},
        {"depths": (-1,)},
        {"depths": ()},
        {"threads": (0,)},
        {"threads": ()},
        {"ttft": -1},
        {"prefill": (4096,), "decode": (), "ttft": 0},
        {"prefill": (), "decode": (), "ttft": 0, "load": False},
    ],
)
def test_nonsense_is_a_usage_error(nonsense):
    with pytest.raises(UsageError):
        make_plan(2048, **nonsense)


def test_only_loads_may_be_asked_for():
    plan, _ = make_plan(64, prefill=(), decode=(), ttft=0)
    assert ids(plan.cases) == ["load"]


def test_each_round_begins_with_another_case_behind_the_load():
    plan, _ = make_plan(2048)
    firsts = [ids(rotated(plan.cases, r))[:2] for r in range(4)]
    assert {first for first, _ in firsts} == {"load"}
    assert Counter(second for _, second in firsts) == dict.fromkeys(
        ["prefill-128", "prefill-512", "ttft-128", "decode-128"], 1
    )


@settings(deadline=None)
@given(st.integers(0, 100), st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True))
def test_rotation_keeps_all_cases_and_the_groups_of_threads(by, threads):
    plan, _ = make_plan(2048, threads=threads)
    turned = rotated(plan.cases, by)
    assert Counter(turned) == Counter(plan.cases)
    assert [case.threads for case in turned] == [case.threads for case in plan.cases]


def test_round_plan_holds_what_is_missing_in_the_rounds_order():
    plan, _ = make_plan(2048)
    manifest = sample_manifest()
    missing = [plan.cases[1], plan.cases[4]]
    made = round_plan(plan, RUN_ID, 3, 7, "/bundles/x", program_check(manifest), missing, True)
    assert ids(made.cases) == ["decode-128", "prefill-128"]
    assert made.output_name == f"{RUN_ID}-r3-a7.jsonl"
    assert made.program.sha256 == manifest.program.sha256
    assert (made.program.thorough, made.program.exact) == (True, False)


def test_unquantized_programs_must_repeat_exactly():
    manifest = sample_manifest()
    none = manifest.quantization.model_copy(update={"scheme": "none"})
    manifest = manifest.model_copy(update={"quantization": none})
    plan, _ = make_plan(2048)
    made = round_plan(plan, RUN_ID, 0, 0, "/b", program_check(manifest), plan.cases, False)
    assert (made.program.thorough, made.program.exact) == (False, True)


def test_share_asked_for_is_that_of_verify():
    from sdk_builder.verify import golden

    assert LEAST_SHARE == golden.LEAST_SHARE


@pytest.mark.parametrize(
    ("clocks_mhz", "expected"),
    [
        ((), (1, 2, 4)),
        ((0.0, 0.0), (1, 2)),
        ((3000.0,) * 6, (1, 2, 4, 6)),
        ((1704.0,) * 4 + (2367.0,) * 4 + (2914.0,), (1, 2, 4, 5)),  # the little ones stay out
        ((3532.0,) * 6 + (4320.0,) * 2, (1, 2, 4, 8)),  # no little ones
        ((1708.0,) * 6 + (2208.0,) * 2, (1, 2)),
        ((2000.0,), (1,)),
    ],
)
def test_automatic_threads_go_up_to_the_big_cores(clocks_mhz, expected):
    assert auto_threads(host_facts(core_max_mhz=clocks_mhz)) == expected


def test_bundle_facts_name_exactly_this_bundle(tmp_path):
    bundle = make_bundle(tmp_path / "b")
    facts = bundle_facts(bundle)
    assert facts.identity == identity(bundle.manifest)
    assert (facts.scheme, facts.bits_per_weight, facts.program_size_bytes) == ("q4", 4.5, 768)
    assert facts.context_length == 128

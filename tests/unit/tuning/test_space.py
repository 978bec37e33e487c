"""Which candidates there are, and what is known of them before any work."""

from __future__ import annotations

import shlex

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import UsageError
from sdk_builder.quantization.options import EMBEDDINGS, GROUP_SIZES, KV_FORMATS, METHODS
from sdk_builder.quantization.schemes import adjust, find_scheme, plan_formats, size_bits
from sdk_builder.tuning import space
from sdk_builder.tuning.space import (
    Axes,
    Candidate,
    default_axes,
    full_axes,
    plan_space,
    predict,
    with_budget,
)
from tests.unit.tuning.samples import shapes

CANDIDATES = st.builds(
    Candidate,
    quant=st.sampled_from(("q4", "q5", "q8")),
    method=st.sampled_from(METHODS),
    group_size=st.sampled_from((None, *GROUP_SIZES)),
    embedding=st.sampled_from((None, *EMBEDDINGS)),
    bits=st.sampled_from((None, 4.3, 5.25)),
    kv=st.sampled_from(KV_FORMATS),
)


def names(axes: Axes, *, full: bool = False) -> list[str]:
    return [one.candidate.name for one in plan_space(axes, shapes(), full=full)]


def test_default_space_is_about_a_dozen_and_begins_with_what_export_does():
    found = names(default_axes())
    assert found[0] == "q4"
    assert 8 <= len(found) <= 16
    assert len(set(found)) == len(found)


def test_full_space_holds_every_value_of_every_axis():
    candidates = [one.candidate for one in plan_space(full_axes(), shapes(), full=True)]
    assert len(candidates) > len(names(default_axes()))
    assert {one.group_size for one in candidates} >= {64, 128, 256}
    assert {one.embedding for one in candidates} == {None, *EMBEDDINGS}
    assert {one.kv for one in candidates} == set(KV_FORMATS)


def test_new_methods_and_kv_formats_are_tried_as_soon_as_the_exporter_has_them(monkeypatch):
    monkeypatch.setattr(space, "METHODS", ("auto", "rounding", "better"))
    monkeypatch.setattr(space, "KV_FORMATS", ("fp32", "int8"))
    assert {"q4", "q4 rounding", "q4 kv int8"} <= set(names(default_axes()))
    full = {(one.candidate.method, one.candidate.kv) for one in plan_space(full_axes(), shapes())}
    assert {"rounding", "better"} == {method for method, _ in full}


def test_what_the_user_chose_is_combined_with_everything_else_that_was_chosen():
    axes = default_axes().choose(quants=("q4",), group_sizes=(32, 64), embeddings=("int4", "int8"))
    found = {
        (one.candidate.group_size, one.candidate.embedding) for one in plan_space(axes, shapes())
    }
    assert found == {(32, "int4"), (32, "int8"), (64, "int4"), (64, "int8")}


def test_choosing_nothing_changes_nothing():
    assert default_axes().choose(quants=(), kvs=None) == default_axes()


def test_candidates_that_make_the_same_program_are_tried_once():
    axes = Axes(quants=("q8",), group_sizes=(None, 64), embeddings=(None, "int8"))
    assert names(axes, full=True) == ["q8"]


def test_an_unknown_scheme_is_a_usage_error():
    with pytest.raises(UsageError, match="q3"):
        plan_space(Axes(quants=("q3",)), shapes())


@given(CANDIDATES)
def test_predicted_size_is_the_plan_and_a_little_for_each_layer(candidate: Candidate):
    model = shapes()
    scheme = adjust(find_scheme(candidate.quant), candidate.options)
    weights = size_bits(plan_formats(scheme, model, candidate.embedding), model) / 8
    assert 0 < predict(candidate, model).size_bytes - weights < 3 * 30_000


@given(CANDIDATES)
def test_least_budget_is_enough_for_the_base_formats_and_no_more(candidate: Candidate):
    model = shapes()
    least = with_budget(candidate, "least", model)
    found = predict(least, model)
    assert least.bits is not None
    assert found.bits_per_weight <= least.bits <= found.bits_per_weight + 0.01 + 1e-9


def test_an_embedding_that_is_larger_than_the_scheme_gets_the_bits_it_needs():
    model = shapes(vocabulary=4096)
    candidate = with_budget(Candidate("q4", embedding="int8"), "scheme", model)
    assert candidate.bits is not None
    assert candidate.bits > find_scheme("q4").max_bits_per_weight
    assert predict(candidate, model).problem == ""


def test_groups_that_do_not_divide_the_rows_are_told_before_any_work():
    found = predict(Candidate("q4", group_size=128), shapes(hidden=192, ffn=192))
    assert "rows of 192 do not divide into groups of 128" in found.problem


def test_a_budget_that_is_too_small_is_told_before_any_work():
    found = predict(Candidate("q4", bits=4.0), shapes())
    assert found.problem.endswith("4 are allowed")
    assert predict(Candidate("q4"), shapes(hidden=1024, ffn=2048)).problem == ""


@given(CANDIDATES)
def test_command_asks_for_exactly_the_candidate(candidate: Candidate):
    from sdk_builder.cli.root import cli
    from tests.unit.cli.fakes import FakeLibrary

    library = FakeLibrary()
    words = shlex.split(candidate.command("a model", "--context", "64"))
    assert words.pop(0) == "shakti-sdk"
    assert CliRunner().invoke(cli, words, obj=library).exit_code == 0
    (asked,) = library.exported
    assert (asked.model, asked.context_length) == ("a model", 64)
    fields = ("quant", "method", "group_size", "embedding", "bits", "kv")
    assert Candidate(*(getattr(asked, name) for name in fields)) == candidate


@given(st.lists(CANDIDATES, min_size=2, max_size=2, unique=True))
def test_names_and_folders_tell_candidates_apart(two: list[Candidate]):
    assert two[0].name != two[1].name
    assert two[0].slug != two[1].slug
    assert not set(two[0].slug) & set(" /\\≤+")

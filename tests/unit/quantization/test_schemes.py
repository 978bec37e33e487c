"""Which tensor gets which format: budgets hold for any shapes."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import UsageError
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import DOWN, EMBEDDING, HEAD, parameter_shapes
from sdk_builder.models.presets import PRESETS
from sdk_builder.quantization.formats import FLOAT, INT4, INT4_OFFSET, INT8
from sdk_builder.quantization.options import QuantOptions
from sdk_builder.quantization.schemes import (
    SCHEMES,
    Scheme,
    adjust,
    bits_per_weight,
    find_scheme,
    plan_formats,
    size_bits,
)
from sdk_builder.quantization.source import count_formats

SMOLLM2 = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
MODELS = {"smollm2-135m": SMOLLM2, **{name: one.values for name, one in PRESETS.items()}}


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, tuple[int, ...]]:
    """Shapes of a decoder of random size: rows of any length, whole groups or not."""
    heads = draw(st.integers(1, 4))
    hidden, ffn = draw(st.integers(1, 200)), draw(st.integers(1, 200))
    step = draw(st.sampled_from([1, 32]))  # half of the models divide into groups throughout
    config = ShaktiConfig(
        vocab_size=draw(st.integers(3, 300)),
        hidden_size=hidden * step,
        intermediate_size=ffn * step,
        num_hidden_layers=draw(st.integers(1, 4)),
        num_attention_heads=heads,
        num_key_value_heads=1,
        head_dim=draw(st.integers(1, 4)) * 2 * step,
        attention_bias=draw(st.booleans()),
        tie_word_embeddings=draw(st.booleans()),
    )
    return parameter_shapes(config)


# The schemes as they are, and q4 with a budget of the user's own.
schemes = st.one_of(
    st.sampled_from(list(SCHEMES.values())),
    st.floats(4.4, 5.0).map(lambda bits: adjust(SCHEMES["q4"], QuantOptions(bits=bits))),
)


@given(schemes, shapes())
def test_a_plan_stays_within_its_budget_where_its_base_does(
    scheme: Scheme, found: dict[str, tuple[int, ...]]
) -> None:
    plan = plan_formats(scheme, found)
    base = {
        name: FLOAT if len(shape) < 2 else scheme.base if scheme.base.fits(shape) else INT8
        for name, shape in found.items()
    }
    if bits_per_weight(base, found) <= scheme.max_bits_per_weight:
        assert bits_per_weight(plan, found) <= scheme.max_bits_per_weight
    else:
        assert plan == base, "nothing is left to spend"


@given(schemes, shapes())
def test_every_tensor_has_a_format_that_fits_it(
    scheme: Scheme, found: dict[str, tuple[int, ...]]
) -> None:
    plan = plan_formats(scheme, found)
    assert list(plan) == list(found)
    for name, shape in found.items():
        assert plan[name].fits(shape)
        if len(shape) == 1:
            assert plan[name] == FLOAT
        elif scheme.base.group_size and shape[-1] % scheme.base.group_size:
            assert plan[name] == INT8
        else:
            assert plan[name] in (scheme.base, scheme.better)


@given(schemes, shapes())
def test_what_is_left_of_the_budget_is_less_than_any_upgrade(
    scheme: Scheme, found: dict[str, tuple[int, ...]]
) -> None:
    plan = plan_formats(scheme, found)
    left = scheme.max_bits_per_weight * sum(map(prod, found.values())) - size_bits(plan, found)
    for name, shape in found.items() if scheme.upgrades else ():
        if scheme.better and plan[name] == scheme.base and name.endswith(scheme.order):
            assert scheme.better.size_bits(shape) - plan[name].size_bits(shape) > left


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("quant", "most"), [("q4", 4.6), ("q5", 5.6), ("q8", 8.6), ("none", 32.0)])
def test_effective_bits_of_real_models(model: str, quant: str, most: float) -> None:
    found = parameter_shapes(ShaktiConfig(**MODELS[model]))
    scheme = find_scheme(quant)
    plan = plan_formats(scheme, found)
    bits = bits_per_weight(plan, found)
    assert scheme.base.bits < bits <= most or quant == "none"
    # What the size guardrail of an export allows, structure of the file not counted.
    assert bits <= scheme.nominal_bits * 1.05


def test_smollm2_spends_its_bits_where_they_are_worth_most() -> None:
    found = parameter_shapes(ShaktiConfig(**SMOLLM2))
    assert set(plan_formats(find_scheme("q4"), found).values()) == {FLOAT, INT4}
    q4 = plan_formats(adjust(find_scheme("q4"), QuantOptions(bits=4.6)), found)
    assert q4[EMBEDDING] == INT4
    assert count_formats(q4)["int4+offset"] > 0
    offsets = [name for name, one in q4.items() if one == INT4_OFFSET]
    assert {name for name in found if name.endswith(DOWN)} <= set(offsets)
    gate_up = [name for name in found if name.endswith("gate_up_proj.weight")]
    chosen = [name for name in gate_up if name in offsets]
    assert chosen == gate_up[-len(chosen) :]  # from the last layer backwards
    q5 = plan_formats(find_scheme("q5"), found)
    assert set(q5.values()) == {FLOAT, INT4_OFFSET, INT8}
    assert set(plan_formats(find_scheme("q8"), found).values()) == {FLOAT, INT8}


def test_last_layers_come_before_earlier_ones() -> None:
    found = {f"model.layers.{i}.mlp.down_proj.weight": (64, 64) for i in range(4)}
    one = INT4_OFFSET.size_bits((64, 64)) - INT4.size_bits((64, 64))
    budget = (4 * INT4.size_bits((64, 64)) + 2 * one) / (4 * 64 * 64)
    scheme = Scheme("two", "", INT4, 4.5, budget, INT4_OFFSET, ("down_proj.weight",))
    assert list(plan_formats(scheme, found).values()) == [INT4, INT4, INT4_OFFSET, INT4_OFFSET]


def test_an_untied_head_is_planned_too() -> None:
    found = parameter_shapes(ShaktiConfig(**{**SMOLLM2, "tie_word_embeddings": False}))
    assert plan_formats(find_scheme("q4"), found)[HEAD].bits == 4


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="q3") as caught:
        find_scheme("q3")
    assert "none, q8, q5, q4" in caught.value.hint

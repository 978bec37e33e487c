"""The memory plan, checked from the finished record by a liveness analysis of its own."""

from __future__ import annotations

import pytest
from executorch.exir import schema
from executorch.exir.scalar_type import ScalarType
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.lowering.plan import ITEM_SIZE_BYTES, PlanBuilder, constant_method
from tests.unit.lowering.liveness import ALIGNMENT, assert_no_overlap, placed_tensors


@st.composite
def plans(draw: st.DrawFn) -> schema.ExecutionPlan:
    """Programs of kernels and delegates that read earlier tensors and write new ones."""
    plan = PlanBuilder("forward")
    dtypes = st.sampled_from(list(ITEM_SIZE_BYTES))
    tensors = [plan.input(ScalarType.LONG, (1, 4), dynamic=True)]
    results = []
    for _ in range(draw(st.integers(0, 2))):
        plan.state(draw(dtypes), (1, draw(st.integers(1, 40)), 3))
    for step in range(draw(st.integers(1, 14))):
        read = draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3))
        written = [
            plan.temporary(draw(dtypes), (draw(st.integers(1, 90)),), dynamic=draw(st.booleans()))
            for _ in range(draw(st.integers(1, 3)))
        ]
        if draw(st.booleans()):
            plan.kernel("aten::something", "out", [*read, *written])
        else:
            plan.delegate(step, [*read, *written])
        results += written
        tensors += written
    outputs = draw(st.lists(st.sampled_from(results), min_size=1, max_size=2, unique=True))
    return plan.finish(outputs)


@given(plans())
def test_tensors_that_are_alive_together_never_share_memory(plan: schema.ExecutionPlan) -> None:
    unused, activations, *_ = plan.non_const_buffer_sizes
    assert unused == 0
    assert_no_overlap(placed_tensors(plan, memory=1), activations)


@given(plans())
def test_peak_is_at_most_the_sum_and_at_least_the_largest(plan: schema.ExecutionPlan) -> None:
    sizes = [-(-(one.stop - one.start) // ALIGNMENT) * ALIGNMENT for one in placed_tensors(plan, 1)]
    assert max(sizes) <= plan.non_const_buffer_sizes[1] <= sum(sizes)


def test_a_chain_needs_two_buffers_whatever_its_length() -> None:
    plan = PlanBuilder("forward")
    last = plan.input(ScalarType.FLOAT, (100,), dynamic=False)
    for _ in range(20):
        out = plan.temporary(ScalarType.FLOAT, (100,), dynamic=False)
        plan.kernel("aten::cos", "out", [last, out, out])
        last = out
    assert plan.finish([last]).non_const_buffer_sizes == [0, 2 * 448]


def test_states_lie_side_by_side_in_a_memory_of_their_own() -> None:
    plan = PlanBuilder("forward")
    caches = [plan.state(ScalarType.FLOAT, (1, 10, 2, 4)) for _ in range(3)]
    out = plan.temporary(ScalarType.FLOAT, (1,), dynamic=False)
    plan.kernel("llama::update_cache", "out", [*caches, out])
    finished = plan.finish([out])
    found = placed_tensors(finished, memory=2)
    assert [(one.start, one.stop) for one in found] == [(0, 320), (320, 640), (640, 960)]
    assert finished.non_const_buffer_sizes == [0, 64, 960]


def test_offsets_beyond_4_gib_keep_their_high_half() -> None:
    plan = PlanBuilder("forward")
    for _ in range(3):
        cache = plan.state(ScalarType.FLOAT, (1, 2**20, 8, 128))  # 4 GiB each
    out = plan.temporary(ScalarType.FLOAT, (1,), dynamic=False)
    plan.kernel("llama::update_cache", "out", [cache, out])
    (found,) = placed_tensors(plan.finish([out]), memory=2)
    assert found.start == 2 * 2**32


def test_equal_scalars_are_one_value_but_true_is_not_one() -> None:
    plan = PlanBuilder("forward")
    same = [plan.scalar(1), plan.scalar(1)]
    assert same[0] == same[1]
    assert len({plan.scalar(1), plan.scalar(1.0), plan.scalar(True), plan.scalar(None)}) == 4
    assert plan.symbol() != plan.symbol()


def test_kernels_and_delegates_are_listed_once_each() -> None:
    plan = PlanBuilder("forward")
    x = plan.input(ScalarType.FLOAT, (1,), dynamic=False)
    for _ in range(2):
        plan.kernel("aten::mul", "out", [x, x, x, x])
        plan.kernel("aten::sym_size", "", [x, x, x])
        plan.delegate(7, [x, x])
        plan.delegate(5, [x, x])
    assert plan.operators == ["aten::mul.out", "aten::sym_size"]
    finished = plan.finish([x])
    assert [one.processed.index for one in finished.delegates] == [7, 5]
    assert {one.id for one in finished.delegates} == {"XnnpackBackend"}
    calls = [one.instr_args for one in finished.chains[0].instructions]
    indices = [c.delegate_index for c in calls if isinstance(c, schema.DelegateCall)]
    assert indices == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4096, [schema.Int(4096)]),
        (True, [schema.Bool(True)]),
        ([2, 5], [schema.Int(2), schema.Int(5)]),
    ],
)
def test_metadata_is_a_method_without_instructions(
    value: int | bool | list[int], expected: list[object]
) -> None:
    method = constant_method("get_something", value)
    assert [method.values[index].val for index in method.outputs] == expected
    assert method.inputs == []
    assert method.chains[0].instructions == []

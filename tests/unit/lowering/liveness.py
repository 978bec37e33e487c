"""When each tensor of a finished method is in use, read from its instructions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

from executorch.exir import schema
from executorch.exir.scalar_type import ScalarType

from sdk_builder.lowering.plan import ITEM_SIZE_BYTES

ALIGNMENT = 64


@dataclass(frozen=True)
class Placed:
    """A tensor in planned memory: bytes [start, stop), used by instructions first .. last."""

    start: int
    stop: int
    first: int
    last: int


def arguments_of(instruction: schema.Instruction) -> Sequence[int]:
    call = instruction.instr_args
    assert isinstance(call, (schema.KernelCall, schema.DelegateCall))
    return call.args


def placed_tensors(plan: schema.ExecutionPlan, memory: int) -> list[Placed]:
    """Every tensor in `memory`, alive from its first mention to its last (outputs: to the end)."""
    (chain,) = plan.chains
    mentions: dict[int, list[int]] = {output: [len(chain.instructions)] for output in plan.outputs}
    for at, instruction in enumerate(chain.instructions):
        for argument in arguments_of(instruction):
            mentions.setdefault(argument, []).append(at)
    found = []
    for index, value in enumerate(plan.values):
        tensor = value.val
        if not isinstance(tensor, schema.Tensor) or tensor.allocation_info is None:
            continue
        place = tensor.allocation_info
        if place.memory_id == memory and index in mentions:
            start = place.memory_offset_low + (place.memory_offset_high << 32)
            size = prod(tensor.sizes) * ITEM_SIZE_BYTES[ScalarType(tensor.scalar_type)]
            used = mentions[index]
            found.append(Placed(start, start + size, min(used), max(used)))
    return found


def assert_no_overlap(tensors: list[Placed], size: int) -> None:
    for tensor in tensors:
        assert tensor.start % ALIGNMENT == 0
        assert tensor.stop <= size
    for a, b in combinations(tensors, 2):
        if a.first <= b.last and b.first <= a.last:
            assert a.stop <= b.start or b.stop <= a.start, (a, b)

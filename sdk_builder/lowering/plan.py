"""One method of a program: values, instructions and a memory plan.

`PlanBuilder` writes ExecuTorch's own ``ExecutionPlan`` record. Tensors are declared with their
largest shape; the runtime's kernels shrink their outputs to the true one. Memory is planned by
lifetime: a buffer is free for others before its first and after its last instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from executorch.exir import schema
from executorch.exir.scalar_type import ScalarType

_ALIGNMENT = 64
_ACTIVATIONS, _STATE = 1, 2
ITEM_SIZE_BYTES = {
    ScalarType.BYTE: 1,
    ScalarType.CHAR: 1,
    ScalarType.BOOL: 1,
    ScalarType.LONG: 8,
    ScalarType.HALF: 2,
    ScalarType.BFLOAT16: 2,
    ScalarType.FLOAT: 4,
    ScalarType.DOUBLE: 8,
}


@dataclass
class _Buffer:
    value: int
    size_bytes: int
    first: int
    last: int


@dataclass
class PlanBuilder:
    """Builds the method `name`."""

    name: str
    _values: list[schema.EValue] = field(default_factory=list)
    _instructions: list[schema.Instruction] = field(default_factory=list)
    _operators: list[tuple[str, str]] = field(default_factory=list)
    _delegates: list[int] = field(default_factory=list)
    _buffers: dict[int, _Buffer] = field(default_factory=dict)
    _viewed: dict[int, int] = field(default_factory=dict)
    _scalars: dict[tuple[type, object], int] = field(default_factory=dict)
    _inputs: list[int] = field(default_factory=list)
    _state_size_bytes: int = 0

    # -- values ---------------------------------------------------------------------------------

    def _value(self, value: schema.KernelTypes) -> int:
        self._values.append(schema.EValue(value))
        return len(self._values) - 1

    def scalar(self, value: int | float | bool | None) -> int:
        """A constant Int, Double, Bool or None, one value for equal constants."""
        key = (type(value), value)
        if key not in self._scalars:
            made: schema.KernelTypes
            if value is None:
                made = schema.Null()
            elif isinstance(value, bool):
                made = schema.Bool(value)
            elif isinstance(value, int):
                made = schema.Int(value)
            else:
                made = schema.Double(value)
            self._scalars[key] = self._value(made)
        return self._scalars[key]

    def symbol(self) -> int:
        """An Int that instructions compute at run time."""
        return self._value(schema.Int(0))

    def int_list(self, items: Sequence[int]) -> int:
        """A list of Ints given as value indices."""
        return self._value(schema.IntList(list(items)))

    def tensor_list(self, items: Sequence[int]) -> int:
        """A list of tensors: what a kernel with several outputs returns."""
        return self._value(schema.TensorList(list(items)))

    def _tensor(
        self,
        dtype: ScalarType,
        sizes: Sequence[int],
        *,
        dynamic: bool,
        constant: int = 0,
        memory: schema.AllocationDetails | None = None,
    ) -> int:
        dynamism = schema.TensorShapeDynamism
        return self._value(
            schema.Tensor(
                scalar_type=dtype,
                storage_offset=0,
                sizes=list(sizes),
                dim_order=list(range(len(sizes))),
                requires_grad=False,
                layout=0,
                data_buffer_idx=constant,
                allocation_info=memory,
                shape_dynamism=dynamism.DYNAMIC_BOUND if dynamic else dynamism.STATIC,
            )
        )

    def input(self, dtype: ScalarType, sizes: Sequence[int], *, dynamic: bool) -> int:
        """The next input of the method; the caller's memory is used as it is."""
        self._inputs.append(self._tensor(dtype, sizes, dynamic=dynamic))
        return self._inputs[-1]

    def constant(self, dtype: ScalarType, sizes: Sequence[int], index: int) -> int:
        """A tensor whose bytes are entry `index` of the program's constant table."""
        return self._tensor(dtype, sizes, dynamic=False, constant=index)

    def state(self, dtype: ScalarType, sizes: Sequence[int]) -> int:
        """A tensor that lives from run to run, such as a KV cache. It is not in the file."""
        memory = _allocation(_STATE, self._state_size_bytes)
        self._state_size_bytes += _aligned(prod(sizes) * ITEM_SIZE_BYTES[dtype])
        return self._tensor(dtype, sizes, dynamic=False, memory=memory)

    def part(self, state: int, sizes: Sequence[int]) -> int:
        """The first elements of a `state`, as `sizes`, at most; instructions set how many.

        `aten::empty` does so: it gives a tensor sizes and writes nothing.
        """
        memory = self._described(state).allocation_info
        return self._tensor(self.dtype(state), sizes, dynamic=True, memory=memory)

    def temporary(self, dtype: ScalarType, sizes: Sequence[int], *, dynamic: bool) -> int:
        """A tensor in planned memory, alive from the next instruction to its last reader."""
        index = self._tensor(dtype, sizes, dynamic=dynamic, memory=_allocation(_ACTIVATIONS, 0))
        size_bytes = prod(sizes) * ITEM_SIZE_BYTES[dtype]
        now = len(self._instructions)
        self._buffers[index] = _Buffer(index, size_bytes, first=now, last=now)
        return index

    def view(self, value: int, sizes: Sequence[int]) -> int:
        """The same memory as another shape, at run time for the price of an instruction.

        sizes: as large as they get; -1 in place of the one that varies.
        """
        known = prod(size for size in sizes if size != -1)
        free = prod(self.sizes(value)) // known
        largest = [free if size == -1 else size for size in sizes]
        index = self._tensor(self.dtype(value), largest, dynamic=-1 in sizes)
        wanted = self.int_list([self.scalar(size) for size in sizes])
        self._viewed[index] = self._viewed.get(value, value)
        self.kernel("executorch_prim::et_view", "default", [value, wanted, index])
        return index

    def sizes(self, value: int) -> tuple[int, ...]:
        """The largest sizes of a tensor."""
        return tuple(self._described(value).sizes)

    def dtype(self, value: int) -> ScalarType:
        return self._described(value).scalar_type

    def is_dynamic(self, value: int) -> bool:
        """Whether a tensor's sizes follow the call's tokens."""
        return self._described(value).shape_dynamism != schema.TensorShapeDynamism.STATIC

    def _described(self, value: int) -> schema.Tensor:
        tensor = self._values[value].val
        assert isinstance(tensor, schema.Tensor)
        return tensor

    # -- instructions ---------------------------------------------------------------------------

    def _emit(self, call: schema.InstructionArguments, arguments: Sequence[int]) -> None:
        for argument in arguments:
            held = self._viewed.get(argument, argument)
            if held in self._buffers:
                self._buffers[held].last = len(self._instructions)
        self._instructions.append(schema.Instruction(call))

    def kernel(self, name: str, overload: str, arguments: Sequence[int]) -> None:
        """Call kernel `name.overload`; out-variants name their output twice (argument, result)."""
        operator = (name, overload)
        if operator not in self._operators:
            self._operators.append(operator)
        call = schema.KernelCall(self._operators.index(operator), list(arguments))
        self._emit(call, arguments)

    def delegate(self, segment: int, arguments: Sequence[int]) -> None:
        """Run the delegate in `segment`: inputs, then outputs."""
        if segment not in self._delegates:
            self._delegates.append(segment)
        call = schema.DelegateCall(self._delegates.index(segment), list(arguments))
        self._emit(call, arguments)

    # -- result ---------------------------------------------------------------------------------

    @property
    def operators(self) -> list[str]:
        """Kernels called, as ``name.overload``."""
        return [f"{name}.{overload}" if overload else name for name, overload in self._operators]

    @property
    def delegate_count(self) -> int:
        return len(self._delegates)

    def finish(self, outputs: Sequence[int]) -> schema.ExecutionPlan:
        """The method as ExecuTorch serializes it, memory planned."""
        end = len(self._instructions)
        for output in outputs:
            if output in self._buffers:
                self._buffers[output].last = end
        activations = self._plan_memory()
        return schema.ExecutionPlan(
            name=self.name,
            container_meta_type=_container(len(self._inputs), len(outputs)),
            values=self._values,
            inputs=self._inputs,
            outputs=list(outputs),
            chains=[
                schema.Chain(
                    inputs=[], outputs=[], instructions=self._instructions, stacktrace=None
                )
            ],
            operators=[schema.Operator(name, overload) for name, overload in self._operators],
            delegates=[_xnnpack(segment) for segment in self._delegates],
            non_const_buffer_sizes=[0, activations, self._state_size_bytes]
            if self._state_size_bytes
            else [0, activations],
        )

    def _plan_memory(self) -> int:
        """Place the largest buffers first, each at the lowest offset free for its whole life."""
        placed: list[tuple[_Buffer, int]] = []
        peak = 0
        for buffer in sorted(self._buffers.values(), key=lambda b: (-b.size_bytes, b.first)):
            offset = _lowest_free_offset(buffer, placed)
            placed.append((buffer, offset))
            peak = max(peak, offset + _aligned(buffer.size_bytes))
            tensor = self._values[buffer.value].val
            assert isinstance(tensor, schema.Tensor)
            tensor.allocation_info = _allocation(_ACTIVATIONS, offset)
        return peak


def _lowest_free_offset(buffer: _Buffer, placed: list[tuple[_Buffer, int]]) -> int:
    taken = sorted(
        (offset, offset + _aligned(other.size_bytes))
        for other, offset in placed
        if not (other.last < buffer.first or buffer.last < other.first)
    )
    offset = 0
    for start, stop in taken:
        if offset + _aligned(buffer.size_bytes) <= start:
            break
        offset = max(offset, stop)
    return offset


def constant_method(name: str, value: int | bool | list[int]) -> schema.ExecutionPlan:
    """A metadata method: no inputs, returns `value` (each item an output of its own)."""
    items = value if isinstance(value, list) else [value]
    values: list[schema.EValue] = [
        schema.EValue(schema.Bool(item) if isinstance(item, bool) else schema.Int(item))
        for item in items
    ]
    return schema.ExecutionPlan(
        name=name,
        container_meta_type=_container(0, len(items)),
        values=values,
        inputs=[],
        outputs=list(range(len(items))),
        chains=[schema.Chain(inputs=[], outputs=[], instructions=[], stacktrace=None)],
        operators=[],
        delegates=[],
        non_const_buffer_sizes=[0],
    )


def _container(inputs: int, outputs: int) -> schema.ContainerMetadata:
    leaf = '{"type": null, "context": null, "children_spec": []}'

    def spec(kind: str, children: list[str]) -> str:
        return (
            f'{{"type": "builtins.{kind}", "context": "null", '
            f'"children_spec": [{", ".join(children)}]}}'
        )

    arguments = spec("tuple", [leaf] * inputs)
    keywords = '{"type": "builtins.dict", "context": "[]", "children_spec": []}'
    given = spec("tuple", [arguments, keywords])
    result = leaf if outputs == 1 else spec("tuple", [leaf] * outputs)
    return schema.ContainerMetadata(f"[1, {given}]", f"[1, {result}]")


def _xnnpack(segment: int) -> schema.BackendDelegate:
    return schema.BackendDelegate(
        id="XnnpackBackend",
        processed=schema.BackendDelegateDataReference(schema.DataLocation.SEGMENT, segment),
        compile_specs=[],
    )


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT) * _ALIGNMENT


def _allocation(memory_id: int, offset: int) -> schema.AllocationDetails:
    return schema.AllocationDetails(memory_id, offset & 0xFFFFFFFF, offset >> 32)

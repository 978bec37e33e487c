"""The `.pte` file: ExecuTorch's program record in front, the data area behind.

The data area is written first, while weights stream by; the record, which names offsets in it,
last.
Segments are ranges of the data area and may overlap: that is how one tensor serves a gather
kernel (through the constant segment, which is the area's start) and a delegate (through a named
segment).
"""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from executorch.exir import schema
from executorch.exir._serialize import _program as container
from executorch.exir._serialize._flatbuffer_program import (
    _flatbuffer_to_program,
    _program_to_flatbuffer,
)
from executorch.exir._serialize.padding import aligned_size, pad_to

from sdk_builder.lowering.constants import SEGMENT_ALIGNMENT, Constant

CONSTANT_SEGMENT = 0


def first_delegate_segment() -> int:
    """Delegates are numbered from the segment behind the constant one."""
    return CONSTANT_SEGMENT + 1


def make_program(
    plans: Sequence[schema.ExecutionPlan],
    kernel_constants: Sequence[Constant],
    delegates: Sequence[Constant],
    named: Sequence[Constant],
) -> schema.Program:
    """The program record.

    kernel_constants: tensors read by kernels, all at the start of the data area; delegates: blobs
    in the order of their segment numbers; named: constants that delegates ask for by key.
    """
    end = max(constant.offset + constant.size_bytes for constant in kernel_constants)
    segments = [schema.DataSegment(0, end)]
    segments += [schema.DataSegment(blob.offset, blob.size_bytes) for blob in delegates]
    names = []
    for constant in named:
        names.append(schema.NamedData(constant.key, len(segments)))
        segments.append(schema.DataSegment(constant.offset, constant.size_bytes))
    return schema.Program(
        version=0,
        execution_plan=list(plans),
        constant_buffer=[],
        backend_delegate_data=[],
        segments=segments,
        constant_segment=schema.SubsegmentOffsets(
            CONSTANT_SEGMENT, [0, *(constant.offset for constant in kernel_constants)]
        ),
        mutable_data_segments=None,
        named_data=names,
    )


def write_pte(path: Path, program: schema.Program, data: BinaryIO, data_size_bytes: int) -> int:
    """Write record and data area to `path`; returns the record's size in bytes."""
    record = _program_to_flatbuffer(program)
    header_size = aligned_size(container._ExtendedHeader.EXPECTED_LENGTH, record.max_alignment)
    program_size = header_size + len(record.data)
    base = aligned_size(program_size, SEGMENT_ALIGNMENT)
    header = container._ExtendedHeader(
        program_size=program_size, segment_base_offset=base, segment_data_size=data_size_bytes
    )
    front = container._insert_flatbuffer_header(
        flatbuffer_data=record.data,
        magic_regex=r"ET[0-9a-zA-Z][0-9a-zA-Z]",
        header_data=pad_to(header.to_bytes(), header_size),
    )
    data.seek(0)
    with path.open("wb") as file:
        file.write(pad_to(front, base))
        shutil.copyfileobj(data, file, 1 << 22)
    return base


def read_program(path: Path) -> schema.Program:
    """The program record of a `.pte`; its data area is not read."""
    with path.open("rb") as file:
        head = file.read(container._ExtendedHeader.NUM_HEAD_BYTES)
        header = container._get_extended_header(head)
        size = header.program_size if header is not None else path.stat().st_size
        file.seek(0)
        return _flatbuffer_to_program(file.read(size))


@dataclass(frozen=True)
class NamedBytes:
    """The named data of a `.pte`: keys in the order of the record, and their bytes in the file."""

    keys: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    file: memoryview

    def at(self, position: int) -> memoryview:
        """Raises IndexError past the end."""
        start, size_bytes = self.spans[position]
        return self.file[start : start + size_bytes]

    def find(self, key: str) -> memoryview | None:
        return self.at(self.keys.index(key)) if key in self.keys else None


def named_bytes(path: Path) -> NamedBytes:
    """Named data of a program, memory-mapped."""
    program = read_program(path)
    with path.open("rb") as file:
        head = file.read(container._ExtendedHeader.NUM_HEAD_BYTES)
        header = container._get_extended_header(head)
        assert header is not None, "programs of this package have one"
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    named = program.named_data or []
    spans = (program.segments[entry.segment_index] for entry in named)
    return NamedBytes(
        tuple(entry.key for entry in named),
        tuple((header.segment_base_offset + span.offset, span.size) for span in spans),
        mapped,
    )


def called_operators(path: Path) -> list[str]:
    """Kernels that the program's methods call, sorted, as ``name.overload``."""
    return sorted(
        {
            f"{operator.name}.{operator.overload}" if operator.overload else operator.name
            for plan in read_program(path).execution_plan
            for operator in plan.operators
        }
    )


__all__ = [
    "CONSTANT_SEGMENT",
    "NamedBytes",
    "called_operators",
    "first_delegate_segment",
    "make_program",
    "named_bytes",
    "read_program",
    "write_pte",
]

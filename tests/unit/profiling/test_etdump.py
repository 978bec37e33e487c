from __future__ import annotations

import struct

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import SessionError
from sdk_builder.profiling.etdump import Event, read_runs

NAMES = st.text(max_size=12)
TIMES = st.integers(0, 2**63)
EVENTS = st.builds(Event, NAMES, NAMES, st.integers(0, 3), st.integers(0, 500), TIMES, TIMES)
EXECUTE = Event("Method::execute", "", -1, 0, 0, 10)


def write_dump(runs: list[list[Event]]) -> bytes:
    """The events as ExecuTorch's schema lays them out."""
    builder = flatbuffers.Builder(1024)
    tables = []
    for run in runs:
        events = [_event(builder, event) for event in run]
        vector = _vector(builder, events)
        builder.StartObject(4)
        builder.PrependUOffsetTRelativeSlot(3, vector, 0)
        tables.append(builder.EndObject())
    vector = _vector(builder, tables)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(1, vector, 0)
    builder.FinishSizePrefixed(builder.EndObject())
    return bytes(builder.Output())


def _event(builder: flatbuffers.Builder, event: Event) -> int:
    name, delegated = builder.CreateString(event.name), builder.CreateString(event.delegated)
    builder.StartObject(8)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependInt32Slot(1, event.chain, 0)
    builder.PrependInt32Slot(2, event.instruction, -1)
    builder.PrependUOffsetTRelativeSlot(4, delegated, 0)
    builder.PrependUint64Slot(6, event.start_ns, 0)
    builder.PrependUint64Slot(7, event.end_ns, 0)
    profiled = builder.EndObject()
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(0, profiled, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, items: list[int]) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


@given(st.lists(st.lists(EVENTS, max_size=5), max_size=3))
def test_what_was_written_is_read(runs):
    whole = [[*run, EXECUTE] for run in runs]
    assert read_runs(write_dump(whole)) == [tuple(run) for run in whole]


def test_runs_that_only_load_are_left_out():
    loading = Event("Program::load_method", "", -1, 0, 0, 5)
    assert read_runs(write_dump([[loading], [EXECUTE]])) == [(EXECUTE,)]


@given(st.integers(4, 200))
def test_truncated_dump_is_an_error_of_ours(size):
    data = write_dump([[EXECUTE, EXECUTE]])
    with pytest.raises(SessionError, match="trace cannot be read"):
        read_runs(data[: min(size, len(data) // 3)])


def test_offset_out_of_the_file_is_an_error_of_ours():
    with pytest.raises(SessionError):
        read_runs(struct.pack("<III", 8, 2**31, 0))

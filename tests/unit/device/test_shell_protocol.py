"""The shell protocol: packets, quoting and lines, without a phone."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.device.shell_v2 import (
    MAX_LINE_BYTES,
    Decoder,
    LineCutter,
    ProtocolError,
    command_line,
)
from sdk_builder.errors import UsageError
from tests.unit.device.adb_wire import packet

ARGUMENTS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(ARGUMENTS)
def test_a_real_shell_gives_back_exactly_the_arguments(arguments):
    line = command_line(["printf", r"%s\0", *arguments])
    done = subprocess.run(["/bin/sh", "-c", line.encode()], capture_output=True, check=True)
    assert done.stdout == b"".join(argument.encode() + b"\0" for argument in arguments)
    assert done.stderr == b""


def test_a_file_name_that_is_no_utf8_goes_through():
    name = os.fsdecode(b"caf\xe9; ls")
    line = command_line(["printf", "%s", name]).encode("utf-8", "surrogateescape")
    assert subprocess.run(["/bin/sh", "-c", line], capture_output=True).stdout == b"caf\xe9; ls"


@pytest.mark.parametrize("argv", [[], ["echo", "a\0b"]])
def test_what_no_process_can_be_started_with_is_refused(argv):
    with pytest.raises(UsageError):
        command_line(argv)


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.binary(min_size=1, max_size=50)), max_size=8),
    st.lists(st.integers(1, 30), min_size=1),
)
def test_packets_come_out_as_they_went_in_however_they_are_cut(packets, sizes):
    data = b"".join(packet(kind, content) for kind, content in packets)
    decoder, at = Decoder(), 0
    out: list[tuple[int, bytes]] = []
    while at < len(data):
        size = sizes[at % len(sizes)]
        out += decoder.feed(data[at : at + size])
        at += size
    for kind in (1, 2, 3):
        sent = b"".join(content for k, content in packets if k == kind)
        assert b"".join(content for k, content in out if k == kind) == sent
    assert [kind for kind, _ in out][:1] == [kind for kind, _ in packets][:1]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_packets_are_refused_or_read_never_worse(data):
    try:
        list(Decoder().feed(data))
    except ProtocolError:
        assert any(byte not in (1, 2, 3) for byte in data)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 17))
def test_lines_are_those_that_python_sees_in_the_whole(chunks, size):
    data = b"".join(chunks)
    cutter = LineCutter()
    lines: list[str] = []
    for start in range(0, len(data), size):
        lines += cutter.feed(data[start : start + size])
    if cutter.holds:
        lines.append(cutter.flush())
    whole = data.split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert lines == [line.removesuffix(b"\r").decode("utf-8", "replace") for line in whole]


def test_a_line_without_end_comes_in_pieces():
    cutter = LineCutter()
    pieces = [piece for _ in range(40) for piece in cutter.feed(b"x" * 2**16)]
    assert [len(piece) for piece in pieces] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert sum(map(len, [*pieces, cutter.flush()])) == 40 * 2**16

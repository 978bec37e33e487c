from __future__ import annotations

import pytest

from sdk_builder.errors import SessionError
from sdk_builder.profiling.attribution import (
    ATTENTION,
    EMBEDDING,
    FEED_FORWARD,
    HEAD,
    KV_UPDATE,
    NORMS,
    OUTSIDE,
    PROJECTIONS,
    ROTARY,
    Moment,
    attribute,
    total_ms,
)
from sdk_builder.profiling.etdump import Event
from sdk_builder.profiling.result import Phase, average

MS = 1_000_000
NORM = ["Square #1", "Fully Connected F32 #1", "Reciprocal #1", "Multiply #1", "Multiply #2"]


class Timeline:
    """Events of a run, one ms an operator; half a ms around each delegate's."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now_ns = 0
        self.number = 0

    def kernel(self, name: str) -> None:
        start, self.now_ns = self.now_ns, self.now_ns + MS
        self.events.append(Event(f"native_call_{name}", "", 0, self.number, start, self.now_ns))
        self.events.append(Event("OPERATOR_CALL", "", 0, self.number, start, self.now_ns))
        self.number += 1

    def delegate(self, *operators: str) -> None:
        start = self.now_ns
        self.now_ns += MS // 2
        for name in operators:
            before, self.now_ns = self.now_ns, self.now_ns + MS
            self.events.append(Event("", name, 0, self.number, before, self.now_ns))
        self.now_ns += MS // 2
        self.events.append(Event("DELEGATE_CALL", "", 0, self.number, start, self.now_ns))
        self.number += 1

    def run(self) -> list[Event]:
        return [*self.events, Event("Method::execute", "", -1, 0, 0, self.now_ns + MS)]


def two_layers() -> list[Event]:
    line = Timeline()
    line.kernel("embedding_4bit.dtype_out")
    line.kernel("cos.out")
    line.delegate("Reshape #1", *NORM, "Fully Connected #1")
    for layer in range(2):
        line.kernel("slice_copy.Tensor_out")
        line.kernel("llama::update_cache.out")
        line.kernel("llama::custom_sdpa.out")
        if layer == 0:
            line.delegate("Fully Connected #1", *NORM, "Sigmoid #1", *NORM, "Fully Connected #2")
    line.kernel("slice_copy.Tensor_out")
    line.delegate("Fully Connected #1", *NORM, "Sigmoid #1", *NORM)
    line.delegate("Fully Connected #1")
    return line.run()


def ms_of(moments: list[Moment]) -> dict[tuple[str, int | None], float]:
    found: dict[tuple[str, int | None], float] = {}
    for moment in moments:
        place = moment.part, moment.layer
        found[place] = found.get(place, 0.0) + moment.ms
    return found


def test_each_operator_goes_to_its_part_and_layer():
    assert ms_of(attribute(two_layers())) == pytest.approx(
        {
            (EMBEDDING, None): 2,
            (ROTARY, None): 1,
            (NORMS, 0): 5 + 5,
            (PROJECTIONS, 0): 1 + 1 + 1,  # qkv, the slice, the output
            (KV_UPDATE, 0): 1,
            (ATTENTION, 0): 1,
            (FEED_FORWARD, 0): 1,
            (NORMS, 1): 5 + 5,
            (PROJECTIONS, 1): 1 + 1 + 1,
            (KV_UPDATE, 1): 1,
            (ATTENTION, 1): 1,
            (FEED_FORWARD, 1): 1,
            (NORMS, None): 5,
            (HEAD, None): 1 + 1,  # the slice of the last position, the head
            (OUTSIDE, None): 4 + 1,  # four delegates, and what the interpreter takes
        }
    )


def test_all_time_is_attributed_once():
    run = two_layers()
    assert sum(moment.ms for moment in attribute(run)) == pytest.approx(total_ms(run))


def test_numbers_of_operators_are_dropped():
    assert "Multiply" in {moment.operator for moment in attribute(two_layers())}


def test_program_without_attention_is_refused():
    line = Timeline()
    line.kernel("add.out")
    with pytest.raises(SessionError, match="no attention"):
        attribute(line.run())


def test_average_is_of_the_faster_half_and_counts_calls():
    fast, slow = Moment(HEAD, None, "x", 1.0), Moment(HEAD, None, "x", 9.0)
    assert average([[slow], [fast, fast], [fast]]) == ((Moment(HEAD, None, "x", 1.5), 1.5),)


def test_tables_of_a_phase_add_up_to_its_time():
    phase = Phase("decode", 1, 0, 3, 1, 20.0, 1000, average([attribute(two_layers())] * 3))
    for rows in (phase.by_part(), phase.by_layer(), phase.by_operator()):
        assert sum(row.ms for row in rows) == pytest.approx(phase.total_ms)
        assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert [row.name for row in phase.by_layer()] == ["0", "1", "-"]

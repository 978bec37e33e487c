"""Which part of the model, and which layer, each moment of a run belongs to.

The order of a program says it: what stands between two attention kernels is one delegate, with the
end of one layer (output projection, feed-forward) and the start of the next (query, key, value).
Inside a delegate each norm begins with the only square, and what follows a norm is the next part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sdk_builder.errors import SessionError
from sdk_builder.profiling.etdump import Event

EMBEDDING = "embedding"
ROTARY = "rotary tables"
PROJECTIONS = "attention projections"
KV_UPDATE = "KV update"
ATTENTION = "attention"
FEED_FORWARD = "feed-forward"
NORMS = "norms"
HEAD = "head"
OTHER = "other kernels"
OUTSIDE = "outside operators"
PARTS = (
    *(EMBEDDING, ROTARY, PROJECTIONS, KV_UPDATE, ATTENTION, FEED_FORWARD, NORMS, HEAD),
    *(OTHER, OUTSIDE),
)
SETUP = "delegate set-up"
REST = "rounding and tracing"
INTERPRETER = "between instructions"

_NORM_OPERATORS = 5  # square, mean, reciprocal root, two multiplications
_EMBEDDING_KERNELS = ("embedding", "_to_copy")
_ROTARY_KERNELS = ("arange", "view_copy", "mul", "cos", "sin")
_KV_KERNELS = ("update_cache", "update_quantized_cache", "quantize", "choose_qparams")


@dataclass(frozen=True)
class Moment:
    """Time of one operator. layer: None for what belongs to no layer."""

    part: str
    layer: int | None
    operator: str
    ms: float


def attribute(run: Sequence[Event]) -> list[Moment]:
    """All of a run's time, each bit once: the sum is `total_ms(run)`.

    Raises SessionError when the run has no attention: not a program of ours.
    """
    inside = [event for event in run if event.chain >= 0]
    inside.sort(key=lambda event: event.instruction)
    instructions = [list(group) for _, group in groupby(inside, lambda event: event.instruction)]
    layers = sum(_is_attention(_kernel(events)) for events in instructions)
    if not layers:
        raise SessionError(
            "the trace shows no attention kernel, so layers cannot be told apart",
            "profile a bundle that shakti-sdk exported",
        )
    walk = _Walk(layers)
    moments = [moment for events in instructions for moment in walk.instruction(events)]
    between = total_ms(run) - sum(moment.ms for moment in moments)
    return [*moments, Moment(OUTSIDE, None, INTERPRETER, between)]


def total_ms(run: Sequence[Event]) -> float:
    """How long the method ran."""
    return sum(event.ms for event in run if event.name == "Method::execute")


class _Walk:
    """Goes through a method's instructions in order and knows where in the model it is."""

    def __init__(self, layers: int) -> None:
        self._layers = layers
        self._attended = 0
        self._delegates = 0

    def instruction(self, events: list[Event]) -> Iterator[Moment]:
        call = next((one for one in events if one.name == "DELEGATE_CALL"), None)
        if call is not None:
            yield from self._delegate(call, [one for one in events if one.delegated])
            self._delegates += 1
            return
        name = _kernel(events)
        called = next((one for one in events if one.name == "OPERATOR_CALL"), events[0])
        part, layer = self._kernel_place(name)
        yield Moment(part, layer, name, called.ms)
        if _is_attention(name):
            self._attended += 1

    def _kernel_place(self, name: str) -> tuple[str, int | None]:
        bare = name.rpartition("::")[2]
        if _is_attention(name):
            return ATTENTION, self._attended
        if not self._delegates:
            if bare.startswith(_EMBEDDING_KERNELS):
                return EMBEDDING, None
            return (ROTARY if bare.startswith(_ROTARY_KERNELS) else OTHER), None
        if bare.startswith(_KV_KERNELS):
            return KV_UPDATE, self._attended
        if self._attended < self._layers:
            return PROJECTIONS, self._attended
        return HEAD, None

    def _delegate(self, call: Event, operators: list[Event]) -> Iterator[Moment]:
        """An XNNPACK graph; its operators' times are whole microseconds."""
        if operators:
            setup = (operators[0].start_ns - call.start_ns) / 1e6
            yield Moment(OUTSIDE, None, SETUP, setup)
        else:
            setup = 0.0
        for (part, layer), event in zip(self._places(operators), operators, strict=True):
            yield Moment(part, layer, _numberless(event.delegated), event.ms)
        rest = call.ms - setup - sum(event.ms for event in operators)
        yield Moment(OUTSIDE, None, REST, rest)

    def _places(self, operators: list[Event]) -> Iterator[tuple[str, int | None]]:
        after = self._parts_of_delegate()
        norms = in_norm = 0
        for event in operators:
            if event.delegated.startswith("Square"):
                norms, in_norm = norms + 1, _NORM_OPERATORS
            place = after[min(norms, len(after) - 1)]
            yield (NORMS, place[1]) if in_norm else place
            in_norm = max(in_norm - 1, 0)

    def _parts_of_delegate(self) -> list[tuple[str, int | None]]:
        """What stands before the first norm of this delegate, behind it, behind the second."""
        if not self._attended:
            return [(EMBEDDING, None), (PROJECTIONS, 0)]
        if self._delegates > self._layers:
            return [(HEAD, None)]
        last, following = self._attended - 1, self._attended
        start = [(PROJECTIONS, last), (FEED_FORWARD, last)]
        return [*start, (PROJECTIONS, following) if following < self._layers else (HEAD, None)]


def _kernel(events: Sequence[Event]) -> str:
    """The kernel's name, ``namespace::name.overload`` as far as the runtime tells it."""
    steps = {"OPERATOR_CALL", "DELEGATE_CALL", ""}
    name = next((one.name for one in events if one.name not in steps), "scalars")
    return name.removeprefix("native_call_")


def _is_attention(name: str) -> bool:
    return "sdpa" in name


def _numberless(name: str) -> str:
    return re.sub(r" #\d+$", "", name)

"""Texts packed into sequences of one length, for pre-training, and where the packing has come to.

Texts are tokenized, each followed by the end-of-text token, and cut into sequences without gaps.
So a sequence may hold several texts, and attention is plain causal across them: a token also sees
the texts before its own, as is usual in pre-training; the end-of-text token tells where one ends.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from sdk_builder.errors import DataError, ResumeError
from sdk_builder.training.data import START, Data, Document, Pass, Position, Record

TEXTS_AT_ONCE = 64  # tokenized together, on all cores
BATCHES_AHEAD = 2
Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class PackState:
    """Where a packing has come to: the data's position, and tokens of texts before it that are in
    no sequence yet."""

    position: Position = START
    carried: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"position": self.position.as_dict(), "carried": list(self.carried)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> PackState:
        """What `as_dict` gave. Raises ResumeError."""
        try:
            return cls(
                Position.from_dict(given["position"]), tuple(int(one) for one in given["carried"])
            )
        except (KeyError, TypeError, ValueError, DataError) as error:
            raise ResumeError(
                "The checkpoint does not say how far the data was read.", "Start over with --fresh."
            ) from error


BEGINNING = PackState()


@dataclass(frozen=True)
class Batch:
    """Sequences of an optimizer step, ``[B,S]``, and the state behind them."""

    tokens: Tensor
    state: PackState


def pack(
    data: Data, encode: Encode, end: int, length: int, size: int, start: PackState = BEGINNING
) -> Iterator[Batch]:
    """Batches of `size` sequences of `length` tokens; the rest that fills none is dropped where
    the data ends.

    encode: texts to token ids, without special tokens; end: the id after each text. Raises what
    reading the data raises.
    """
    held = list(start.carried)
    position, wanted = start.position, length * size
    tokenized = _tokenized(data.examples(start.position), encode)
    while True:
        while len(held) < wanted:
            found = next(tokenized, None)
            if found is None:
                return
            tokens, position = found
            held += tokens
            held.append(end)
        taken, held = held[:wanted], held[wanted:]
        yield Batch(torch.tensor(taken).view(size, length), PackState(position, tuple(held)))


def count_tokens(data: Data, encode: Encode) -> int:
    """Of all texts, with the end-of-text token of each. Raises what reading the data raises."""
    return sum(len(tokens) + 1 for tokens, _ in _tokenized(data.examples(), encode))


def _tokenized(examples: Pass, encode: Encode) -> Iterator[tuple[Sequence[int], Position]]:
    """The tokens of each text, and the position behind it."""
    while True:
        read = [(_text(one.record), examples.position) for one in islice(examples, TEXTS_AT_ONCE)]
        if not read:
            return
        encoded = encode([text for text, _ in read])
        yield from zip(encoded, (position for _, position in read), strict=True)


def _text(record: Record) -> str:
    assert isinstance(record, Document)
    return record.text


class PackedBatches(IterableDataset):
    """Micro batches of one process, of a stream of batches that is the same for every number of
    processes: micro batch i of process r is rows ``(i * processes + r) * micro`` and on.

    Each process reads and tokenizes the whole stream, some batches ahead. `state_after` tells
    where the packing was behind a batch, so that a checkpoint has the state of the steps that were
    made, not of what was read ahead. first: steps that were made before.
    """

    def __init__(
        self,
        batches: Callable[[PackState], Iterator[Batch]],
        *,
        micro: int,
        processes: int = 1,
        process: int = 0,
        start: PackState = BEGINNING,
        first: int = 0,
    ) -> None:
        self._batches, self._start, self._first = batches, start, first
        self._micro, self._processes, self._process = micro, processes, process
        self._states: dict[int, PackState] = {first: start}
        self._ahead: Ahead[tuple[int, Batch]] | None = None

    def state_after(self, step: int) -> PackState:
        """Behind the batch of optimizer step `step` (from 1); forgets those before it."""
        for earlier in [one for one in self._states if one < step]:
            del self._states[earlier]
        return self._states[step]

    def close(self) -> None:
        """Read no further."""
        if self._ahead is not None:
            self._ahead.close()

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        numbered = enumerate(self._batches(self._start), self._first + 1)
        self.close()
        self._ahead = Ahead(numbered, BATCHES_AHEAD)
        for step, batch in self._ahead:
            self._states[step] = batch.state
            at_once = self._micro * self._processes
            for rows in batch.tokens.split(at_once):
                mine = rows[self._process * self._micro :][: self._micro]
                yield {"input_ids": mine, "labels": mine}


_Item = TypeVar("_Item")


class Ahead(Generic[_Item]):
    """The same items, up to `count` of them made ahead by a thread: tokenizing releases Python's
    lock, so training goes on beside it. What `items` raises is raised in its place.

    `close` ends the thread and waits for it; else it would be cut off within a library when the
    process ends, which aborts it.
    """

    def __init__(self, items: Iterable[_Item], count: int) -> None:
        self._items = items
        self._ready: queue.Queue[tuple[_Item | None, BaseException | None]] = queue.Queue(count)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="packing", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[_Item]:
        while not self._stop.is_set():
            item, error = self._ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast("_Item", item)

    def close(self) -> None:
        """Make no more."""
        self._stop.set()
        self._thread.join()

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put(item, None):
                    return
            self._put(None, StopIteration())
        except BaseException as error:
            self._put(None, error)

    def _put(self, item: _Item | None, error: BaseException | None) -> bool:
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._ready.put((item, error), timeout=0.05)
                return True
        return False

"""Texts packed into sequences: no token lost or doubled, and any state goes on exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import DataLossError, ResumeError
from sdk_builder.training.data import Mixture, Part, Records
from sdk_builder.training.packing import Ahead, Batch, PackedBatches, PackState, pack
from tests.unit.training.data_makers import QUICK, TEXTS, Listed

END = 1_000_000


def encode(texts: Sequence[str]) -> list[list[int]]:
    return [[ord(letter) for letter in text] for text in texts]


def data_of(texts: Sequence[str]) -> Records:
    return Records(Listed([{"text": text} for text in texts]), "pretrain")


def stream(texts: Sequence[str]) -> list[int]:
    """What must come out, one after the other."""
    return [token for text in texts for token in [*map(ord, text), END]]


def batches(texts: Sequence[str], length: int, size: int, start: PackState) -> Iterator[Batch]:
    return pack(data_of(texts), encode, END, length, size, start)


MANY = st.lists(TEXTS, min_size=1, max_size=20)
SIZES = st.integers(1, 9)


@QUICK
@given(MANY, SIZES, st.integers(1, 3))
def test_sequences_are_the_stream_of_tokens_cut_without_gaps(
    texts: list[str], length: int, size: int
):
    found = list(batches(texts, length, size, PackState()))
    tokens = torch.cat([one.tokens.flatten() for one in found]).tolist() if found else []
    assert tokens == stream(texts)[: len(tokens)]
    assert len(stream(texts)) - len(tokens) < length * size
    assert all(one.tokens.shape == (size, length) for one in found)


@QUICK
@given(MANY, SIZES, st.integers(1, 3), st.data())
def test_packing_goes_on_from_every_state_exactly(
    texts: list[str], length: int, size: int, data: st.DataObject
):
    whole = list(batches(texts, length, size, PackState()))
    if not whole:
        return
    at = data.draw(st.integers(0, len(whole) - 1))
    saved = json.loads(json.dumps(whole[at].state.as_dict()))  # as a checkpoint holds it
    rest = list(batches(texts, length, size, PackState.from_dict(saved)))
    assert [one.tokens.tolist() for one in rest] == [one.tokens.tolist() for one in whole[at + 1 :]]
    assert [one.state for one in rest] == [one.state for one in whole[at + 1 :]]


def test_state_holds_only_what_no_sequence_has_yet():
    (first, second) = islice(batches(["abcdef", "gh", "ij"], 4, 1, PackState()), 2)
    assert first.state.carried == (*map(ord, "ef"), END)
    assert first.state.position.drawn == 1
    assert second.tokens.tolist() == [[*map(ord, "ef"), END, ord("g")]]
    assert second.state.carried == (ord("h"), END)


def test_a_repeating_mixture_never_ends_and_goes_on_in_a_later_epoch():
    data = Mixture([Part(data_of(["ab", "cd"]))], seed=0, ending="repeat")
    found = list(islice(pack(data, encode, END, 3, 1), 7))
    assert [one.tokens[0, 0].item() for one in found] == [ord(one) for one in "acacaca"]
    rest = pack(data, encode, END, 3, 1, found[3].state)
    assert next(rest).tokens.tolist() == found[4].tokens.tolist()


@pytest.mark.parametrize("given", [{}, {"position": {}, "carried": []}, {"position": 1}])
def test_state_that_is_none_is_refused(given: dict[str, object]):
    with pytest.raises(ResumeError, match="does not say how far"):
        PackState.from_dict(given)


# --- micro batches of processes -----------------------------------------------------------------

TEXT = ["abcdefghijklmnopqrstuvwxyz" * 4]


def shares(processes: int, micro: int) -> list[PackedBatches]:
    return [
        PackedBatches(
            lambda start: batches(TEXT, 2, 8, start),
            micro=micro,
            processes=processes,
            process=one,
        )
        for one in range(processes)
    ]


@pytest.mark.parametrize(("processes", "micro"), [(1, 8), (1, 2), (2, 4), (2, 2), (4, 1)])
def test_processes_together_see_each_batch_once_and_in_order(processes: int, micro: int):
    one_after_the_other = zip(*shares(processes, micro), strict=True)
    rows = [batch["input_ids"] for together in one_after_the_other for batch in together]
    whole = [one.tokens for one in batches(TEXT, 2, 8, PackState())]
    assert all(len(one) == micro for one in rows)
    assert torch.cat(rows).tolist() == torch.cat(whole).tolist()


def test_state_is_of_the_steps_that_were_made_not_of_what_was_read_ahead():
    (data,) = shares(1, 4)
    whole = list(batches(TEXT, 2, 8, PackState()))
    micro_batches = iter(data)
    for _ in range(5):  # two whole steps, and half of the third
        next(micro_batches)
    assert data.state_after(2) == whole[1].state
    data.close()
    again = PackedBatches(
        lambda start: batches(TEXT, 2, 8, start), micro=8, start=whole[1].state, first=2
    )
    assert next(iter(again))["input_ids"].tolist() == whole[2].tokens.tolist()
    assert again.state_after(3) == whole[2].state
    again.close()


def test_error_in_the_data_comes_up_where_the_training_is():
    data = PackedBatches(lambda start: pack(data_of([" "]), encode, END, 2, 1, start), micro=1)
    with pytest.raises(DataLossError):
        next(iter(data))


def test_closing_ends_the_thread_that_reads_ahead():
    def endless() -> Iterator[int]:
        at = 0
        while True:
            yield at
            at += 1

    ahead = Ahead(endless(), 2)
    assert list(islice(ahead, 5)) == [0, 1, 2, 3, 4]
    ahead.close()
    assert not ahead._thread.is_alive()

"""Records as the token ids that trl's trainers take, in a table on disk.

What cannot be used is dropped and counted, by reasons as the data layer's; what is too long is cut
and counted. Each process makes the whole table by itself, the same one: no process waits for
another, and a batch is found by its number when training goes on.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sdk_builder.errors import DataLossError, output_error, output_errors
from sdk_builder.log import Steps
from sdk_builder.rows.needs import package
from sdk_builder.training.conversations import Chat, Refused
from sdk_builder.training.data import MAX_DROPPED, Conversation, Data, Preference, Prompt, Record
from sdk_builder.training.job import Job
from sdk_builder.training.processes import rank
from sdk_builder.training.rewards import EXTRA, as_extra

NO_ROOM = "no room for an answer"
REFUSED = "refused by the chat template"

Row = dict[str, Any]


@dataclass
class Counts:
    """What became of the records."""

    kept: int = 0
    cut: int = 0
    tokens: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    refusal: str = ""  # the first one

    def tell(self, steps: Steps, what: str, sequence_length: int) -> None:
        """Warn of what is dropped or cut; a note if nothing is."""
        say = steps.warn if self.dropped or self.cut else steps.note
        say(f"{what}: {self.summary(sequence_length)}")

    def summary(self, sequence_length: int) -> str:
        """One line, for example "990 of 1000 records, 80000 tokens (10 dropped: ...)"."""
        read = self.kept + sum(self.dropped.values())
        text = f"{self.kept} of {read} records, {self.tokens} tokens"
        parts = [f"{count} dropped: {why}" for why, count in self.dropped.most_common()]
        if self.cut:
            parts.append(f"{self.cut} cut to {sequence_length} tokens")
        return f"{text} ({'; '.join(parts)})" if parts else text

    def check(self) -> None:
        """Raises DataLossError where too little is left."""
        lost = sum(self.dropped.values())
        if self.kept and lost / (self.kept + lost) <= MAX_DROPPED:
            return
        why, count = self.dropped.most_common(1)[0] if self.dropped else ("there are none", 0)
        detail = f" ({self.refusal})" if why == REFUSED else ""
        raise DataLossError(
            f"Only {self.kept} of {self.kept + lost} records can be used; {count} are dropped: "
            f"{why}{detail}.",
            "Set a larger sequence_length, or give data that the model's chat template takes.",
        )


class Unfit(Exception):
    """A record that is dropped; the text says why."""


Encode = Callable[[Record, Counts], Row]
"""A record's row. Raises Unfit, Refused, TemplateError."""


def encode_conversation(chat: Chat, length: int) -> Encode:
    """For SFT: input_ids ``[S]`` and labels ``[S]``, of at most `length` tokens."""

    def encode(record: Record, counts: Counts) -> Row:
        assert isinstance(record, Conversation)
        whole = chat.encode(record.as_row()["messages"])
        cut = whole.cut(length)
        if not cut.learns:
            raise Unfit(NO_ROOM)
        counts.cut += len(whole.ids) > length
        counts.tokens += len(cut.ids)
        return {"input_ids": cut.ids, "labels": cut.labels}

    return encode


def encode_preference(chat: Chat, length: int) -> Encode:
    """For DPO: prompt_ids ``[P]``, chosen_ids ``[A]`` and rejected_ids ``[A']``; a prompt and one
    of its answers have at most `length` tokens together."""

    def encode(record: Record, counts: Counts) -> Row:
        assert isinstance(record, Preference)
        prompt, answers = chat.encode_answers(
            record.as_row()["prompt"], (record.chosen, record.rejected)
        )
        room = length - len(prompt)
        if room < 1:
            raise Unfit(NO_ROOM)
        chosen, rejected = (ids[:room] for ids in answers)
        if chosen == rejected:
            raise Unfit("the answers are equal, or become so when cut")
        counts.cut += any(len(ids) > room for ids in answers)
        counts.tokens += 2 * len(prompt) + len(chosen) + len(rejected)
        return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}

    return encode


def encode_prompt(chat: Chat, length: int, answer_length: int) -> Encode:
    """For RLHF: the prompt's turns and the record's further fields, as the reward functions get
    them; if the prompt leaves room for an answer of `answer_length` tokens."""

    def encode(record: Record, counts: Counts) -> Row:
        assert isinstance(record, Prompt)
        turns = [one.as_row() for one in record.prompt]
        ids = chat.encode_prompt(turns)
        if len(ids) + answer_length > length:
            raise Unfit(NO_ROOM)
        counts.tokens += len(ids)
        return {"prompt": turns, EXTRA: as_extra(record.extra)}

    return encode


def make_tables(job: Job, encode: Encode, *, most: int | None = None) -> tuple[Any, Any]:
    """(rows to train on, at most `most`; rows to evaluate on or None), both `datasets.Dataset`.

    Says what is dropped and cut. Raises what `make_table` raises.
    """
    assert job.data is not None
    length = job.settings.sequence_length
    table, counts = make_table(job.data, encode, job.folder / "encoded-train", most=most)
    counts.tell(job.steps, "Training", length)
    if job.eval_data is None:
        return table, None
    eval_table, counts = make_table(job.eval_data, encode, job.folder / "encoded-eval")
    counts.tell(job.steps, "Evaluation", length)
    return table, eval_table


def make_table(
    data: Data, encode: Encode, folder: Path, *, most: int | None = None
) -> tuple[Any, Counts]:
    """(a `datasets.Dataset` of at most `most` rows, what became of the records).

    It is written to `folder`, which is made anew. Raises DataError, DataLossError, TemplateError,
    OutputError, MissingPackageError.
    """
    datasets = package("datasets", "Training on conversations")
    datasets.disable_progress_bars()
    counts = Counts()
    own = folder / str(rank())
    with output_errors(own):
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
    failed: list[Exception] = []

    def rows() -> Iterator[Row]:
        try:
            yield from islice(_rows(data, encode, counts), most)
            counts.check()
        except Exception as error:  # datasets wraps it into an error of its own
            failed.append(error)
            raise

    try:
        # A name of its own, since what the generator reads has none that datasets could compute.
        table = datasets.Dataset.from_generator(rows, cache_dir=str(own), fingerprint=folder.name)
    except Exception as error:
        if failed:
            raise failed[0] from None
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__  # datasets wraps what it meets while it writes
        if cause is None:
            raise
        raise output_error(cause, own) from error
    return table, counts


def _rows(data: Data, encode: Encode, counts: Counts) -> Iterator[Row]:
    for example in data.examples():
        try:
            row = encode(example.record, counts)
        except Unfit as error:
            counts.dropped[str(error)] += 1
        except Refused as error:
            counts.dropped[REFUSED] += 1
            counts.refusal = counts.refusal or str(error)
        else:
            counts.kept += 1
            yield row

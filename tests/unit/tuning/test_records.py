"""Trials on the disk: what is reused, and what is not believed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.errors import OutputError
from sdk_builder.tuning.records import Trial, TrialStore
from sdk_builder.tuning.space import Candidate
from tests.unit.tuning.samples import conditions, measurement

Q4, Q5 = Candidate("q4"), Candidate("q5")


def trial(candidate: Candidate = Q4, perplexity: float = 11.0) -> Trial:
    return Trial(
        key=conditions().key(candidate),
        candidate=asdict(candidate),
        measured=measurement(perplexity=perplexity),
        baseline=asdict(Q4),
        seconds=1.5,
        conditions=asdict(conditions()),
    )


def test_a_trial_is_read_back_as_it_was(tmp_path: Path):
    path = tmp_path / "new" / "trials.jsonl"
    TrialStore(path).add(trial())
    assert TrialStore(path).find(trial().key) == trial()
    assert TrialStore(path).find(conditions().key(Q5)) is None


def test_of_two_trials_with_one_key_the_last_counts(tmp_path: Path):
    path = tmp_path / "trials.jsonl"
    for perplexity in (11.0, 12.0):
        TrialStore(path).add(trial(perplexity=perplexity))
    found = TrialStore(path).find(trial().key)
    assert found is not None
    assert found.measured is not None
    assert found.measured.perplexity == 12.0


def test_a_fresh_store_forgets_but_deletes_nothing(tmp_path: Path):
    path = tmp_path / "trials.jsonl"
    TrialStore(path).add(trial())
    fresh = TrialStore(path, fresh=True)
    assert fresh.find(trial().key) is None
    fresh.add(trial(Q5))
    assert TrialStore(path).find(trial().key) == trial()


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_was_cut_off_is_ignored_and_what_follows_is_not(tmp_path: Path, cut: int):
    path = tmp_path / "trials.jsonl"
    TrialStore(path).add(trial())
    path.write_bytes(path.read_bytes()[:cut])
    TrialStore(path).add(trial(Q5))
    store = TrialStore(path)
    assert store.find(trial(Q5).key) == trial(Q5)
    # Without its line end it is whole all the same.
    assert (store.find(trial().key) is None) == (cut > 0)


@given(st.binary(max_size=80))
def test_whatever_else_is_in_the_file_is_ignored(tmp_path_factory, noise: bytes):
    path = tmp_path_factory.mktemp("noise") / "trials.jsonl"
    path.write_bytes(noise)
    TrialStore(path).add(trial())
    assert TrialStore(path).find(trial().key) == trial()


def test_a_line_of_another_schema_is_ignored(tmp_path: Path):
    path = tmp_path / "trials.jsonl"
    line = json.loads(trial().model_dump_json())
    path.write_text(json.dumps({**line, "schema_version": 2}) + "\n")
    assert TrialStore(path).find(trial().key) is None


@pytest.mark.parametrize("what", ["checkpoint", "text", "tokens", "torch"])
def test_the_key_changes_with_everything_that_decides_a_trial(what: str):
    assert conditions(**{what: "other"}).key(Q4) != conditions().key(Q4)
    assert conditions(**{what: "other"}).reference_key() != conditions().reference_key()


def test_the_key_changes_with_the_candidate():
    assert conditions().key(Q4) != conditions().key(Q5)
    assert conditions().key(Q4) == conditions().key(Candidate("q4"))


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        TrialStore(tmp_path / "file" / "trials.jsonl").add(trial())

"""Which checkpoints are whole, and which of them stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdk_builder.errors import ResumeError
from sdk_builder.log import Steps
from sdk_builder.training.checkpoints import (
    MARK,
    checkpoints,
    is_intact,
    keep_newest,
    mark,
    newest_intact,
    step_of,
)
from sdk_builder.training.progress import read_log
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.state import open_run


def make(folder: Path, step: int, *, marked: bool = True) -> Path:
    made = folder / f"checkpoint-{step}"
    (made / "inner").mkdir(parents=True)
    (made / "weights").write_bytes(bytes(100))
    (made / "inner" / "more").write_bytes(b"more")
    if marked:
        mark(made)
    return made


def test_checkpoints_are_in_the_order_of_their_steps_not_of_their_names(tmp_path: Path):
    for step in (9, 100, 20):
        make(tmp_path, step)
    (tmp_path / "checkpoint-x").mkdir()
    (tmp_path / "checkpoint-7").touch()
    assert [step_of(one) for one in checkpoints(tmp_path)] == [100, 20, 9]
    assert checkpoints(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda one: (one / MARK).unlink(),
        lambda one: (one / MARK).write_text("{"),
        lambda one: (one / MARK).write_text("[]"),
        lambda one: (one / "weights").write_bytes(bytes(99)),
        lambda one: (one / "weights").write_bytes(bytes(99) + b"1"),
        lambda one: (one / "inner" / "more").unlink(),
        lambda one: (one / "stranger").touch(),
    ],
)
def test_checkpoint_that_is_not_as_it_was_marked_is_passed_over(tmp_path: Path, damage):
    make(tmp_path, 2)
    newer = make(tmp_path, 4)
    assert newest_intact(tmp_path) == newer
    damage(newer)
    assert not is_intact(newer)
    assert newest_intact(tmp_path) == tmp_path / "checkpoint-2"


def test_unmarked_ones_do_not_count_among_those_that_are_kept(tmp_path: Path):
    for step in (1, 2, 3):
        make(tmp_path, step)
    make(tmp_path, 4, marked=False)
    keep_newest(tmp_path, 2)
    assert [step_of(one) for one in checkpoints(tmp_path)] == [4, 3, 2]


# --- a run's folder -----------------------------------------------------------------------------


def settings_of(folder: Path, *more: str):
    given = ("model=m", f"output={folder / 'out'}", "data.0.source=a", "steps=3", *more)
    return load_settings("pretrain", None, given)


def test_run_begins_without_checkpoints_and_goes_on_with_one(tmp_path: Path):
    settings = settings_of(tmp_path)
    assert open_run(settings, Steps.silent(), resume=True) is None
    made = make(settings.folder, 2)
    make(settings.folder, 3, marked=False)
    assert open_run(settings, Steps.silent(), resume=True) == made
    assert checkpoints(settings.folder) == [made]
    assert open_run(settings, Steps.silent(), resume=False) is None
    assert checkpoints(settings.folder) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("steps=4", "steps was 3, is 4"),
        ("data.0.source=b", "data was"),
        ("data.1.source=b", "data was"),
        ("sequence_length=7", "sequence_length was 2048, is 7"),
    ],
)
def test_setting_that_matters_is_named_when_it_changed(tmp_path: Path, more: str, said: str):
    settings = settings_of(tmp_path)
    open_run(settings, Steps.silent(), resume=True)
    make(settings.folder, 2)
    with pytest.raises(ResumeError, match=said) as caught:
        open_run(settings_of(tmp_path, more), Steps.silent(), resume=True)
    assert "--fresh" in caught.value.hint


def test_another_stage_does_not_go_on_from_the_checkpoint(tmp_path: Path):
    settings = settings_of(tmp_path)
    open_run(settings, Steps.silent(), resume=True)
    make(settings.folder, 2)
    other = load_settings(
        "sft", None, ("model=m", f"output={tmp_path / 'out'}", "data.0.source=a", "steps=3")
    )
    with pytest.raises(ResumeError, match="other settings"):
        open_run(other, Steps.silent(), resume=True)


def test_setting_that_came_later_than_the_run_had_its_default_then(tmp_path: Path):
    settings = settings_of(tmp_path)
    open_run(settings, Steps.silent(), resume=True)
    made = make(settings.folder, 2)
    record = json.loads((settings.folder / "run.json").read_text("utf-8"))
    del record["settings"]["schedule"]
    for more, is_same in (((), True), (("schedule=linear",), False)):
        (settings.folder / "run.json").write_text(json.dumps(record), "utf-8")
        if is_same:
            assert open_run(settings_of(tmp_path, *more), Steps.silent(), resume=True) == made
        else:
            with pytest.raises(ResumeError, match="schedule was 'cosine', is 'linear'"):
                open_run(settings_of(tmp_path, *more), Steps.silent(), resume=True)


def test_licence_of_the_data_may_be_added_later(tmp_path: Path):
    settings = settings_of(tmp_path)
    open_run(settings, Steps.silent(), resume=True)
    made = make(settings.folder, 2)
    more = settings_of(tmp_path, "data.0.licence=mit")
    assert open_run(more, Steps.silent(), resume=True) == made


def test_log_whose_last_line_was_cut_short_is_read_up_to_there(tmp_path: Path):
    path = tmp_path / "logs.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_log(path) == [{"step": 1}, {"step": 2}]

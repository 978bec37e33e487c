"""What `train` asks of the library, what it prints, and which of several processes prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder.cli.requests import TRAINING_STAGES, TrainOptions
from sdk_builder.errors import DivergedError, Interrupted, MemoryShortError, UsageError
from sdk_builder.training.settings import SETTINGS
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import FakeLibrary, FakePlan, FakeTrained, failing


def test_train_passes_on_the_config_and_what_changes_it(shakti: Shakti):
    library = FakeLibrary()
    outcome = shakti(
        *("train", "sft", "--config", "run.yaml", "steps=7", "data.0.source=a.jsonl", "--fresh"),
        library=library,
    )
    assert outcome.code == 0
    assert library.trainings == [
        TrainOptions(
            stage="sft",
            config=Path("run.yaml"),
            overrides=("steps=7", "data.0.source=a.jsonl"),
            fresh=True,
        )
    ]


def test_train_says_what_came_of_it_and_what_is_next(shakti: Shakti):
    library = FakeLibrary(trained=FakeTrained(eval_loss=2.75, resumed_from=40))
    outcome = shakti("train", "pretrain", library=library)
    assert outcome.stdout == (
        "build/trained: 100 steps, 12,800 tokens, loss 2.5000, evaluation loss 2.7500, "
        "resumed from step 40, 1 min 01 s\n"
    )
    assert "Next: shakti-sdk export build/trained --quant q4" in outcome.stderr


def test_train_leaves_out_what_there_is_not(shakti: Shakti):
    library = FakeLibrary(trained=FakeTrained(tokens=None, final_loss=None, duration_s=1.0))
    assert shakti("train", "dpo", library=library).stdout == "build/trained: 100 steps, 1.0 s\n"


def test_train_json_is_one_document(shakti: Shakti):
    document = shakti("train", "pretrain", "--json").document
    assert (document["folder"], document["steps"]) == ("build/trained", 100)


def test_plan_shows_memory_data_and_steps(shakti: Shakti):
    outcome = shakti("train", "pretrain", "--plan")
    assert outcome.code == 0
    for part in ("1.5 M parameters", "bf16, 2 processes, 4 micro batches", "100 steps", "a.jsonl"):
        assert part in outcome.stdout
    assert "weights" in outcome.stdout
    assert "Next" not in outcome.stderr
    assert shakti("train", "pretrain", "--plan", "--json").document["memory"]["weights_bytes"]


def test_plan_that_does_not_fit_is_shown_and_is_a_failure(shakti: Shakti):
    plan = FakePlan(problem=MemoryShortError("Training needs more.", "Set micro_batch_size to 1."))
    outcome = shakti("train", "pretrain", "--plan", library=FakeLibrary(plan=plan))
    assert outcome.code == MemoryShortError.exit_code == 12
    assert "weights" in outcome.stdout
    assert "hint: Set micro_batch_size to 1." in outcome.stderr


def test_stages_are_those_that_have_settings(shakti: Shakti):
    assert set(TRAINING_STAGES) == set(SETTINGS)
    outcome = shakti("train", "pretraining")
    assert outcome.code == 2
    assert "pretrain" in outcome.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(DivergedError("Diverged."), 12), (Interrupted("Stopped."), 130), (UsageError("No."), 2)],
)
def test_failure_leaves_with_its_family_s_code(shakti: Shakti, error: Exception, code: int):
    assert shakti("train", "pretrain", library=failing(error)).code == code


# --- under torchrun -----------------------------------------------------------------------------


def process(monkeypatch: pytest.MonkeyPatch, rank: int, local_rank: int) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))


def test_other_processes_than_the_first_are_silent(shakti: Shakti, monkeypatch: pytest.MonkeyPatch):
    process(monkeypatch, 1, 1)
    outcome = shakti("train", "pretrain", "--json")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")


def test_what_all_processes_find_wrong_is_said_once_a_machine(
    shakti: Shakti, monkeypatch: pytest.MonkeyPatch
):
    process(monkeypatch, 1, 1)
    outcome = shakti("train", "pretrain", library=failing(UsageError("No such setting.")))
    assert (outcome.code, outcome.stderr) == (2, "")
    process(monkeypatch, 2, 0)  # the first of the second machine
    outcome = shakti("train", "pretrain", library=failing(UsageError("No such setting.")))
    assert "No such setting." in outcome.stderr


def test_what_one_process_alone_meets_it_says(shakti: Shakti, monkeypatch: pytest.MonkeyPatch):
    process(monkeypatch, 1, 1)
    outcome = shakti("train", "pretrain", library=failing(MemoryShortError("Out of memory.")))
    assert (outcome.code, "Out of memory." in outcome.stderr) == (12, True)


def test_settings_complete_with_those_of_the_stage(monkeypatch: pytest.MonkeyPatch):
    import click

    from sdk_builder.cli.train_cmd import complete_setting, train

    context = click.Context(train)
    context.params["stage"] = "dpo"
    (parameter,) = [one for one in train.params if one.name == "overrides"]
    found = [one.value for one in complete_setting(context, parameter, "b")]
    assert found == ["batch_size=", "beta="]


def test_self_distillation_is_a_flag_of_one_stage(shakti: Shakti):
    library = FakeLibrary(trained=FakeTrained(export_options=("--quant", "q5")))
    outcome = shakti("train", "qat", "model=m", "--self-distill", library=library)
    (asked,) = library.trainings
    assert asked.overrides == ("model=m", "self_distill=true")
    assert "Next: shakti-sdk export build/trained --quant q5" in outcome.stderr
    refused = shakti("train", "sft", "--self-distill")
    assert refused.code == UsageError.exit_code
    assert "--self-distill is for qat" in refused.stderr

"""Pre-training of a tiny model: it learns, goes on exactly, and leaves with one line."""

from __future__ import annotations

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event

from sdk_builder.errors import (
    DataLossError,
    DataShapeError,
    DivergedError,
    MemoryShortError,
    MissingPackageError,
    OutputError,
    ResumeError,
    ShardError,
    TargetExistsError,
    TokenizerError,
    UsageError,
)
from sdk_builder.training.checkpoints import checkpoints, is_intact, step_of
from tests.integration.training.tiny import CONTEXT, ROOT, losses, run, save_model, save_texts

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, texts, and a run of six steps called `whole`."""
    made = tmp_path_factory.mktemp("training")
    save_model(made / "model")
    save_texts(made / "texts.jsonl")
    run(made, "whole", f"eval_data.0.source={made / 'texts.jsonl'}", "eval_sequences=4")
    return made


def resumed_at(folder: Path, name: str, step: int) -> None:
    """Leave behind what a run has at `step` that was killed right after its checkpoint."""
    target = folder / f"{name}.run"
    shutil.copytree(folder / "whole.run", target)
    for one in checkpoints(target):
        if step_of(one) > step:
            shutil.rmtree(one)


# --- what a run makes ---------------------------------------------------------------------------


def test_loss_falls(folder: Path):
    run(folder, "longer", "steps=40", "save_every=100", "learning_rate=1e-2")
    found = losses(folder, "longer")
    assert list(found) == list(range(1, 41))
    assert found[1] == pytest.approx(5.8, abs=0.1)  # ln 320: it knows nothing
    assert found[40] < 4.0


def test_evaluation_is_logged_beside_the_training(folder: Path):
    evaluated = losses(folder, "whole", "evaluation")
    assert list(evaluated) == [2, 4, 6]
    assert evaluated[6] < evaluated[2]


def test_checkpoints_are_marked_and_the_newest_two_are_kept(folder: Path):
    kept = checkpoints(folder / "whole.run")
    assert [step_of(one) for one in kept] == [6, 4]
    assert all(is_intact(one) for one in kept)


def test_log_has_speed_and_tokens_with_their_units(folder: Path):
    lines = (folder / "whole.run" / "logs.jsonl").read_text("utf-8").splitlines()
    last = [one for one in map(json.loads, lines) if one["event"] == "train"][-1]
    assert last["tokens"] == 6 * 4 * 32
    assert last["tokens_per_s"] > 0
    assert {"step_s", "elapsed_s", "learning_rate", "gradient_norm"} <= set(last)


def test_result_is_a_model_with_tokenizer_card_and_record(folder: Path):
    there = {path.name for path in (folder / "whole").iterdir()}
    assert {WEIGHTS, "config.json", "tokenizer.json", "chat_template.jinja", "README.md"} <= there
    config = json.loads((folder / "whole" / "config.json").read_text("utf-8"))
    assert (config["bos_token_id"], config["eos_token_id"]) == (0, 2)
    assert config["use_cache"] is True
    record = json.loads((folder / "whole" / "training.json").read_text("utf-8"))
    assert (record["stage"], record["steps"], record["tokens"]) == ("pretrain", 6, 768)
    assert record["final_loss"] == losses(folder, "whole")[6]
    assert record["eval_loss"] == losses(folder, "whole", "evaluation")[6]


def test_gradient_checkpointing_changes_no_loss(folder: Path):
    run(folder, "checkpointed", "gradient_checkpointing=true")
    assert losses(folder, "checkpointed") == pytest.approx(losses(folder, "whole"), rel=1e-6)


def test_micro_batches_change_no_loss_but_for_dropout(folder: Path, tmp_path: Path):
    save_model(tmp_path / "model", hidden_dropout=0.0)
    shutil.copy(folder / "texts.jsonl", tmp_path / "texts.jsonl")
    run(tmp_path, "one", "micro_batch_size=4")
    run(tmp_path, "four", "micro_batch_size=1")
    assert losses(tmp_path, "four") == pytest.approx(losses(tmp_path, "one"), rel=1e-5)


def test_epochs_are_steps_by_the_tokens_of_the_data(folder: Path):
    texts = (folder / "texts.jsonl").read_text("utf-8").splitlines()
    tokens = sum(len(json.loads(line)["text"].encode()) + 1 for line in texts)
    trained = run(folder, "epochs", "steps=null", "epochs=0.1", "save_every=1000")
    assert trained.steps == round(0.1 * tokens / (4 * 32))


# --- going on -----------------------------------------------------------------------------------


def test_resumed_run_is_the_whole_run_bit_by_bit(folder: Path):
    """With dropout, whose numbers must go on as well."""
    resumed_at(folder, "resumed", 4)
    assert run(folder, "resumed").resumed_from == 4
    assert losses(folder, "resumed") == losses(folder, "whole")
    weights = [load_file(folder / name / WEIGHTS) for name in ("whole", "resumed")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_checkpoint_that_was_cut_short_is_removed_and_the_one_before_it_taken(folder: Path):
    resumed_at(folder, "cut", 6)
    newest = folder / "cut.run" / "checkpoint-6"
    (newest / "intact.json").unlink()
    assert run(folder, "cut").resumed_from == 4
    assert losses(folder, "cut") == losses(folder, "whole")
    assert is_intact(newest)  # written again


def test_damaged_checkpoint_is_not_gone_on_from(folder: Path):
    resumed_at(folder, "damaged", 6)
    optimizer = folder / "damaged.run" / "checkpoint-6" / "optimizer.pt"
    data = bytearray(optimizer.read_bytes())
    data[len(data) // 2] ^= 1
    optimizer.write_bytes(bytes(data))
    assert run(folder, "damaged").resumed_from == 4


def test_run_that_only_lacks_its_result_makes_no_step_more(folder: Path):
    resumed_at(folder, "unwritten", 6)
    trained = run(folder, "unwritten")
    assert (trained.resumed_from, trained.steps) == (6, 6)
    assert trained.final_loss == losses(folder, "whole")[6]
    weights = [load_file(folder / name / WEIGHTS) for name in ("whole", "unwritten")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_other_settings_are_refused_unless_it_starts_over(folder: Path):
    resumed_at(folder, "changed", 4)
    with pytest.raises(ResumeError, match=r"learning_rate was 0\.003, is 0\.5") as caught:
        run(folder, "changed", "learning_rate=0.5")
    assert "--fresh" in caught.value.hint
    assert run(folder, "changed", "learning_rate=0.002", resume=False).resumed_from is None


def test_data_that_changed_is_not_gone_on_with_unless_it_is_put_back(folder: Path, tmp_path: Path):
    texts = tmp_path / "texts.jsonl"
    given = (folder / "texts.jsonl").read_bytes()
    texts.write_bytes(given)
    source = f"data.0.source={texts}"
    run(folder, "other data", source, "steps=3")
    shutil.rmtree(folder / "other data")  # its checkpoints are left
    longer = given + json.dumps({"text": "More."}).encode() + b"\n"
    turned = b"".join(reversed(given.splitlines(keepends=True)))
    assert len(turned) == len(given)
    for other in (longer, turned):
        texts.write_bytes(other)
        said = rf"texts\.jsonl was {len(given)} bytes .*, is {len(other)} bytes"
        with pytest.raises(ResumeError, match=said):
            run(folder, "other data", source, "steps=3")
    texts.write_bytes(given)
    assert run(folder, "other data", source, "steps=3").resumed_from == 3


def test_settings_that_change_nothing_learned_may_change(folder: Path):
    resumed_at(folder, "free", 4)
    assert run(folder, "free", "keep_checkpoints=1", "log_every=2").resumed_from == 4
    assert [step_of(one) for one in checkpoints(folder / "free.run")] == [6]


def test_trained_model_is_not_replaced_by_chance(folder: Path):
    with pytest.raises(TargetExistsError, match="whole already exists"):
        run(folder, "whole")


# --- what goes wrong ----------------------------------------------------------------------------


def test_loss_that_is_no_number_stops_at_once_and_names_the_checkpoint(folder: Path):
    with pytest.raises(DivergedError, match=r"not finite at step [345]:") as caught:
        run(folder, "diverged", "learning_rate=1e38", "max_grad_norm=0", "save_every=1")
    (newest, *_) = checkpoints(folder / "diverged.run")
    assert str(newest) in caught.value.hint
    kept = load_file(newest / WEIGHTS)
    assert is_intact(newest)
    assert all(torch.isfinite(value).all() for value in kept.values())
    assert not (folder / "diverged").exists()


@contextmanager
def limited(what: int, most: int) -> Iterator[None]:
    """A limit of the operating system on this process: a real fault where it is reached."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


@pytest.mark.parametrize("file", [WEIGHTS, "optimizer.pt", "logs.jsonl"])
def test_full_disk_keeps_the_last_good_checkpoint_and_the_run_goes_on(folder: Path, file: str):
    """It is full in the middle of that file, which another library writes each."""
    name = f"full-{file}"
    resumed_at(folder, name, 4)
    there = {path.name: path for path in (folder / f"{name}.run").rglob("*")}
    most = there[file].stat().st_size - 100
    with (
        limited(resource.RLIMIT_FSIZE, most),
        pytest.raises(OutputError, match="Cannot write") as caught,
    ):
        run(folder, name)
    assert "\n" not in caught.value.message
    assert [step_of(one) for one in checkpoints(folder / f"{name}.run")] == [4]
    if file != "logs.jsonl":
        assert "checkpoint-6" in caught.value.message
        assert "goes on from step 4" in caught.value.hint
    assert run(folder, name).resumed_from == 4
    assert losses(folder, name) == losses(folder, "whole")


# What other tests freed would still be this process's, so it is one of its own. All that training
# loads is there before memory is limited.
_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import psutil
from sdk_builder.errors import MemoryShortError
from tests.integration.training.tiny import run
folder = Path(sys.argv[1])
run(folder, "narrow")
most = psutil.Process().memory_info().vms + (150 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    run(folder, "wide", "sequence_length=128", "batch_size=1024", "micro_batch_size=1024")
except MemoryShortError as error:
    print(error.message, error.hint, sep="\\n")
"""


def test_memory_that_runs_out_is_one_line_with_what_to_reduce(folder: Path):
    done = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_MEMORY, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    message, hint = done.stdout.splitlines()
    assert "Out of memory at step 1" in message
    assert "Reduce micro_batch_size or sequence_length" in hint
    assert not (folder / "wide").exists()


def test_too_little_memory_is_refused_before_anything_is_written(folder: Path):
    with pytest.raises(MemoryShortError, match="needs about .* there are") as caught:
        run(folder, "large", "memory_limit_gib=0.001")
    assert "micro_batch_size" in caught.value.hint
    assert not (folder / "large.run").exists()


BAD: dict[str, tuple[bytes, type[Exception], str]] = {
    "wrong fields": (b'{"title": "a", "url": "b"}\n', DataShapeError, "among the fields"),
    "empty rows": (b'{"text": ""}\n' * 5, DataLossError, "empty text"),
    "not UTF-8": (b'{"text": "\xff\xfe"}\n' * 5, DataLossError, "not UTF-8"),
    "broken lines": (b"{no json\n" * 5, DataLossError, "broken JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_line_before_training(folder: Path, tmp_path: Path, case: str):
    content, error, what = BAD[case]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(error, match=what) as caught:
        run(folder, "bad", f"data.0.source={path}")
    assert "\n" not in getattr(caught.value, "message", "\n")
    assert not (folder / "bad.run").exists()


def test_damaged_shard_in_the_middle_of_a_run_is_one_line(folder: Path, tmp_path: Path):
    """Behind what is looked at first."""
    import gzip

    whole = gzip.compress((folder / "texts.jsonl").read_bytes() * 10)
    path = tmp_path / "texts.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2] + b"\0" * 64)
    with pytest.raises(ShardError):
        run(folder, "shard", f"data.0.source={path}", "data.0.shuffle_rows=0", "steps=400")
    assert not (folder / "shard").exists()


def test_sequence_longer_than_the_context_is_refused(folder: Path):
    with pytest.raises(UsageError, match=f"context of {CONTEXT}"):
        run(folder, "long", f"sequence_length={CONTEXT + 1}")


def test_end_of_text_must_be_a_token(folder: Path):
    with pytest.raises(TokenizerError, match="end_of_text '<nothing>'"):
        run(folder, "ended", "end_of_text=<nothing>")


def test_tensorboard_that_is_not_installed_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sdk_builder.training.arguments.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="tensorboard"):
        run(folder, "board", "tensorboard=true")


def test_tensorboards_files_have_the_losses_of_the_log(folder: Path):
    run(folder, "shown", "tensorboard=true", "steps=3", "log_every=1")
    (path,) = (folder / "shown.run" / "runs").rglob("events.out.tfevents.*")
    found = {
        event.step: value.simple_value
        for event in tensorboard_events(path.read_bytes())
        for value in event.summary.value
        if value.tag == "train/loss"
    }
    assert found == pytest.approx(losses(folder, "shown"), rel=1e-6)
    assert list(found) == [1, 2, 3]


def tensorboard_events(data: bytes) -> Iterator[Event]:
    """Of a file of records: length, its checksum, content, its checksum."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]

"""FSDP over two processes learns what one process does, and holds half of it in each.

Real shards: torch's own, over gloo. accelerate lets FSDP through on accelerators only;
`sharded_on_cpu.py` lifts that gate, and nothing else, in the processes that are started here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.multiprocessing.spawn import spawn
from transformers import AutoModelForCausalLM

from sdk_builder.errors import DivergedError, UsageError
from sdk_builder.training.checkpoints import MARK
from sdk_builder.training.sharding import local
from sdk_builder.training.watch import Watch
from tests.integration.pipeline.tiny import save_folder
from tests.integration.training import stages, tiny
from tests.integration.training.launching import free_ports, two_processes
from tests.integration.training.tiny import ROOT, losses, overrides, save_model, save_texts

LAUNCHER = Path(__file__).with_name("sharded_on_cpu.py")
# What `accelerate launch --use_fsdp` sets by default, and a recomputation of its own.
ACCELERATE = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "1",
    "FSDP_AUTO_WRAP_POLICY": "NO_WRAP",
    "FSDP_BACKWARD_PREFETCH": "BACKWARD_PRE",
    "FSDP_SHARDING_STRATEGY": "FULL_SHARD",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
    "FSDP_ACTIVATION_CHECKPOINTING": "true",
}


def sharded(folder: Path, stage: str, arguments: list[str], **environment: str) -> dict[str, Any]:
    """Train in two sharded processes; what the first one printed."""
    done = subprocess.run(
        [
            *(sys.executable, *two_processes()),
            *(str(LAUNCHER), str(folder), "sdk_builder", "train", stage, *arguments, "--json"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed: dict[str, Any] = json.loads(done.stdout)  # the first process alone prints
    return printed


def assert_each_process_held_half(folder: Path) -> None:
    for rank in range(2):
        for part in json.loads((folder / f"parts-{rank}.json").read_text()).values():
            assert part["whole"] == 0
            assert part["here"] * 2 == part["all"] > 0


def assert_same_weights(one: Path, other: Path, within: float) -> None:
    found, expected = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=within)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts, models with and without dropout or a tied head, and a sharded run named `two`."""
    made = tmp_path_factory.mktemp("sharded")
    save_texts(made / "texts.jsonl")
    save_model(made / "model", hidden_dropout=0.0)
    save_model(made / "untied", hidden_dropout=0.0, tie_word_embeddings=False)
    save_model(made / "dropout")
    return made


@pytest.fixture(scope="module")
def two(folder: Path) -> Path:
    sharded(folder, "pretrain", [*overrides(folder, "two", *evaluated(folder)), "fsdp=true"])
    return folder


def evaluated(folder: Path) -> tuple[str, ...]:
    """Two micro batches for each process, and an evaluation."""
    return ("batch_size=8", f"eval_data.0.source={folder / 'texts.jsonl'}", "eval_sequences=4")


@pytest.mark.slow
def test_two_sharded_processes_pretrain_what_one_does(two: Path):
    assert_each_process_held_half(two)
    tiny.run(two, "one", *evaluated(two))
    for event in ("train", "evaluation"):
        expected = losses(two, "one", event)
        assert expected
        assert losses(two, "two", event) == pytest.approx(expected, rel=1e-5)
    assert_same_weights(two / "two", two / "one", 1e-6)


@pytest.mark.slow
def test_written_model_is_whole_and_says_what_the_unsharded_one_says(two: Path):
    config = json.loads((two / "two" / "config.json").read_text())
    assert config["architectures"] == ["ShaktiForCausalLM"]
    tiny.run(two, "alone", *evaluated(two))
    ids = torch.arange(3, 19)[None]
    with torch.no_grad():
        said, expected = (
            AutoModelForCausalLM.from_pretrained(two / name).eval()(ids).logits
            for name in ("two", "alone")
        )
    torch.testing.assert_close(said, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_checkpoint_is_marked_when_the_files_of_all_processes_are_there(two: Path):
    marked = json.loads((two / "two.run" / "checkpoint-6" / MARK).read_text())["files"]
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.bin", "data_state.json"} <= set(marked)


@pytest.mark.slow
def test_sharded_run_that_was_stopped_goes_on_to_the_same_end(two: Path):
    shutil.copytree(two / "two.run", two / "again.run")
    shutil.rmtree(two / "again.run" / "checkpoint-6")
    arguments = [*overrides(two, "again", *evaluated(two)), "fsdp=true"]
    assert sharded(two, "pretrain", arguments)["resumed_from"] == 4
    assert losses(two, "again") == losses(two, "two")
    assert_same_weights(two / "again", two / "two", 0)
    shutil.rmtree(two / "again")  # as if it had been stopped before the model was written
    assert sharded(two, "pretrain", arguments)["resumed_from"] == 6
    assert_same_weights(two / "again", two / "two", 0)


@pytest.mark.slow
def test_head_of_its_own_is_sharded_too(folder: Path):
    more = (f"model={folder / 'untied'}",)
    sharded(folder, "pretrain", [*overrides(folder, "two-untied", *more), "fsdp=true"])
    assert_each_process_held_half(folder)
    tiny.run(folder, "one-untied", *more)
    assert losses(folder, "two-untied") == pytest.approx(losses(folder, "one-untied"), rel=1e-5)
    assert_same_weights(folder / "two-untied", folder / "one-untied", 1e-6)


@pytest.mark.slow
def test_recomputed_layers_drop_what_they_dropped_before(folder: Path):
    more = (f"model={folder / 'dropout'}", "batch_size=8", "fsdp=true")
    for name, recompute in (("kept", "false"), ("recomputed", "true")):
        given = overrides(folder, name, *more, f"gradient_checkpointing={recompute}")
        sharded(folder, "pretrain", given)
    assert_same_weights(folder / "recomputed", folder / "kept", 0)


@pytest.mark.slow
def test_bf16_changes_losses_no_more_than_it_does_unsharded(folder: Path):
    more = ("precision=bf16", "steps=2")
    sharded(folder, "pretrain", overrides(folder, "two-bf16", *more, "fsdp=true"))
    tiny.run(folder, "one-bf16", *more)
    # bf16 itself has steps of 5e-3 here: a loss that was rounded to it would be off by more.
    assert losses(folder, "two-bf16") == pytest.approx(losses(folder, "one-bf16"), rel=1e-4)


@pytest.mark.slow
def test_accelerate_s_own_flag_shards_as_the_setting_does(two: Path):
    arguments = overrides(two, "by-flag", *evaluated(two))
    sharded(two, "pretrain", arguments, **ACCELERATE)
    assert_each_process_held_half(two)
    assert_same_weights(two / "by-flag", two / "two", 0)


@pytest.mark.slow
@pytest.mark.parametrize("adapters", [(), ("lora.rank=4", "lora.dropout=0")], ids=["all", "lora"])
@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_two_sharded_processes_fine_tune_what_one_does(
    stage: str, adapters: tuple[str, ...], tmp_path: Path
):
    save_folder(tmp_path / "model")
    answers = ["a" * (i % 7 + 1) for i in range(24)]
    rows: dict[str, list[dict[str, Any]]] = {
        "sft": [{"messages": stages.said(f"{i}?", one)} for i, one in enumerate(answers)],
        "dpo": [
            {"prompt": f"{i}?", "chosen": one, "rejected": "no"} for i, one in enumerate(answers)
        ],
    }
    source = stages.write_rows(tmp_path / "rows.jsonl", rows[stage])
    lora = dict(one.removeprefix("lora.").split("=") for one in adapters)
    one = stages.settings_of(
        stage, tmp_path / "model", tmp_path / "one", source, **({"lora": lora} if lora else {})
    )
    stages.run(one)
    more = ("sequence_length=64", "steps=6", "learning_rate=1e-2", "warmup_steps=0", "save_every=3")
    arguments = [f"data.0.source={source}", *more, *adapters, "fsdp=true"]
    sharded(tmp_path, stage, [*overrides(tmp_path, "two"), *arguments])
    assert_each_process_held_half(tmp_path)
    expected = {line["step"]: line["loss"] for line in stages.events(one)}
    assert losses(tmp_path, "two") == pytest.approx(expected, rel=1e-4)
    assert_same_weights(tmp_path / "two", tmp_path / "one", 2e-4)


@pytest.mark.slow
def test_gradient_that_diverges_in_one_process_stops_all(tmp_path: Path):
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_ports(1)[0]),
        "WORLD_SIZE": "2",
    }
    spawn(_diverge, (tmp_path, environment), nprocs=2)
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "good-0",
        "good-1",
        "stop-0",
        "stop-1",
    ]


def _diverge(rank: int, folder: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment, RANK=str(rank))
    torch.distributed.init_process_group("gloo")
    model = nn.Linear(4, 4, bias=False)
    fully_shard(model)
    model(torch.ones(1, 4)).sum().backward()
    watch = Watch(folder, 1, None)
    state: Any = type("State", (), {"global_step": 0})
    nothing: Any = None
    watch.on_pre_optimizer_step(nothing, state, nothing, model=model)
    (folder / f"good-{rank}").touch()
    if rank == 1:
        assert model.weight.grad is not None
        local(model.weight.grad).fill_(float("nan"))
    with pytest.raises(DivergedError):
        watch.on_pre_optimizer_step(nothing, state, nothing, model=model)
    (folder / f"stop-{rank}").touch()
    torch.distributed.destroy_process_group()


def test_one_process_is_told_to_start_several(folder: Path):
    with pytest.raises(UsageError, match="fsdp: true shards over several processes"):
        tiny.run(folder, "refused", "fsdp=true")
    assert not (folder / "refused.run").exists()

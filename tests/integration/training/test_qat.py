"""Quantization-aware training of a tiny model, as far as its program."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor
from transformers import AutoModelForCausalLM

from sdk_builder import Bundle
from sdk_builder.errors import CheckpointError, ResumeError, TokenizerError, UsageError
from sdk_builder.log import Steps
from sdk_builder.lowering.unpack import StoredProgram
from sdk_builder.models import open_checkpoint
from sdk_builder.models.checkpoint import load_model
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.pipeline.stages import make_plan
from sdk_builder.pipeline.weights import Weights, find_weights
from sdk_builder.quantization.schemes import adjust, find_scheme, plan_formats
from sdk_builder.quantization.trained import (
    TRAINED_FILE,
    TrainedSource,
    trained_plan,
    trained_values,
)
from sdk_builder.runtime.engine import ExecutorchEngine
from sdk_builder.training.checkpoints import checkpoints, mark, step_of
from sdk_builder.training.qat.samples import Writing, write_samples
from sdk_builder.training.qat.student import Student
from sdk_builder.training.run import train
from sdk_builder.training.settings_file import load_settings
from sdk_builder.training.write import Trained
from sdk_builder.verify.agreement import LEAST_MEDIAN_COSINE, compare, program_logits
from sdk_builder.verify.packing import require_packed
from tests.integration.training.tiny import losses, save_model, save_texts

CONTEXT = 64
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHAKTI_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says something, so that rounding it costs something; texts; and a run of six
    steps in q4 called `whole`."""
    made = tmp_path_factory.mktemp("qat")
    save_model(made / "model", max_position_embeddings=CONTEXT)
    model = ShaktiForCausalLM.from_pretrained(made / "model")
    torch.manual_seed(5)
    with torch.no_grad():
        for one in model.parameters():
            one.normal_(0.0 if one.dim() > 1 else 1.0, 0.25)
    model.save_pretrained(made / "model")
    save_texts(made / "texts.jsonl")
    run(made, "whole")
    return made


def run(folder: Path, name: str, *more: str) -> Trained:
    given = [
        *(f"model={folder / 'model'}", f"output={folder / name}"),
        *("samples=64", "sequence_length=32", "write_batch=16", "batch_size=4"),
        *("micro_batch_size=2", "steps=6", "warmup_steps=1", "learning_rate=1e-3"),
        *("log_every=1", "save_every=3", "eval_every=3"),
    ]
    return train(load_settings("qat", None, [*given, *more]), Steps.silent())


def values_of(folder: Path, quant: str) -> TrainedSource:
    checkpoint = open_checkpoint(str(folder))
    plan = plan_formats(find_scheme(quant), parameter_shapes(checkpoint.config))
    found = trained_values(folder, plan, checkpoint)
    assert found is not None
    return found


def found_weights(folder: Path, steps: Steps | None = None, **asked: Any) -> Weights:
    """What an export of the folder would store."""
    request = ExportRequest(str(folder), folder.parent / "never", context_length=CONTEXT, **asked)
    checkpoint = open_checkpoint(str(folder))
    scheme = adjust(find_scheme(request.quant), request.quant_options)
    plan = make_plan(request, scheme, checkpoint)
    return find_weights(request, checkpoint, plan, checkpoint.tokenizer(), steps or Steps.silent())


def assert_same_result(folder: Path, one: str, other: str) -> None:
    for file in (WEIGHTS, TRAINED_FILE):
        first, second = load_file(folder / one / file), load_file(folder / other / file)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def stopped_at(folder: Path, whole: str, name: str, step: int) -> None:
    """Leave behind what a run has at `step` that was killed right after its checkpoint."""
    shutil.copytree(folder / f"{whole}.run", folder / f"{name}.run")
    for one in checkpoints(folder / f"{name}.run"):
        if step_of(one) > step:
            shutil.rmtree(one)


# --- training -----------------------------------------------------------------------------------


def test_divergence_on_texts_that_were_held_out_falls(folder: Path):
    common = ["start=rounding", "samples=256", "save_every=200", "batch_size=8"]
    common += ["micro_batch_size=8", "scale_learning_rate=1e-3"]
    run(folder, "start", *common, "steps=1", "eval_every=1", "learning_rate=1e-12")
    run(folder, "longer", *common, "steps=100", "eval_every=50")
    start, found = losses(folder, "start", "evaluation"), losses(folder, "longer", "evaluation")
    assert list(found) == [50, 100]
    assert found[100] < found[50] < start[1]
    assert found[100] < 0.85 * start[1]


def test_calibrated_start_is_nearer_than_a_rounded_one(folder: Path):
    run(folder, "rounded", "start=rounding", "steps=1")
    assert losses(folder, "whole")[1] < losses(folder, "rounded")[1]


@pytest.mark.parametrize("bits", [[], ["bits=6.0"]], ids=["scales", "scales and offsets"])
def test_calibrated_start_is_left_for_better_from_the_first_steps_on(folder: Path, bits: list[str]):
    """What rounds does not all change at once."""
    common = [*bits, "samples=512", "save_every=200", "batch_size=8", "micro_batch_size=8"]
    still = ["learning_rate=1e-12", "scale_learning_rate=1e-12", "steps=1", "eval_every=1"]
    name = f"gain{len(bits)}"
    run(folder, f"{name} start", *common, *still)
    run(folder, name, *common, "steps=60", "warmup_steps=6", "eval_every=10")
    start = losses(folder, f"{name} start", "evaluation")[1]
    found = list(losses(folder, name, "evaluation").values())
    assert found[0] < start
    assert found[0] > found[1] > found[2]
    assert found[-1] < 0.93 * start


def test_resumed_run_is_the_whole_run_bit_by_bit(folder: Path):
    stopped_at(folder, "whole", "resumed", 3)
    assert run(folder, "resumed").resumed_from == 3
    assert losses(folder, "resumed") == losses(folder, "whole")
    assert_same_result(folder, "whole", "resumed")


def test_checkpoint_that_lacks_what_is_learned_is_not_gone_on_from(folder: Path):
    """As one of a version that learned weights instead of integers."""
    stopped_at(folder, "whole", "older", 3)
    (checkpoint,) = checkpoints(folder / "older.run")
    tensors = load_file(checkpoint / WEIGHTS)
    renamed = {name.replace(".code", ".weight"): one for name, one in tensors.items()}
    save_file(renamed, checkpoint / WEIGHTS, {"format": "pt"})
    mark(checkpoint)
    with pytest.raises(ResumeError, match=r"has no .*\.code: it is of another version's run"):
        run(folder, "older")
    assert not (folder / "older").exists()


def test_texts_of_the_users_are_taught_from_and_go_on_where_they_were(folder: Path):
    data = [f"{name}.0.source={folder / 'texts.jsonl'}" for name in ("data", "eval_data")]
    data += ["eval_sequences=4", "start=rounding", "learning_rate=1e-2", "batch_size=16"]
    run(folder, "data", *data)
    assert not (folder / "data.run" / "samples").exists()
    evaluated = losses(folder, "data", "evaluation")
    assert evaluated[6] < evaluated[3]
    stopped_at(folder, "data", "data again", 3)
    run(folder, "data again", *data)
    assert_same_result(folder, "data", "data again")


def test_gradient_checkpointing_changes_no_loss(folder: Path):
    run(folder, "checkpointed", "gradient_checkpointing=true")
    assert losses(folder, "checkpointed") == pytest.approx(losses(folder, "whole"), rel=1e-4)


def test_samples_that_were_interrupted_go_on_and_are_the_same(folder: Path, tmp_path: Path):
    model = load_model(open_checkpoint(str(folder / "model")))
    writing = Writing(count=20, length=16, batch=8, temperature=1.0, first=(0, 2), seed=3)

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_samples(model, writing, tmp_path / "a", fingerprint="f", progress=stop)
    (kept,) = (tmp_path / "a").glob("*.safetensors")
    before = kept.stat()
    ids = write_samples(model, writing, tmp_path / "a", fingerprint="f")
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert torch.equal(ids, write_samples(model, writing, tmp_path / "b", fingerprint="f"))
    assert ids.shape == (20, 16)
    assert set(ids[:, 0].tolist()) == {0, 2}
    parts = [
        write_samples(model, writing, tmp_path / "c", fingerprint="f", part=(at, 2))
        for at in range(2)
    ]
    assert [len(one) for one in parts] == [12, 8]
    kept.write_bytes(kept.read_bytes()[:-5])  # a damaged one is written again
    assert torch.equal(ids, write_samples(model, writing, tmp_path / "a", fingerprint="f"))


def test_beginning_must_be_a_token(folder: Path):
    with pytest.raises(TokenizerError, match="begin: '<nothing>' is no token"):
        run(folder, "begun", "begin=[<nothing>]")


# --- the folder ---------------------------------------------------------------------------------


def test_folder_is_a_float_model_that_has_the_values_of_its_program(folder: Path):
    model = AutoModelForCausalLM.from_pretrained(folder / "whole")
    values = values_of(folder / "whole", "q4")
    for name in parameter_shapes(model.config):
        stored, weight = values.values.parameter(name), model.get_parameter(name).detach()
        if isinstance(stored, IntxUnpackedToInt8Tensor):
            stored = stored.dequantize()
        assert torch.equal(weight, stored)
    record = json.loads((folder / "whole" / "training.json").read_text("utf-8"))
    assert record["settings"]["quant"] == "q4"
    assert record["eval_loss"] == losses(folder, "whole", "evaluation")[6]
    card = (folder / "whole" / "README.md").read_text("utf-8")
    assert "texts that the base model wrote" in card


# --- its program --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(folder: Path) -> Callable[[str], Bundle]:
    """Scheme -> the bundle of a model that was trained for it, exported without a method."""
    made: dict[str, Bundle] = {}

    def bundle(quant: str) -> Bundle:
        if quant not in made:
            if quant != "q4":
                run(folder, quant, f"quant={quant}")
            source = folder / ("whole" if quant == "q4" else quant)
            request = ExportRequest(
                str(source), folder / f"bundle-{quant}", quant=quant, context_length=CONTEXT
            )
            made[quant] = run_export(request).bundle
        return made[quant]

    return bundle


@pytest.mark.parametrize("quant", ["q4", "q5", "q8"])
def test_program_has_the_trained_integers_and_computes_the_student(
    folder: Path, exported: Callable[[str], Bundle], quant: str
):
    bundle, source = exported(quant), folder / ("whole" if quant == "q4" else quant)
    assert bundle.manifest.quantization.method == "qat"
    files = [one.name for one in bundle.manifest.model.source.files]
    assert files == ["config.json", WEIGHTS, TRAINED_FILE]
    checkpoint, values = open_checkpoint(str(source)), values_of(source, quant)
    stored = StoredProgram(bundle.program_path, checkpoint.config)
    require_packed(stored, values)
    file = load_file(source / TRAINED_FILE)
    matrices = [name for name in stored.names() if values.values.plan[name].bits < 32]
    assert len(matrices) == 9
    for name in matrices:
        assert torch.equal(stored.tensor(name).qdata, file[f"{name}::qdata"])  # type: ignore[attr-defined]

    student = Student(load_model(checkpoint), values.values.plan, values, keep_weights=False)
    ids = torch.randint(0, 300, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    program = program_logits(
        ExecutorchEngine(bundle.program_path, context_length=CONTEXT, max_chunk=CONTEXT), ids
    )
    teacher = load_model(open_checkpoint(str(folder / "model")))
    near, far = (compare(logits_of(one, ids), program) for one in (student, teacher))
    assert near.cosine >= max(LEAST_MEDIAN_COSINE, far.cosine)
    assert near.kl < 0.2 * far.kl


def logits_of(model: torch.nn.Module, ids: list[int]) -> Tensor:
    with torch.no_grad():
        found = model(input_ids=torch.tensor([ids]))
    return (found if isinstance(found, Tensor) else found.logits)[0]


def test_offsets_that_were_trained_are_exported_with_the_same_bits(folder: Path):
    trained = run(folder, "offsets", "bits=6.5", "embedding=int8", "steps=2")
    assert trained.export_options == ("--quant", "q4", "--embedding", "int8", "--bits", "6.5")
    planned = trained_plan(folder / "offsets")
    assert planned is not None
    assert {one.name for one in planned.values()} >= {"int4+offset", "int8"}
    changed: dict[str, Any] = {"bits": 6.5, "embedding": "int8"}
    assert found_weights(folder / "offsets", method="qat", **changed).method == "qat"
    with pytest.raises(UsageError, match="are for other formats"):
        found_weights(folder / "offsets", method="qat")


# --- exports that cannot have them --------------------------------------------------------------


def test_another_plan_is_warned_of_and_calibrated(folder: Path):
    said = io.StringIO()
    found = found_weights(folder / "whole", Steps(stream=said), quant="q8")
    assert (found.method, found.files) == ("gptq", ())
    assert "from training are for other formats" in said.getvalue()


def test_rounding_that_is_asked_for_is_rounding(folder: Path):
    assert found_weights(folder / "whole", method="rounding").method == "rounding"


@pytest.mark.parametrize(
    ("name", "quant", "message"),
    [("model", "q4", "has no values from training"), ("whole", "q5", "are for other formats")],
)
def test_trained_values_that_are_not_there_are_one_line(
    folder: Path, name: str, quant: str, message: str
):
    with pytest.raises(UsageError, match=message) as caught:
        found_weights(folder / name, quant=quant, method="qat")
    assert "\n" not in caught.value.message


def truncate(folder: Path) -> None:
    path = folder / TRAINED_FILE
    path.write_bytes(path.read_bytes()[:-100])


def no_header(folder: Path) -> None:
    (folder / TRAINED_FILE).write_bytes(b"{}")


def flip_an_integer(folder: Path) -> None:
    path = folder / TRAINED_FILE
    data = bytearray(path.read_bytes())
    where = data.find(load_file(path)["model.embed_tokens.weight::qdata"].numpy().tobytes())
    data[where + 7] ^= 1
    path.write_bytes(bytes(data))


def change_the_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder.parent / "model" / WEIGHTS).read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "is damaged"),
        (no_header, "is damaged"),
        (flip_an_integer, "has other values for model.embed_tokens.weight"),
        (change_the_weights, "has other values for"),
    ],
)
def test_damaged_values_are_one_line(folder: Path, damage: Callable[[Path], None], message: str):
    copy = shutil.copytree(folder / "whole", folder / f"copy-{damage.__name__}")
    damage(copy)
    asked = ExportRequest(str(copy), folder / "refused", context_length=CONTEXT)
    with pytest.raises(CheckpointError, match=message) as caught:
        run_export(asked)
    assert "\n" not in caught.value.message
    assert not (folder / "refused").exists()

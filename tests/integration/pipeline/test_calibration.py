"""Calibrated exports: better than rounded ones, found again in the cache, refused clearly."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import sdk_builder
from sdk_builder import Bundle
from sdk_builder.errors import InputError
from sdk_builder.models import open_checkpoint
from sdk_builder.models.checkpoint import load_model
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.pipeline import ExportRequest
from sdk_builder.pipeline.weights import chosen_method
from sdk_builder.quantization import methods
from sdk_builder.quantization.calibration import Calibration, from_text
from sdk_builder.quantization.formats import FLOAT
from sdk_builder.quantization.layerwise import Recipe, quantize_layers
from sdk_builder.quantization.methods import calibrated
from sdk_builder.quantization.reference import StoredWeights
from sdk_builder.quantization.schemes import find_scheme, plan_formats
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.quantization.store import TensorStore
from sdk_builder.verify import verify_bundle
from tests.integration.pipeline.tiny import CONTEXT, WEIGHTS


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("The phone in your pocket is a small computer of its own. " * 200, "utf-8")
    return path


def some_ids(vocab_size: int, seed: int, count: int = 24) -> Calibration:
    generator = torch.Generator().manual_seed(seed)
    return Calibration(torch.randint(0, vocab_size, (count, 32), generator=generator), "test")


def logits(parameters: object, ids: Tensor) -> Tensor:
    model = load_model(parameters)  # type: ignore[arg-type]
    table = model.model.embed_tokens.weight
    table = table.dequantize() if type(table.data) is not Tensor else table
    with torch.no_grad():
        return model(inputs_embeds=table[ids]).logits


@pytest.mark.parametrize("quant", ["q8", "q5", "q4"])
def test_calibrated_weights_are_closer_to_the_model(folder: Path, tmp_path: Path, quant: str):
    checkpoint = open_checkpoint(str(folder))
    plan = plan_formats(find_scheme(quant), parameter_shapes(checkpoint.config))
    vocab = checkpoint.config.vocab_size
    source = calibrated(
        checkpoint, plan, some_ids(vocab, 1), Recipe(), TensorStore(tmp_path / "kept")
    )
    unseen = some_ids(vocab, 2, 4).ids
    expected = logits(checkpoint, unseen)
    errors = {
        name: float(
            (logits(StoredWeights(checkpoint, plan, one), unseen) - expected).square().mean()
        )
        for name, one in (("gptq", source), ("rounding", QuantizedSource(checkpoint, plan)))
    }
    assert errors["gptq"] < errors["rounding"]


def test_every_parameter_comes_back_in_its_planned_format(folder: Path):
    checkpoint = open_checkpoint(str(folder))
    plan = plan_formats(find_scheme("q5"), parameter_shapes(checkpoint.config))
    found = dict(
        quantize_layers(checkpoint, plan, some_ids(checkpoint.config.vocab_size, 3), Recipe())
    )
    assert found.keys() == set(checkpoint.names())
    for name, tensor in found.items():
        assert tensor.shape == checkpoint.tensor(name).shape
        assert (type(tensor) is Tensor) == (plan[name] == FLOAT)


def test_smoothed_layers_in_float_are_the_model_itself(folder: Path):
    """With fp32 formats only the smoothing is left, which must not change the function."""
    checkpoint = open_checkpoint(str(folder))
    plan = dict.fromkeys(checkpoint.names(), FLOAT)
    ids = some_ids(checkpoint.config.vocab_size, 4)
    found = dict(quantize_layers(checkpoint, plan, ids, Recipe(smoothing=0.5)))

    class Smoothed:
        config = checkpoint.config
        names = staticmethod(checkpoint.names)
        tensor = staticmethod(found.__getitem__)

    assert not torch.equal(
        found["model.layers.0.mlp.down_proj.weight"],
        checkpoint.tensor("model.layers.0.mlp.down_proj.weight"),
    )
    expected = logits(checkpoint, ids.ids[:2])
    assert torch.allclose(logits(Smoothed, ids.ids[:2]), expected, atol=1e-3, rtol=1e-3)


def test_export_calibrates_on_its_own_text_and_finds_it_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = sdk_builder.export(str(folder), tmp_path / "a", context_length=CONTEXT)
    assert first.manifest.quantization.method == "gptq"
    assert first.manifest.creation["calibration"] == "self"
    assert first.manifest.creation["calibration_tokens"] == 64 * 256

    def never(*arguments: object) -> None:
        raise AssertionError("calibrated again")

    monkeypatch.setattr(methods, "quantize_layers", never)
    second = sdk_builder.export(str(folder), tmp_path / "b", context_length=CONTEXT)
    assert second.program_path.read_bytes() == first.program_path.read_bytes()


def test_a_calibrated_bundle_verifies_where_it_was_not_calibrated(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = sdk_builder.export(str(folder), tmp_path / "a", context_length=CONTEXT)
    monkeypatch.setenv("SHAKTI_CACHE", str(tmp_path / "another machine's"))
    report = verify_bundle(Bundle.open(made.path), against=str(folder))
    assert report.ok, report


def test_a_bundle_of_another_model_of_this_shape_does_not_verify(folder: Path, tmp_path: Path):
    made = sdk_builder.export(str(folder), tmp_path / "a", context_length=CONTEXT)
    other = shutil.copytree(folder, tmp_path / "other")
    tensors = load_file(other / WEIGHTS)
    generator = torch.Generator().manual_seed(9)
    shuffled = {
        name: value[torch.randperm(len(value), generator=generator)]
        for name, value in tensors.items()
    }
    save_file(shuffled, other / WEIGHTS, {"format": "pt"})
    report = verify_bundle(Bundle.open(made.path), against=str(other))
    failed = [result.name for result in report.results if result.status == "fail"]
    assert failed == ["distance to the float model"]


def test_a_text_to_calibrate_with_is_named_in_the_manifest(
    folder: Path, tmp_path: Path, text: Path
):
    request = ExportRequest(
        str(folder), tmp_path / "a", context_length=CONTEXT, calibration=text, quant="q4"
    )
    made = sdk_builder.pipeline.run_export(request).bundle
    digest = hashlib.sha256(text.read_bytes()).hexdigest()
    assert made.manifest.creation["calibration"] == digest
    assert Bundle.open(made.path).manifest.quantization.method == "gptq"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"too short", "tokens"), (b"\xff\xfe", "not UTF-8"), (None, "Cannot read")],
)
def test_a_text_that_cannot_serve_is_refused(
    folder: Path, tmp_path: Path, content: bytes | None, message: str
):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    request = ExportRequest(str(folder), tmp_path / "out", context_length=CONTEXT, calibration=path)
    with pytest.raises(InputError, match=message):
        sdk_builder.pipeline.run_export(request)
    assert not (tmp_path / "out").exists()


def test_windows_of_a_text_are_spread_over_it():
    calibration = from_text("x", range(100_000))
    assert calibration.ids.shape == (64, 256)
    assert int(calibration.ids[0, 0]) == 0
    assert int(calibration.ids[-1, -1]) > 99_000


@pytest.mark.parametrize(
    ("quant", "method", "untrained", "expected"),
    [
        ("q4", "auto", False, "gptq"),
        ("q4", "auto", True, "rounding"),
        ("q4", "rounding", False, "rounding"),
        ("q8", "gptq", True, "gptq"),
        ("none", "auto", False, "none"),
    ],
)
def test_auto_calibrates_what_has_learned_something(
    quant: str, method: str, untrained: bool, expected: str
):
    request = ExportRequest("model", Path("out"), quant=quant, method=method)
    assert chosen_method(request, untrained=untrained) == expected

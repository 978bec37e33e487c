"""The command line over the real package, on a model small enough to export in seconds."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sdk_builder.cli.answers import Stats
from sdk_builder.cli.export_cmd import DEFAULT_CONTEXT
from sdk_builder.cli.requests import Answering, ExportOptions
from sdk_builder.cli.root import cli
from sdk_builder.pipeline import ExportRequest
from sdk_builder.pipeline.request import DEFAULT_CONTEXT as PIPELINE_CONTEXT
from sdk_builder.runtime import GenerationOptions, GenerationStats
from tests.integration.models.builders import tiny_llama, write_gguf

PROMPT = ("Once upon", "--raw", "--temperature", "0", "--max-tokens", "8")


def shakti(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="shakti-sdk")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_gguf(path, tiny_llama())
    return path


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bundle") / "tiny-q8"
    result = shakti("export", model, "--quant", "q8", "--context", "64", "--zip", "-o", target)
    assert result.exit_code == 0, result.stderr
    assert str(target) in result.stdout
    assert "Next: shakti-sdk run" in result.stderr
    return target


# --- the command line's words are the library's -------------------------------------------


def test_options_of_the_command_line_are_the_fields_of_the_library():
    def names(one: type) -> list[str]:
        return [field.name for field in fields(one)]

    assert sorted(names(ExportOptions)) == sorted(names(ExportRequest))
    assert names(Answering) == names(GenerationOptions)
    protocol = {name for name, value in inspect.getmembers(Stats) if isinstance(value, property)}
    assert protocol == set(names(GenerationStats))
    assert DEFAULT_CONTEXT == PIPELINE_CONTEXT


# --- export, then everything else ---------------------------------------------------------


def test_exported_bundle_verifies_against_its_model(bundle: Path, model: Path):
    result = shakti("verify", bundle, "--against", model, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0, result.stdout
    assert document["ok"]
    assert len(document["checks"]) > 5


def test_inspect_shows_the_real_program(bundle: Path):
    result = shakti("inspect", bundle, "-v")
    assert result.exit_code == 0
    assert "model.pte" in result.stdout
    assert "forward" in result.stdout


def test_folder_and_zip_give_the_same_completion(bundle: Path):
    folder = shakti("run", bundle, *PROMPT)
    packed = shakti("run", bundle.with_name("tiny-q8.zip"), *PROMPT)
    assert folder.exit_code == 0, folder.stderr
    assert folder.stdout == packed.stdout


def test_json_run_reports_real_statistics(bundle: Path):
    stats = json.loads(shakti("run", bundle, *PROMPT, "--json").stdout)["stats"]
    assert stats["prompt_tokens"] > 0
    assert stats["decode_tokens_per_s"] is None or stats["decode_tokens_per_s"] > 0
    assert stats["finish_reason"] in ("length", "eos")


def test_prompt_longer_than_the_context_ends_with_10(bundle: Path):
    result = shakti("run", bundle, "word " * 100, "--raw")
    assert result.exit_code == 10, result.stderr
    assert "context" in result.stderr


def test_eval_measures_the_program(bundle: Path, tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 10, encoding="utf-8")
    limits = ("--tokens", "100", "--window", "32")
    result = shakti("eval", bundle, "--text", text, *limits, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["perplexity"] > 1
    result = shakti("eval", bundle, "--text", text, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["window"] == 64  # the bundle's whole context


def test_export_over_a_bundle_ends_with_9_and_names_force(bundle: Path, model: Path):
    result = shakti("export", model, "--quant", "q8", "--context", "64", "-o", bundle)
    assert result.exit_code == 9
    assert "--force" in result.stderr


def damage(folder: Path) -> None:
    program = folder / "model.pte"
    data = bytearray(program.read_bytes())
    data[len(data) // 2] ^= 0xFF
    program.write_bytes(bytes(data))


@pytest.fixture
def damaged(bundle: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "damaged"
    shutil.copytree(bundle, copy)
    damage(copy)
    return copy


def test_damaged_bundle_does_not_verify(damaged: Path):
    result = shakti("verify", damaged)
    assert result.exit_code == 5
    assert "hash" in result.stderr


def test_damaged_bundle_does_not_run(damaged: Path):
    assert shakti("run", damaged, *PROMPT).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("export", "smollm-135m"), 3),
        (("export", "/no/such/model.gguf"), 3),
        (("run", "/no/such/bundle", "hi"), 3),
        (("verify", "/no/such/bundle"), 3),
        (("inspect", "/no/such/bundle"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_missing_input_ends_with_3_and_leaves_nothing(
    arguments: tuple[str, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    result = shakti(*arguments)
    assert result.exit_code == code
    assert result.stderr.splitlines()[-1].startswith(("error: ", "hint: "))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_mistyped_model_names_the_nearest(tmp_path: Path):
    result = shakti("export", "smolm2-135m", "-o", tmp_path / "x")
    assert result.exit_code == 3
    assert "smollm2-135m" in result.stderr

"""A tuning of a tiny real model, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import sdk_builder
from sdk_builder.bundle.reader import Bundle
from sdk_builder.cli.root import cli
from sdk_builder.errors import InputError, UsageError
from sdk_builder.evaluation.perplexity import evaluate
from sdk_builder.models.checkpoint import open_checkpoint
from sdk_builder.models.layout import parameter_shapes
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.tuning import trials
from sdk_builder.tuning.request import TuneRequest
from sdk_builder.tuning.space import Axes, plan_space
from sdk_builder.tuning.tune import run_tune
from tests.integration.models.builders import VOCABULARY, tiny_llama
from tests.integration.pipeline.tiny import CONTEXT, save_folder

TOKENS = 150
TEXT = "The quick brown fox jumps over the lazy dog, again and again. " * 8


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "held-out.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def tune(folder: Path, text: Path, output: Path, *words: str) -> tuple[int, Any, str]:
    """The real command: its exit code, document and stderr."""
    sizes = ("--tokens", str(TOKENS), "--context", str(CONTEXT), "-o", str(output), "--json")
    arguments = ["tune", str(folder), "--text", str(text), *sizes, *words]
    result = CliRunner().invoke(cli, arguments, prog_name="shakti-sdk")
    return result.exit_code, json.loads(result.stdout), result.stderr


@pytest.fixture(scope="session")
def tuned(folder: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Folder and document of a search over q4, q8, and groups that do not divide the rows."""
    output = tmp_path_factory.mktemp("tune")
    words = ("--quant", "q4,q8", "--group-size", "32,128", "--embedding", "int8", "--keep", "all")
    code, document, stderr = tune(folder, text, output, *words)
    assert code == 0, stderr
    return output, document


def candidates(document: Any) -> dict[str, Any]:
    return {one["name"]: one for one in document["candidates"]}


def test_every_candidate_is_measured_or_has_its_reason(tuned):
    _, document = tuned
    status = {one["status"] for one in document["candidates"]}
    assert status == {"measured", "failed"}
    for one in document["candidates"]:
        assert (one["measured"] is None) == bool(one["reason"])
        assert ("do not divide into groups of 128" in (one["reason"] or "")) == (
            one["measured"] is None
        )
    assert len([one for one in document["candidates"] if one["measured"]]) >= 2


def test_figures_are_those_of_the_bundle_itself(tuned):
    output, document = tuned
    folders = {path.name: path for path in (output / "bundles").iterdir()}
    measured = [one for one in document["candidates"] if one["measured"]]
    assert len(folders) == len(measured)
    for one in measured:
        name = one["name"].replace("≤", "").replace(" ", "-")
        bundle, found = Bundle.open(folders[name]), one["measured"]
        direct = evaluate(bundle, TEXT, max_tokens=TOKENS, window=CONTEXT)
        assert found["perplexity"] == pytest.approx(direct.perplexity, rel=1e-6)
        assert found["tokens"] == direct.tokens == TOKENS - 1
        assert found["size_bytes"] == bundle.program_path.stat().st_size
        assert found["program_sha256"] == bundle.manifest.program.sha256
        assert found["kl"] > 0
        assert found["decode_ratio"] > 0
        assert found["peak_memory_bytes"] > 0
        # 2 layers of 2 heads of 16 values, keys and values; int8 has a scale and zero point a head
        per_head = 16 + 4 + 1 if "kv int8" in one["name"] else 16 * 4
        assert found["kv_bytes"] == 2 * 2 * 2 * per_head * CONTEXT


def test_float_model_is_what_the_fp32_program_computes(tuned, folder: Path, tmp_path: Path):
    _, document = tuned
    program = sdk_builder.export(
        str(folder), tmp_path / "none", quant="none", context_length=CONTEXT, verify=False
    )
    direct = evaluate(program, TEXT, max_tokens=TOKENS, window=CONTEXT)
    assert document["reference_perplexity"] == pytest.approx(direct.perplexity, rel=1e-4)


def test_plots_and_trials_are_written(tuned):
    output, document = tuned
    assert (output / "front.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (output / "front.svg").read_bytes()
    lines = (output / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == sum(one["measured"] is not None for one in document["candidates"])
    assert not list(output.glob(".*"))


def test_the_recommended_command_makes_the_program_that_was_measured(tuned, tmp_path: Path):
    import shlex

    _, document = tuned
    words = [*shlex.split(document["command"])[1:], "-o", str(tmp_path / "best"), "--no-verify"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    best = candidates(document)[document["recommended"]]
    made = Bundle.open(tmp_path / "best").manifest.program
    assert made.sha256 == best["measured"]["program_sha256"]


def test_the_bundle_that_is_named_is_the_recommended_one(tuned):
    _, document = tuned
    best = candidates(document)[document["recommended"]]
    found = Bundle.open(document["bundle"]).manifest.program.sha256
    assert found == best["measured"]["program_sha256"]


def test_the_same_search_again_exports_nothing(tuned, folder, text, monkeypatch):
    output, document = tuned

    def refuse(*_: object) -> None:
        raise AssertionError("exported again")

    monkeypatch.setattr(trials, "run_export", refuse)
    words = ("--quant", "q4,q8", "--group-size", "32,128", "--embedding", "int8", "--keep", "all")
    code, again, _ = tune(folder, text, output, *words)
    assert code == 0
    assert again["recommended"] == document["recommended"]
    figures = [one["measured"] for one in document["candidates"]]
    assert [one["measured"] for one in again["candidates"]] == figures
    assert all(one["reused"] for one in again["candidates"] if one["measured"])


@pytest.mark.parametrize("change", ["text", "model", "tokens"])
def test_another_text_model_or_option_reuses_nothing(
    tuned, folder: Path, text: Path, tmp_path: Path, change: str
):
    output, _ = tuned
    before = (output / "trials.jsonl").read_bytes()
    (tmp_path / "trials.jsonl").write_bytes(before)
    model, words = folder, ["--quant", "q8", "--keep", "none"]
    if change == "text":
        text = tmp_path / "other.txt"
        text.write_text(TEXT.upper(), encoding="utf-8")
    elif change == "model":
        model = save_folder(tmp_path / "other")
        tiny_llama(num_hidden_layers=1, bos_token_id=0, eos_token_id=2).save_pretrained(model)
    else:
        words += ["--tokens", "90"]
    code, document, stderr = tune(model, text, tmp_path, *words)
    assert code == 0, stderr
    assert not any(one["reused"] for one in document["candidates"])
    assert (tmp_path / "trials.jsonl").read_bytes().startswith(before)
    assert not (tmp_path / "bundles").exists()


def test_limits_that_nothing_can_meet_cost_no_export(folder: Path, text: Path, tmp_path: Path):
    code, document, _ = tune(folder, text, tmp_path, "--max-size", "0.001")
    assert code == 5
    assert {one["status"] for one in document["candidates"]} <= {"too large", "failed"}
    assert not any(tmp_path.iterdir())


def test_the_calibration_text_cannot_judge(folder: Path, text: Path, tmp_path: Path):
    copy = tmp_path / "copy.txt"
    copy.write_bytes(text.read_bytes())
    request = TuneRequest(str(folder), text, tmp_path / "out", calibration=copy)
    with pytest.raises(UsageError, match="calibration"):
        run_tune(request)


@pytest.mark.parametrize(
    ("data", "message"), [(b"\xff\xfe", "UTF-8"), (b"a", "fewer than two tokens")]
)
def test_a_text_that_cannot_judge_is_an_input_error(
    folder: Path, tmp_path: Path, data: bytes, message: str
):
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        run_tune(TuneRequest(str(folder), path, tmp_path / "out"))
    with pytest.raises(InputError, match="Cannot read"):
        run_tune(TuneRequest(str(folder), tmp_path / "none", tmp_path / "out"))


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model large enough that its weights are nearly all of its file."""
    folder = save_folder(tmp_path_factory.mktemp("larger") / "model")
    model = tiny_llama(
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=4,
        vocab_size=VOCABULARY,
        bos_token_id=0,
        eos_token_id=2,
    )
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_predicted_size_is_the_file_within_one_percent(larger: Path, tmp_path: Path):
    axes = Axes(quants=("q4", "q5"), group_sizes=(None, 64), embeddings=(None,))
    shapes = parameter_shapes(open_checkpoint(str(larger)).config)
    space = [one for one in plan_space(axes, shapes) if not one.problem][::2]
    assert len(space) >= 3
    for number, planned in enumerate(space):
        fields = vars(planned.candidate)
        output = tmp_path / str(number)
        request = ExportRequest(
            model=str(larger), output=output, context_length=64, verify=False, **fields
        )
        found = run_export(request).bundle.manifest.program.size_bytes
        assert planned.size_bytes == pytest.approx(found, rel=0.01), planned.candidate.name

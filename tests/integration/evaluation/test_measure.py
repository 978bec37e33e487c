"""`eval --suite perplexity` on real programs, against the model and other bundles."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import sdk_builder
from sdk_builder import Bundle, Session
from sdk_builder.cli.root import cli
from sdk_builder.evaluation.perplexity import evaluate, windows
from sdk_builder.models.modeling import ShaktiForCausalLM
from tests.integration.evaluation.conftest import CONTEXT
from tests.integration.models.builders import tiny_shakti
from tests.integration.pipeline.tiny import save_folder

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind. " * 8
WINDOW, STRIDE = 100, 40


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def shakti(*arguments: str | Path) -> Result:
    words = [str(one) for one in ("eval", *arguments)]
    return CliRunner().invoke(cli, words, prog_name="shakti-sdk")


def document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def by_definition(model: ShaktiForCausalLM, ids: list[int]) -> torch.Tensor:
    """Log-probabilities ``[N, V]`` that predict ids[1:], each window from an empty cache."""
    rows = []
    for part in windows(len(ids), WINDOW, STRIDE):
        with torch.no_grad():
            logits = model(torch.tensor([ids[part.start : part.stop - 1]])).logits[0]
        rows.append(logits[part.counted - part.start - 1 :])
    return torch.cat(rows).log_softmax(-1)


@pytest.fixture(scope="module")
def model() -> ShaktiForCausalLM:
    return tiny_shakti(bos_token_id=0, eos_token_id=2)


def test_perplexity_is_that_of_the_model(bundle: Path, model: ShaktiForCausalLM):
    result = evaluate(Bundle.open(bundle), TEXT, window=WINDOW, stride=STRIDE)
    with Session(bundle) as session:
        ids = session.encode(TEXT)
    logs = by_definition(model, ids)
    losses = -logs.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    assert result.tokens == len(ids) - 1
    assert result.nll == pytest.approx(float(losses.mean()), abs=1e-4)
    assert result.perplexity == pytest.approx(math.exp(result.nll))
    expected = float(losses.std() / math.sqrt(len(losses)))
    assert result.nll_stderr == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("what", ["folder", "bundle"])
def test_distance_to_model_and_to_its_float_bundle(
    what: str, bundle: Path, folder: Path, q4: Path, text: Path, request: pytest.FixtureRequest
):
    against = request.getfixturevalue(what)
    limits = ("--window", str(WINDOW), "--stride", str(STRIDE))
    found = document(shakti(q4, "--text", text, *limits, "--against", against, "--json"))
    alone = document(shakti(bundle, "--text", text, *limits, "--json"))
    assert found["against"]["perplexity"] == pytest.approx(alone["perplexity"], rel=1e-4)
    ratio = found["perplexity"] / alone["perplexity"]
    assert found["against"]["ratio"] == pytest.approx(ratio, rel=1e-4)
    assert found["against"]["kl"] > 0.0
    assert found["against"]["ratio_stderr"] > 0.0
    assert 0.0 < found["against"]["top1"] <= 1.0


def test_float_bundle_is_at_no_distance_from_its_model(bundle: Path, folder: Path, text: Path):
    found = document(shakti(bundle, "--text", text, "--against", folder, "--json"))["against"]
    assert found["ratio"] == pytest.approx(1.0, abs=1e-4)
    assert found["kl"] == pytest.approx(0.0, abs=1e-5)
    assert found["top1"] > 0.99


def test_several_bundles_against_one_model(bundle: Path, q4: Path, folder: Path, text: Path):
    arguments = ("--text", text, "--against", folder, "--json")
    both = document(shakti(bundle, q4, *arguments))["results"]
    for path, found in zip((bundle, q4), both, strict=True):
        assert found["bundle"] == str(path)
        alone = document(shakti(path, *arguments))
        assert found["perplexity"] == alone["perplexity"]
        assert found["against"] == alone["against"]
    table = shakti(bundle, q4, *arguments[:-1]).stdout
    assert table.count("tiny-") == 2


def test_record_says_what_was_measured(q4: Path, text: Path, tmp_path: Path):
    target = tmp_path / "result.json"
    result = shakti(q4, "--text", text, "--window", "64", "-o", target)
    assert result.exit_code == 0, result.stderr
    found = json.loads(target.read_text(encoding="utf-8"))
    manifest = json.loads((q4 / "manifest.json").read_text(encoding="utf-8"))
    assert found["program_sha256"] == manifest["program"]["sha256"]
    assert (found["window"], found["stride"], found["tokens"]) == (64, 32, len(TEXT) - 1)
    assert (found["text"], len(found["text_sha256"])) == (str(text), 64)


def test_resumed_measurement_is_the_same_and_of_this_text_alone(
    q4: Path, text: Path, tmp_path: Path
):
    journal = tmp_path / "journal.jsonl"
    arguments = (q4, "--text", text, "--window", "64", "--resume", journal, "--json")
    first = document(shakti(*arguments))
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(lines[: len(lines) // 2]) + lines[-1][:20], encoding="utf-8")
    again = document(shakti(*arguments))
    assert again["perplexity"] == first["perplexity"]
    text.write_text(TEXT.upper(), encoding="utf-8")
    assert document(shakti(*arguments))["perplexity"] != first["perplexity"]


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder"])
def test_unknown_reference_ends_with_3(name: str, q4: Path, text: Path):
    result = shakti(q4, "--text", text, "--against", name)
    assert result.exit_code == 3
    assert "No model, folder or file" in result.stderr


def test_reference_with_another_tokenizer_is_refused(q4: Path, text: Path, tmp_path: Path):
    folder = save_folder(tmp_path / "other")
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"!"', '"!!"'), encoding="utf-8")
    sdk_builder.export(str(folder), tmp_path / "b", quant="none", context_length=CONTEXT)
    result = shakti(q4, "--text", text, "--against", tmp_path / "b")
    assert result.exit_code == 3
    assert "another tokenizer" in result.stderr

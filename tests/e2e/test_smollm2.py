"""SmolLM2-135M from the registry to an answer, and to the token what transformers computes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from sdk_builder import Bundle, Session
from sdk_builder.bundle.chat import render
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.models.sources import SOURCES
from sdk_builder.runtime import GenerationOptions
from tests.e2e.conftest import ROOT, chat_on_terminal, shakti

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(900)]

PARAMETERS = SOURCES["smollm2-135m"].parameters
CONTEXT = 1024
NEAR_TIE = 0.5  # logits; int8 activations move them by about 0.2
PROMPTS = [
    "What is the capital of France?",
    "Write a short poem about the sea.",
    "Explain in two sentences why the sky is blue.",
    "List the days of the week.",
    "Translate to French: good morning, my friends! 🙂",
]


@contextmanager
def exported(quant: str, folder: Path, *options: str) -> Iterator[Path]:
    """A bundle made by the command, removed in the end: fp32 takes half a gigabyte.

    Rounded unless `options` say otherwise: calibration takes minutes on one thread. What rounding
    costs this model in 4 bits, offsets give back.
    """
    target = folder / quant
    how = options or (() if quant == "none" else ("--method", "rounding"))
    if not options and quant == "q4":
        how += ("--bits", "4.6")
    done = shakti(
        *("export", "smollm2-135m", "--quant", quant, "--context", str(CONTEXT), "-o", target),
        *how,
        folder=folder,
    )
    assert done.returncode == 0, done.stderr
    assert f'Next: shakti-sdk run {target} "Hello!"' in done.stderr
    yield target
    shutil.rmtree(target)


@pytest.fixture(scope="session")
def q4(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with exported("q4", tmp_path_factory.mktemp("smollm2-q4")) as bundle:
        yield bundle


@pytest.fixture(scope="session")
def fp32(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with exported("none", tmp_path_factory.mktemp("smollm2-none")) as bundle:
        yield bundle


@pytest.fixture(scope="module")
def fp32_session(fp32: Path) -> Iterator[Session]:
    with Session(fp32) as session:
        yield session


@pytest.fixture(scope="module")
def reference(smollm2: Path) -> PreTrainedModel:
    """transformers' own model, by its own reader of the file."""
    model = AutoModelForCausalLM.from_pretrained(
        smollm2.parent, gguf_file=smollm2.name, dtype=torch.float32
    )
    return model.eval()


def test_q4_knows_the_capital_of_france(q4: Path, tmp_path: Path):
    done = shakti("run", q4, PROMPTS[0], "--temperature", "0", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout


def test_q4_is_as_small_as_its_name_promises(q4: Path):
    bundle = Bundle.open(q4)
    size = bundle.program_path.stat().st_size
    assert size <= 1.05 * 4.5 * PARAMETERS / 8
    assert bundle.manifest.model.parameters == PARAMETERS
    assert bundle.manifest.quantization.bits_per_weight <= 4.6
    assert not bundle.manifest.model.untrained
    assert bundle.manifest.model.licence == "Apache-2.0"


@pytest.mark.parametrize("quant", ["q4", "fp32"])
def test_bundle_verifies_against_its_source(
    quant: str, tmp_path: Path, request: pytest.FixtureRequest
):
    bundle = request.getfixturevalue(quant)
    done = shakti("verify", bundle, "--against", "smollm2-135m", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("prompt", PROMPTS)
def test_fp32_gives_the_tokens_of_transformers(
    prompt: str, fp32_session: Session, reference: PreTrainedModel
):
    chat = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    ids = fp32_session.encode(chat)
    found = list(fp32_session.tokens(ids, GenerationOptions(temperature=0.0, max_tokens=64)))
    batch = torch.tensor([ids])
    with torch.no_grad():
        answer = reference.generate(
            batch,
            attention_mask=torch.ones_like(batch),
            do_sample=False,
            max_new_tokens=64,
            eos_token_id=2,
            pad_token_id=2,
        )
    expected = answer[0, len(ids) :].tolist()
    if expected[-1] == 2:
        expected.pop()
        assert fp32_session.stats.finish_reason == "eos"
    assert found == expected
    assert len(found) >= 5


def spoken(session: Session, pieces: Iterator[str]) -> list[int]:
    """The ids of an answer that was streamed as text."""
    text = "".join(pieces)
    return session.encode(text, bos=False)


def behind_the_best(session: Session, prompt: list[int], answer: list[int]) -> list[float]:
    """How far each token of an answer is behind the likeliest one, in logits."""
    logits = session.score([*prompt, *answer])[len(prompt) - 1 : -1]
    return [float(row.max() - row[token]) for row, token in zip(logits, answer, strict=True)]


@pytest.mark.parametrize("quant", ["q4", "fp32"])
def test_second_turn_reuses_the_cache_and_answers_as_a_fresh_session(
    quant: str, request: pytest.FixtureRequest
):
    bundle = request.getfixturevalue(quant)
    options = GenerationOptions(temperature=0.0, max_tokens=32)
    questions = ("What is the capital of France?", "And what is it famous for?")
    with Session(bundle) as session:
        chat = session.chat()
        first = "".join(chat.send(questions[0], options))
        first_used = session.stats.context_used
        second = spoken(session, chat.send(questions[1], options))
        assert session.stats.reused_tokens >= first_used - 1 > 0
        assert session.stats.prompt_tokens < 30
    messages = [
        {"role": "user", "content": questions[0]},
        {"role": "assistant", "content": first},
        {"role": "user", "content": questions[1]},
    ]
    with Session(bundle) as fresh:
        whole = spoken(fresh, fresh.generate(messages, options))
        assert fresh.stats.reused_tokens == 0
        turns = fresh.bundle.manifest.chat
        assert turns is not None
        chat_ids = fresh.encode(render(turns, messages), bos=False)
        question_ids = fresh.encode(render(turns, messages[2:]), bos=False)
        if quant == "fp32":
            assert whole == second
        # int8 activations round a tie either way, by how many tokens a call has. The same answer
        # to the question alone, without the first turn, is far from the likeliest.
        assert max(behind_the_best(fresh, chat_ids, second)) < NEAR_TIE
        assert max(behind_the_best(fresh, question_ids, second)) > 4 * NEAR_TIE
    assert len(second) >= 5


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_chat_on_a_terminal_gives_the_answers_of_a_session(q4: Path):
    questions = ("What is the capital of France?", "And of Italy?")
    with Session(q4) as session:
        chat = session.chat()
        options = GenerationOptions(temperature=0.0, max_tokens=24)
        expected = ["".join(chat.send(question, options)).strip() for question in questions]
    done = chat_on_terminal(q4, (*questions, "/stats"), "--max-tokens", "24")
    assert done.answers == expected
    assert "context" in done.stderr  # /stats


STOCK_RUNNER = """
import sys
from sdk_builder.runtime.engine import load_runtime
load_runtime()
from executorch.extension.llm.runner import GenerationConfig, TextLLMRunner
runner = TextLLMRunner(sys.argv[1] + "/model.pte", sys.argv[1] + "/tokenizer.json")
config = GenerationConfig()
config.max_new_tokens, config.temperature, config.echo = 12, 0.0, False
pieces = []
runner.generate(sys.argv[2], config, pieces.append)
print()
print("ANSWER " + "".join(pieces))
"""


def test_runner_behind_executorchs_own_llm_module_reads_the_program_as_it_is(q4: Path):
    chat = f"<|im_start|>user\n{PROMPTS[0]}<|im_end|>\n<|im_start|>assistant\n"
    done = subprocess.run(
        [sys.executable, "-c", STOCK_RUNNER, str(q4), chat],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # The runner prints pieces of its own accord, too.
    assert "\nANSWER The capital of France is Paris." in done.stdout


def test_benchmark_of_this_machine_ends_in_a_full_report(q4: Path, tmp_path: Path):
    results, page = tmp_path / "bench", tmp_path / "report"
    done = shakti(
        *("bench", q4, "--device", "host", "--quick", "-o", results, "--json"), folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (measured,) = json.loads(done.stdout)["results"]
    assert {case["case"] for case in measured["cases"]} == {
        *("load", "prefill-64", "decode-32", "ttft-64")
    }
    # the program's own answers confirmed that the figures are of one that works
    lines = [json.loads(line) for line in Path(measured["file"]).read_text().splitlines()]
    golden = next(line["golden"] for line in lines if line["type"] == "round")
    assert golden["ranked_first"] >= 0.6
    assert lines[0]["bundle"]["identity"] == identity(Bundle.open(q4).manifest)
    done = shakti("report", results, "-o", page, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (page / "report.html").read_text(encoding="utf-8")
    decode = next(case for case in measured["cases"] if case["case"] == "decode-32")
    shown = f"{decode['median']:.3g}"
    assert shown in text
    assert "SmolLM2" in text or "smollm2" in text
    assert (page / "plots" / "size.png").stat().st_size > 1000


FACTS = [
    ("The capital of France is", ["Paris", "Berlin", "New York City"], 0),
    ("Two plus two is", ["seven", "four", "a hundred"], 1),
    ("The colour of a clear sky is", ["green", "made of cheese", "blue"], 2),
    ("Cats like to drink", ["gravel", "milk", "the whole lake"], 1),
]


def test_lm_eval_finds_that_q4_knows_facts(q4: Path, tmp_path: Path):
    rows = [{"q": question, "choices": choices, "a": a} for question, choices, a in FACTS]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": "facts",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "facts.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{q}}",
        "doc_to_target": "a",
        "doc_to_choice": "choices",
        "metric_list": [{"metric": "acc"}],
    }
    path = tmp_path / "facts.yaml"
    path.write_text(json.dumps(task))  # which is YAML, too
    arguments = ("eval", q4, "--suite", "lm-eval", "--tasks", path, "--json")
    done = shakti(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)["results"]
    assert document["scores"][0]["value"] >= 0.75
    assert document["computed_tokens"] < document["asked_tokens"]


def test_distance_of_q4_from_its_source_is_small_on_text(q4: Path, tmp_path: Path):
    arguments = ("--text", ROOT / "LICENSE", "--tokens", "900", "--window", "512", "--json")
    done = shakti("eval", q4, *arguments, "--against", "smollm2-135m", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0.95 < found["against"]["ratio"] < 1.5
    assert 0.0 < found["against"]["kl"] < 0.5
    assert found["against"]["top1"] > 0.7


def test_calibration_shortens_the_distance_to_the_real_model(smollm2: Path, tmp_path: Path):
    """All matrices int4 and symmetric, calibrated on this project's own documents."""
    pages = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
    text = tmp_path / "text.txt"
    text.write_text("".join(page.read_text("utf-8") for page in pages)[:24_000], "utf-8")
    distances = []
    for options in (("--method", "rounding"), ("--method", "gptq", "--calibration", str(text))):
        with exported("q4", tmp_path, "--bits", "4.51", *options) as bundle:
            manifest = Bundle.open(bundle).manifest
            assert manifest.quantization.method == options[1]
            assert manifest.quantization.bits_per_weight < 4.51
            assert manifest.quality.kl is not None
            distances.append(manifest.quality.kl)
    rounded, calibrated = distances
    assert calibrated < 0.75 * rounded

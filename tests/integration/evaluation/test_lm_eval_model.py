"""A float bundle answers lm-eval as lm-eval's own `hf` model does on the checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

import sdk_builder
from sdk_builder.errors import UsageError
from sdk_builder.evaluation.lm_eval_model import BundleLM
from sdk_builder.evaluation.tasks import load_tasks, set_fewshot
from sdk_builder.models import register
from sdk_builder.runtime import GenerationOptions, ScriptedEngine, Session
from tests.integration.evaluation.conftest import CONTEXT, QUESTIONS, Tasks
from tests.integration.models.builders import VOCABULARY

NATS = 2e-3  # fp32 sums in another order, over up to 160 tokens
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "Two?"},
]


def hf_model(folder: Path) -> HFLM:
    register()
    return HFLM(
        pretrained=str(folder), device="cpu", dtype="float32", max_length=CONTEXT, batch_size=1
    )


@pytest.fixture(scope="module")
def theirs(folder: Path) -> HFLM:
    return hf_model(folder)


@pytest.fixture(scope="module")
def ours(bundle: Path) -> BundleLM:
    return BundleLM(str(bundle))


def asked(kind: str, *arguments: tuple[Any, ...]) -> list[Instance]:
    """Requests as lm-eval makes them."""
    return [
        Instance(request_type=kind, doc={}, arguments=one, idx=index, metadata=("t", index, 1))
        for index, one in enumerate(arguments)
    ]


PAIRS = [
    *((question, choice) for question, choices, _ in QUESTIONS for choice in choices),
    ("", "No context at all"),
    ("Trailing spaces   ", "here"),
    ("The capital of France is", " Paris"),  # again
    ("x" * 300, "y"),
    ("ü 🙂", " ß"),
    ("<|begin_of_text|>Already begun", " so"),
]


def test_likelihoods_are_those_of_the_float_model(ours: BundleLM, theirs: HFLM):
    found = ours.loglikelihood(asked("loglikelihood", *PAIRS))
    expected = theirs.loglikelihood(asked("loglikelihood", *PAIRS), disable_tqdm=True)
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=NATS)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    assert any(value < -1 for value, _ in found)


def test_greedy_continuation_is_told_from_another(ours: BundleLM, theirs: HFLM):
    context = ours.tok_encode("Once upon")
    options = GenerationOptions(temperature=0.0, max_tokens=4)
    answer = list(ours.session.tokens(context, options))
    requests = [
        (("", str(one)), context, one)
        for one in (answer, answer[:1], [*answer[:-1], answer[-1] ^ 1], [answer[0] ^ 1])
    ]
    found = ours._loglikelihood_tokens(requests)
    expected = theirs._loglikelihood_tokens(requests, disable_tqdm=True)
    assert [greedy for _, greedy in found] == [True, True, False, False]
    assert [greedy for _, greedy in expected] == [True, True, False, False]
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=NATS)


def test_rolling_likelihoods_are_those_of_the_float_model(ours: BundleLM, theirs: HFLM):
    texts = [("short",), ("A text longer than the context. " * 12,), ("b" * CONTEXT,)]
    found = ours.loglikelihood_rolling(asked("loglikelihood_rolling", *texts))
    expected = theirs.loglikelihood_rolling(asked("loglikelihood_rolling", *texts), True)
    assert found == pytest.approx(expected, rel=1e-5, abs=NATS)


def test_answers_are_those_of_the_float_model(ours: BundleLM, theirs: HFLM):
    options = [
        {"until": ["e"], "max_gen_toks": 20},
        {"until": [], "max_gen_toks": 20},
        {"until": ["zz", "\n"], "max_gen_toks": 8, "do_sample": False},
    ]
    requests = [(question, one) for question, *_ in QUESTIONS for one in options]
    found = ours.generate_until(asked("generate_until", *requests))
    expected = theirs.generate_until(asked("generate_until", *requests), disable_tqdm=True)
    assert found == expected
    assert any(found)


def test_sampled_answers_differ_and_need_no_cache(ours: BundleLM):
    options = {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 1.5}
    found = ours.generate_until(asked("generate_until", ("Once", options), ("Once", options)))
    assert found[0] != found[1]


def test_tasks_have_the_metrics_of_the_float_model(ours: BundleLM, theirs: HFLM, tasks: Tasks):
    results = []
    for model in (ours, theirs):
        loaded = load_tasks(tasks.files, None)
        set_fewshot(loaded, 1, 1234)
        results.append(evaluate(model, loaded, bootstrap_iters=0, log_samples=False)["results"])
    assert set(results[0]) == {"tiny_choices", "tiny_texts", "tiny_answers"}
    for task, found in results[0].items():
        figures = {key: value for key, value in found.items() if isinstance(value, float)}
        assert figures
        for key, value in figures.items():
            assert value == pytest.approx(results[1][task][key], rel=1e-3), (task, key)


def test_truncated_requests_are_counted_and_told(bundle: Path, caplog: pytest.LogCaptureFixture):
    model = BundleLM(str(bundle))
    model.loglikelihood(asked("loglikelihood", ("x" * 300, "y"), ("short", "y")))
    assert model.truncated == 1
    assert "1 of 2 requests were longer than the context of 160" in caplog.text


def test_shorter_context_can_be_asked_for_but_no_longer(bundle: Path, folder: Path):
    ours, theirs = BundleLM(str(bundle), max_length=32), hf_model(folder)
    theirs._max_length = 32
    pairs = [("A context of more than 32 bytes, which is cut", " here")]
    (found,) = ours.loglikelihood(asked("loglikelihood", *pairs))
    (expected,) = theirs.loglikelihood(asked("loglikelihood", *pairs), disable_tqdm=True)
    assert found[0] == pytest.approx(expected[0], abs=NATS)
    with pytest.raises(UsageError, match="max_length=161"):
        BundleLM(str(bundle), max_length=161)


def test_answer_longer_than_the_context_is_refused(ours: BundleLM):
    options = {"until": [], "max_gen_toks": CONTEXT}
    with pytest.raises(UsageError, match="answers of 160 tokens"):
        ours.generate_until(asked("generate_until", ("Once", options)))


def test_chats_are_written_as_the_tokenizer_writes_them(ours: BundleLM, theirs: HFLM):
    for chat in (CHAT, CHAT[1:], CHAT[:2]):
        assert ours.apply_chat_template(chat) == theirs.apply_chat_template(chat)
    opened = [*CHAT[1:], {"role": "assistant", "content": "Let me see"}]
    assert ours.apply_chat_template(opened, False) == theirs.apply_chat_template(opened, False)


def test_opened_message_stands_where_its_answer_would(bundle: Path):
    """Also where the template writes something between the generation prompt and an answer."""
    session = Session(bundle)
    turns = session.manifest.chat
    assert turns is not None
    lead = turns.model_copy(update={"generation_prompt": turns.assistant_prefix[:-1]})
    opened = [*CHAT[1:], {"role": "assistant", "content": "Let me see"}]
    texts = []
    for one in (turns, lead):
        session.manifest = session.manifest.model_copy(update={"chat": one})
        texts.append(BundleLM(session=session).apply_chat_template(opened, False))
    assert texts[0] == texts[1]
    session.manifest = session.manifest.model_copy(update={"chat": None})
    with pytest.raises(UsageError, match="no chat turns"):
        BundleLM(session=session).apply_chat_template(opened)


def test_special_tokens_end_answers_and_are_not_in_them(bundle: Path):
    tokenizer = Session(bundle).tokenizer
    answer = [*tokenizer.encode("ab").ids, 1, *tokenizer.encode("cd.e").ids]
    mark = tokenizer.encode("?").ids[0]
    engine = ScriptedEngine(
        lambda ids: answer[len(ids) - 1 - ids.index(mark)] if mark in ids else 0,
        VOCABULARY,
        context_length=CONTEXT,
    )
    model = BundleLM(session=Session(bundle, engine=engine))
    special = tokenizer.id_to_token(1)
    requests = [("how?", {"until": [stop], "max_gen_toks": 7}) for stop in (".", special)]
    assert model.generate_until(asked("generate_until", *requests)) == ["abcd", "ab"]


# --- a tokenizer that puts bos before texts -----------------------------------------------


@pytest.fixture(scope="module")
def with_bos(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder with another tokenizer."""
    copy = tmp_path_factory.mktemp("bos") / "tiny"
    shutil.copytree(folder, copy)
    path = copy / "tokenizer.json"
    tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    bos = json.loads((copy / "tokenizer_config.json").read_text())["bos_token"]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, 0)]
    )
    path.write_text(tokenizer.to_str(), encoding="utf-8")
    return copy


def test_bos_goes_where_the_float_model_has_it(with_bos: Path, tmp_path: Path):
    theirs = hf_model(with_bos)
    sdk_builder.export(str(with_bos), tmp_path / "b", quant="none", context_length=CONTEXT)
    ours = BundleLM(str(tmp_path / "b"))
    bos = ours.session.tokenizer.id_to_token(0)
    for text in ("a text", "", f"{bos}begun"):
        for special in (None, True, False):
            assert ours.tok_encode(text, special) == theirs.tok_encode(text, special)
    assert ours.tok_encode("a")[0] == 0
    pairs = [*PAIRS, (f"{bos}begun", " so")]
    found = ours.loglikelihood(asked("loglikelihood", *pairs))
    expected = theirs.loglikelihood(asked("loglikelihood", *pairs), disable_tqdm=True)
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=NATS)
    options = {"until": [], "max_gen_toks": 8}
    requests = [(text, options) for text in ("Once", f"{bos}Once")]
    assert ours.generate_until(asked("generate_until", *requests)) == [
        # one at a time: of a batch lm-eval looks at the first text alone
        theirs.generate_until(asked("generate_until", one), disable_tqdm=True)[0]
        for one in requests
    ]

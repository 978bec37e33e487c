"""A session over a scripted engine: what is computed, what is reused, how answers end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sdk_builder.bundle import Bundle, BundleWriter, derive_turns, render
from sdk_builder.bundle.manifest import TokenizerInfo
from sdk_builder.errors import BundleError, PromptTooLongError, UsageError
from sdk_builder.models.preset_checkpoint import byte_tokenizer
from sdk_builder.runtime import GenerationOptions, ScriptedEngine, Session
from sdk_builder.runtime.chat import how_many_leave
from tests.unit.bundle.samples import sample_manifest

VOCABULARY = 300
ASSETS = byte_tokenizer(VOCABULARY)
TOKENIZER = Tokenizer.from_str(ASSETS.json_text)
END = ASSETS.eos_ids[0]
GREEDY = GenerationOptions(temperature=0.0)
ANSWERS = {"hello": "Hi there!", "again": "Yes, नमस्ते 🙂.", "long": "x" * 200}


def encode(text: str) -> list[int]:
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False).ids
    return ids


GENERATION_PROMPT = encode("<|im_start|>assistant\n")


def scripted(ids: Sequence[int]) -> int:
    """The next token of the scripted answer to the last question in `ids`."""
    text = list(ids)
    size = len(GENERATION_PROMPT)
    starts = [at for at in range(len(text)) if text[at : at + size] == GENERATION_PROMPT]
    if not starts:
        return encode("?")[0]
    said = text[starts[-1] + size :]
    question = TOKENIZER.decode(text[: starts[-1]]).rsplit("user\n", 1)[-1].strip()
    answer = [*encode(ANSWERS.get(question, "?")), END]
    return answer[len(said)] if len(said) < len(answer) else END


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    with BundleWriter(tmp_path / "bundle") as writer:
        writer.write_bytes("model.pte", bytes(768))
        writer.write_text("tokenizer.json", ASSETS.json_text)
        info = TokenizerInfo(
            file="tokenizer.json",
            kind=ASSETS.kind,
            vocab_size=ASSETS.vocab_size,
            bos_id=ASSETS.bos_id,
            eos_ids=ASSETS.eos_ids,
            sha256=writer.digest("tokenizer.json")[1],
            add_bos=False,
        )
        turns = derive_turns(ASSETS.chat_template or "")
        manifest = sample_manifest(bytes(768), ASSETS.json_text, chat=turns, golden=())
        manifest = manifest.model_copy(update={"tokenizer": info})
        return writer.commit(manifest)


Start = Callable[..., "tuple[Session, ScriptedEngine]"]


@pytest.fixture
def start(bundle: Bundle) -> Start:
    def make(context_length: int = 160, max_chunk: int = 16) -> tuple[Session, ScriptedEngine]:
        engine = ScriptedEngine(scripted, VOCABULARY, context_length, max_chunk)
        return Session(bundle, engine=engine), engine

    return make


def computed(engine: ScriptedEngine) -> int:
    return sum(count for _, count in engine.calls)


def test_question_gets_its_answer_and_the_stats_of_it(start):
    session, engine = start()
    assert session.answer("hello", GREEDY) == "Hi there!"
    stats = session.stats
    assert stats.finish_reason == "eos"
    assert stats.generated_tokens == len(encode("Hi there!"))
    prompt = render(session.manifest.chat, [{"role": "user", "content": "hello"}])
    assert stats.prompt_tokens == len(encode(prompt))
    assert stats.context_used == computed(engine)
    assert stats.ttft_ms is not None
    assert stats.ttft_ms > 0


def test_prompt_is_fed_in_chunks_of_at_most_the_programs_size(start):
    session, engine = start(max_chunk=7)
    session.answer("hello", GREEDY)
    prefill = [call for call in engine.calls if call[1] > 1]
    assert all(count <= 7 for _, count in prefill)
    starts = [start for start, _ in prefill]
    assert starts == list(range(0, 7 * len(starts), 7))


def test_next_turn_computes_only_what_it_adds(start):
    session, engine = start()
    chat = session.chat()
    assert "".join(chat.send("hello", GREEDY)) == "Hi there!"
    engine.calls.clear()
    assert "".join(chat.send("again", GREEDY)) == ANSWERS["again"]
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hi there!"},
        {"role": "user", "content": "again"},
    ]
    whole = encode(render(session.manifest.chat, messages))
    assert session.stats.prompt_tokens + session.stats.reused_tokens == len(whole)
    assert session.stats.reused_tokens > session.stats.prompt_tokens / 2
    assert engine._cache[: len(whole)] == whole  # as if the chat had been given at once


def test_same_chat_given_at_once_gets_the_same_answer(start):
    session, _ = start()
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hi there!"},
        {"role": "user", "content": "again"},
    ]
    assert session.answer(messages, GREEDY) == ANSWERS["again"]


def test_stopped_answer_leaves_a_chat_that_goes_on(start):
    session, _ = start()
    chat = session.chat()
    pieces = chat.send("hello", GREEDY)
    assert next(pieces) == "H"
    pieces.close()
    assert "".join(chat.send("again", GREEDY)) == ANSWERS["again"]


def test_prompt_that_does_not_fit_is_refused_and_the_chat_is_as_before(start):
    session, _ = start()
    chat = session.chat()
    "".join(chat.send("hello", GREEDY))
    with pytest.raises(PromptTooLongError, match="context is 160"):
        "".join(chat.send("word " * 100, GREEDY))
    assert "".join(chat.send("again", GREEDY)) == ANSWERS["again"]


def test_answer_ends_where_the_context_does(start):
    session, engine = start(context_length=64)
    text = session.answer("long", GenerationOptions(temperature=0.0, max_tokens=500))
    assert session.stats.finish_reason == "context"
    assert session.stats.context_used == 64 == len(engine._cache)
    assert set(text) == {"x"}


def test_answer_ends_at_the_token_limit(start):
    session, _ = start()
    assert session.answer("long", GenerationOptions(temperature=0.0, max_tokens=5)) == "xxxxx"
    assert session.stats.finish_reason == "length"


def test_answer_ends_before_a_stop_text(start):
    session, _ = start()
    options = GenerationOptions(temperature=0.0, stop=("there",))
    assert session.answer("hello", options) == "Hi "
    assert session.stats.finish_reason == "stop"


def test_split_characters_arrive_whole(start):
    session, _ = start()
    pieces = list(session.generate("again", GREEDY))
    assert "".join(pieces) == ANSWERS["again"]
    assert not any("\ufffd" in piece for piece in pieces)


def test_system_message_is_part_of_the_first_turn(start):
    session, engine = start()
    "".join(session.chat(system="Be brief.").send("hello", GREEDY))
    assert "system\nBe brief." in TOKENIZER.decode(engine._cache)


def test_plain_completion_has_no_turns(start):
    session, engine = start()
    text = "".join(session.complete("abc", GenerationOptions(temperature=0.0, max_tokens=3)))
    assert text == "???"
    assert engine._cache[:3] == encode("abc")


def test_score_gives_every_position(start):
    session, _ = start(max_chunk=4)
    ids = encode("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nHi")
    logits = session.score(ids)
    assert logits.shape == (len(ids), VOCABULARY)
    assert int(logits[-1].argmax()) == encode(" ")[0]


def test_score_beyond_the_context_is_refused(start):
    session, _ = start(context_length=20)
    with pytest.raises(PromptTooLongError):
        session.score([1] * 21)


def test_bundle_without_turns_does_not_chat(tmp_path, bundle):
    with BundleWriter(tmp_path / "plain") as writer:
        writer.write_bytes("model.pte", bytes(768))
        writer.write_text("tokenizer.json", ASSETS.json_text)
        plain = writer.commit(bundle.manifest.model_copy(update={"chat": None}))
    session = Session(plain, engine=ScriptedEngine(scripted, VOCABULARY))
    with pytest.raises(UsageError, match="no chat turns"):
        session.chat()


def test_damaged_program_never_reaches_the_runtime(bundle):
    data = bytearray((bundle.path / "model.pte").read_bytes())
    data[100] ^= 1
    (bundle.path / "model.pte").write_bytes(bytes(data))
    with pytest.raises(BundleError, match="damaged"):
        Session(bundle)


# --- a chat that outgrows its context: the oldest exchanges leave ------------------------------

SYSTEM = "Be brief."


def fed(engine) -> str:
    """The text in the program's cache."""
    return TOKENIZER.decode(engine._cache, skip_special_tokens=False)


def test_two_hundred_turns_end_without_an_error_and_keep_the_system_message(start):
    session, engine = start(context_length=400)
    chat = session.chat(system=SYSTEM)
    left = 0
    for turn in range(200):
        question = ("hello", "again")[turn % 2]
        assert "".join(chat.send(question, GREEDY)) == ANSWERS[question]
        text = fed(engine)
        assert text.startswith(f"<|im_start|>system\n{SYSTEM}<|im_end|>")
        assert text.count("<|im_start|>user\n") == text.count("<|im_start|>assistant\n")
        assert text.rsplit("<|im_start|>user\n", 1)[1].startswith(question)
        assert len(engine._cache) <= 400
        left += session.stats.dropped_exchanges
    assert 150 < left < 200


def test_only_some_turns_compute_the_rest_of_the_chat_again(start):
    session, _ = start(context_length=400)
    chat = session.chat()
    again = 0
    for _ in range(100):
        "".join(chat.send("hello", GREEDY))
        if session.stats.dropped_exchanges:
            again += 1
            assert session.stats.prompt_tokens <= 200, "half of the context at the most"
        else:
            assert session.stats.prompt_tokens <= 2 * len(encode("<|im_start|>user\nhello")) + 40
    assert 5 < again < 40


def test_a_question_that_fits_alone_takes_the_place_of_all_others(start):
    session, engine = start(context_length=200)
    chat = session.chat(system=SYSTEM)
    for _ in range(3):
        "".join(chat.send("hello", GREEDY))
    long = "w" * 130
    "".join(chat.send(long, GREEDY))
    assert SYSTEM in fed(engine)
    assert long in fed(engine)
    assert "hello" not in fed(engine)


def test_a_question_that_fits_nowhere_is_refused_and_forgets_nothing(start):
    session, engine = start(context_length=200)
    chat = session.chat()
    "".join(chat.send("hello", GREEDY))
    with pytest.raises(PromptTooLongError):
        "".join(chat.send("w" * 400, GREEDY))
    "".join(chat.send("again", GREEDY))
    assert session.stats.dropped_exchanges == 0
    assert "hello" in fed(engine)


def test_room_for_the_answer_counts(start):
    session, _ = start(context_length=400)
    used = []
    for limit in (1, 100):
        chat = session.chat()
        options = GenerationOptions(temperature=0.0, max_tokens=limit)
        turns = 0
        while True:
            "".join(chat.send("hello", options))
            if session.stats.dropped_exchanges:
                break
            turns += 1
        used.append(turns)
    assert used[0] > used[1]


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=20).map(lambda s: sorted(s, reverse=True)),
    st.integers(16, 600),
    st.integers(0, 100),
)
def test_as_few_leave_as_bring_the_chat_to_half(sizes: list[int], context: int, room: int) -> None:
    leaving = how_many_leave(sizes, context=context, room=room)
    assert 0 <= leaving < len(sizes)
    if sizes[0] + room <= context:
        assert leaving == 0
    elif leaving < len(sizes) - 1:
        assert sizes[leaving] <= context // 2
    if leaving:
        assert sizes[leaving - 1] > context // 2

"""What a session computes and what it reuses, position by position; how answers end."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder import Bundle
from sdk_builder.bundle.turns import render
from sdk_builder.errors import BundleError, PromptTooLongError, SessionError, UsageError
from sdk_builder.runtime import GenerationOptions
from tests.unit.runtime.talk import (
    ENDOFTEXT,
    GREEDY,
    IM_END,
    answers,
    computed,
    continues,
    ids_of,
    session_over,
    write_talking_bundle,
)

FORTY = "0123456789" * 4


def greedy(max_tokens: int, stop: tuple[str, ...] = ()) -> GenerationOptions:
    return GenerationOptions(temperature=0.0, max_tokens=max_tokens, stop=stop)


# --- which positions are computed -----------------------------------------------------------


def test_a_prompt_is_computed_in_chunks_and_answers_token_by_token(bundle: Bundle) -> None:
    session, engine = session_over(bundle, continues(FORTY + "abc"))
    assert list(session.tokens(ids_of(FORTY), GREEDY)) == ids_of("abc")
    assert engine.calls == [(0, 16), (16, 16), (32, 8), (40, 1), (41, 1), (42, 1)]
    assert (session.stats.prompt_tokens, session.stats.reused_tokens) == (40, 0)


def test_only_what_differs_is_computed_again(bundle: Bundle) -> None:
    session, engine = session_over(bundle, continues("one two", "one three", "one"))
    "".join(session.complete("one t", greedy(2)))
    computed(engine)
    "".join(session.complete("one thr", GREEDY))  # the cache holds "one tw"
    assert computed(engine) == list(range(5, 9))
    assert (session.stats.prompt_tokens, session.stats.reused_tokens) == (2, 5)


def test_the_same_prompt_again_computes_its_last_token_only(bundle: Bundle) -> None:
    session, engine = session_over(bundle, continues("question: yes"))
    assert "".join(session.complete("question:", greedy(1))) == " "
    computed(engine)
    assert "".join(session.complete("question:", GREEDY)) == " yes"
    assert computed(engine)[0] == len("question:") - 1
    assert session.stats.reused_tokens == len("question:") - 1


def test_a_prompt_that_begins_what_is_cached_computes_its_last_token(bundle: Bundle) -> None:
    session, engine = session_over(bundle, continues("abcdefgh"))
    "".join(session.complete("abcdef", GREEDY))
    computed(engine)
    assert "".join(session.complete("abc", GREEDY)) == "defgh"
    assert computed(engine)[0] == 2


def test_reset_forgets_everything(bundle: Bundle) -> None:
    session, engine = session_over(bundle, continues("abcdef"))
    "".join(session.complete("abc", GREEDY))
    computed(engine)
    session.reset()
    assert "".join(session.complete("abc", GREEDY)) == "def"
    assert computed(engine)[:3] == [0, 1, 2]


@pytest.mark.parametrize("taken", [1, 2, 3, 4])
def test_an_iterator_closed_early_leaves_a_cache_that_is_true(bundle: Bundle, taken: int) -> None:
    script = continues("abcdefgh", "abcdX!", "abcX!")
    session, _ = session_over(bundle, script)
    tokens = session.tokens(ids_of("abc"), GREEDY)
    for _ in range(taken):
        next(tokens)
    tokens.close()
    assert session.stats.finish_reason == ""
    fresh, _ = session_over(bundle, script)
    for prompt in ("abcdef", "abcdX", "abcX"):
        expected = "".join(fresh.complete(prompt, GREEDY))
        assert "".join(session.complete(prompt, GREEDY)) == expected != ""


def test_a_failed_call_leaves_a_cache_that_is_true(bundle: Bundle) -> None:
    broken = [False]
    script = continues(FORTY + "abc")

    def next_id(ids: list[int]) -> int:
        if broken[0] and len(ids) > 20:
            raise SessionError("the program failed")
        return script(ids)

    session, engine = session_over(bundle, next_id)
    broken[0] = True
    with pytest.raises(SessionError):
        session.tokens(ids_of(FORTY), GREEDY)
    broken[0] = False
    computed(engine)
    assert list(session.tokens(ids_of(FORTY), GREEDY)) == ids_of("abc")
    assert computed(engine)[0] == 16  # the chunk before the failure is still good


# --- chats ----------------------------------------------------------------------------------


def test_three_turns_see_the_ids_of_the_whole_chat_at_once(bundle: Bundle) -> None:
    seen: list[int] = []
    script = answers("First.", "Zweitens ✓", "3")

    def next_id(ids: list[int]) -> int:
        seen[:] = ids
        return script(ids)

    session, _ = session_over(bundle, next_id, context_length=400)
    chat = session.chat(system="Be brief.")
    messages = [{"role": "system", "content": "Be brief."}]
    for question, answer in (("eins", "First."), ("two", "Zweitens ✓"), ("तीन", "3")):
        messages.append({"role": "user", "content": question})
        assert "".join(chat.send(question, GREEDY)) == answer
        assert bundle.manifest.chat is not None
        whole = ids_of(render(bundle.manifest.chat, messages))
        assert seen[: len(whole)] == whole
        assert session.stats.prompt_tokens + session.stats.reused_tokens == len(whole)
        messages.append({"role": "assistant", "content": answer})
    assert session.stats.reused_tokens > 60


def test_chats_over_one_session_do_not_mix(bundle: Bundle) -> None:
    session, _ = session_over(bundle, answers("one", "two"), context_length=300)
    first, second = session.chat(), session.chat(system="Another")
    for answer in ("one", "two"):
        assert "".join(first.send("?", GREEDY)) == answer
        assert "".join(second.send("!", GREEDY)) == answer
    first.reset()
    assert "".join(first.send("?", GREEDY)) == "one"


def test_a_turn_too_long_right_after_an_answer_leaves_the_chat(bundle: Bundle) -> None:
    session, engine = session_over(bundle, answers("one", "two"), context_length=100)
    chat = session.chat()
    assert "".join(chat.send("hi", GREEDY)) == "one"
    assert session.stats.finish_reason == "eos"
    computed(engine)
    for _ in range(2):
        with pytest.raises(PromptTooLongError) as caught:
            "".join(chat.send("x" * 100, GREEDY))
        assert caught.value.hint
    assert computed(engine) == []
    assert "".join(chat.send("hi", GREEDY)) == "two"


# --- how answers end --------------------------------------------------------------------------


@pytest.mark.parametrize("end", [IM_END, ENDOFTEXT])
def test_any_end_token_ends_and_is_not_given(bundle: Bundle, end: int) -> None:
    script = [*ids_of("ab"), end, *ids_of("never")]
    session, _ = session_over(bundle, lambda ids: script[len(ids) - 1])
    assert list(session.tokens([5], GREEDY)) == ids_of("ab")
    assert session.stats.finish_reason == "eos"
    assert session.stats.generated_tokens == 2


def test_an_empty_answer_is_an_answer(bundle: Bundle) -> None:
    session, _ = session_over(bundle, lambda ids: IM_END)
    assert "".join(session.complete("abc", GREEDY)) == ""
    assert session.stats.finish_reason == "eos"
    assert session.stats.decode_tokens_per_s is None


@pytest.mark.parametrize("length", [1, 30, 62, 63])
def test_the_context_is_used_to_its_last_position(bundle: Bundle, length: int) -> None:
    session, engine = session_over(bundle, lambda ids: 7, context_length=64)
    found = list(session.tokens([5] * length, greedy(1000)))
    # The last token needs no position: nothing is computed after it.
    assert len(found) == 64 - length + 1
    assert session.stats.finish_reason == "context"
    assert computed(engine) == list(range(64))


def test_a_prompt_without_room_for_an_answer_is_refused(bundle: Bundle) -> None:
    session, engine = session_over(bundle, lambda ids: 7, context_length=64)
    with pytest.raises(PromptTooLongError, match="64 tokens, the context is 64"):
        session.tokens([5] * 64, GREEDY)
    with pytest.raises(UsageError, match="empty"):
        session.tokens([], GREEDY)
    assert engine.calls == []


def test_max_tokens_defaults_to_the_bundle_s(tmp_path: Path) -> None:
    bundle = write_talking_bundle(tmp_path / "b", max_tokens=5)
    session, _ = session_over(bundle, lambda ids: 7)
    assert len(list(session.tokens([5]))) == 5
    assert session.stats.finish_reason == "length"
    assert len(list(session.tokens([5], greedy(3)))) == 3


def test_a_stop_text_is_found_over_the_borders_of_tokens(tmp_path: Path) -> None:
    bundle = write_talking_bundle(tmp_path / "b", stop=("\nUser:",))
    session, engine = session_over(bundle, continues("> one\ntwo\nUser: three"))
    pieces = list(session.complete(">", GREEDY))
    assert "".join(pieces) == " one\ntwo"
    assert session.stats.finish_reason == "stop"
    assert len(computed(engine)) == len("> one\ntwo\nUser:") - 1  # and nothing after it
    pieces = list(session.complete(">", greedy(99, stop=("e\nt",))))  # besides the bundle's own
    assert "".join(pieces) == " on"


def test_the_beginning_of_a_stop_text_at_the_end_is_shown_after_all(bundle: Bundle) -> None:
    session, _ = session_over(bundle, continues("> all##"))
    assert "".join(session.complete(">", greedy(99, stop=("###",)))) == " all##"
    assert session.stats.finish_reason == "eos"


def test_equal_seeds_give_equal_answers(bundle: Bundle) -> None:
    def sample(seed: int | None) -> list[int]:
        session, _ = session_over(bundle, lambda ids: 7)
        options = GenerationOptions(temperature=5.0, top_p=0.99, seed=seed, max_tokens=20)
        return list(session.tokens([5], options))

    assert sample(3) == sample(3)
    assert len({tuple(sample(seed)) for seed in (3, 4, 5, None, None)}) == 5


# --- the text's beginning, and files that were changed ------------------------------------------


def test_text_begins_with_bos_where_the_model_wants_it(tmp_path: Path) -> None:
    plain = write_talking_bundle(tmp_path / "plain")
    wanting = write_talking_bundle(tmp_path / "bos", add_bos=True)
    assert session_over(plain, lambda ids: 7)[0].encode("a") == ids_of("a")
    session, _ = session_over(wanting, lambda ids: 7)
    assert session.encode("a") == [ENDOFTEXT, *ids_of("a")]
    assert session.encode("<|endoftext|>a") == [ENDOFTEXT, *ids_of("a")]  # not twice
    assert session.encode("a", bos=False) == ids_of("a")


@pytest.mark.parametrize("name", ["model.pte", "tokenizer.json", "manifest.json"])
def test_a_changed_file_is_named_and_not_used(name: str, tmp_path: Path) -> None:
    bundle = write_talking_bundle(tmp_path / "b")
    path = bundle.path / name
    data = path.read_bytes()
    changed = {
        "model.pte": data[:-1] + b"x",
        "tokenizer.json": data.replace(b'"dropout":null', b'"dropout": null', 1),
        "manifest.json": data.replace(b"tiny-q4", b"tiny-q5", 1),
    }
    assert changed[name] != data
    path.write_bytes(changed[name])
    with pytest.raises(BundleError, match=name):
        session_over(Bundle.open(bundle.path), lambda ids: 7)

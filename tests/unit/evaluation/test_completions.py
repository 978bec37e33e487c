"""Answers up to a stop text, the same whatever was asked before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sdk_builder.evaluation.completions import Completer, Completion, cut_at
from sdk_builder.models.preset_checkpoint import byte_tokenizer
from sdk_builder.runtime.engine import ScriptedEngine
from sdk_builder.runtime.session import Session
from tests.unit.cli.fakes import manifest

ASSETS = byte_tokenizer(320)


def session_that_says(text: str, *, chunk: int = 8) -> Session:
    """A session whose program answers `text` after any prompt that ends in ``?``."""
    tokenizer = Tokenizer.from_str(ASSETS.json_text)
    answer = tokenizer.encode(text, add_special_tokens=False).ids
    mark = tokenizer.encode("?", add_special_tokens=False).ids[0]

    def next_id(ids: list[int]) -> int:
        if mark not in ids:
            return 0
        said = ids[::-1].index(mark)  # ids after the mark
        return answer[said] if said < len(answer) else 2

    session = Session.__new__(Session)
    session.engine = ScriptedEngine(next_id, 320, context_length=64, max_chunk=chunk)
    session.tokenizer = tokenizer
    session.manifest = manifest()
    session._cached = []
    return session


def prompt(session: Session, text: str) -> tuple[int, ...]:
    return tuple(session.encode(text))


def said(session: Session, wanted: Completion) -> str:
    return session.tokenizer.decode(Completer(session).complete(wanted))


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ((), "one. two\nthree"),
        ((".",), "one."),
        (("\n", "wo"), "one. two"),
        (("not there",), "one. two\nthree"),
    ],
)
def test_answer_ends_with_its_stop_text(stop: tuple[str, ...], expected: str):
    session = session_that_says("one. two\nthree")
    assert said(session, Completion(prompt(session, "how?"), stop, 30)) == expected


def test_answer_has_at_most_so_many_tokens():
    session = session_that_says("abcdef")
    assert said(session, Completion(prompt(session, "how?"), (), 3)) == "abc"


def test_special_token_can_be_a_stop_text():
    session = session_that_says("ab<|im_end|>cd")
    ids = Completer(session).complete(Completion(prompt(session, "how?"), ("<|im_end|>",), 30))
    assert session.tokenizer.decode(ids, skip_special_tokens=True) == "ab"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a" * 9, "a" * 20, "a" * 20 + "b" * 9, "c", "a" * 16]), max_size=6)
)
def test_prompt_is_cut_as_if_it_came_alone(beginnings):
    session = session_that_says("xyz")
    completer = Completer(session)
    for beginning in beginnings:
        wanted = Completion(prompt(session, beginning + "?"), (), 30)
        assert isinstance(session.engine, ScriptedEngine)
        calls = session.engine.calls
        calls.clear()
        completer.complete(wanted)
        prefill = [call for call in calls if call[0] < len(wanted.prompt)]
        alone = [(at, min(8, len(wanted.prompt) - at)) for at in range(0, len(wanted.prompt), 8)]
        assert prefill == alone[len(alone) - len(prefill) :]


def test_shared_chunks_are_not_computed_again():
    session = session_that_says("xyz")
    completer = Completer(session)
    completer.complete(Completion(prompt(session, "a" * 20 + "?"), (), 30))
    completer.complete(Completion(prompt(session, "a" * 20 + "b?"), (), 30))
    assert session.stats.reused_tokens == 16


@pytest.mark.parametrize(
    ("stop", "expected"), [((), "a.b c"), ((".",), "a"), (("c", "."), "a"), (("", "z"), "a.b c")]
)
def test_text_is_cut_at_the_first_stop_text(stop: tuple[str, ...], expected: str):
    assert cut_at("a.b c", stop) == expected

"""Streaming text: stop texts are never seen, characters only come whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE

from sdk_builder.runtime.text import StopTexts, stream_text
from tests.unit.runtime.talk import IM_END, TOKENIZER, ids_of

letters = st.text("ab<", max_size=12)
stops = st.lists(st.text("ab<", min_size=1, max_size=4), max_size=3).map(tuple)


def cut_by_hand(text: str, stop: tuple[str, ...]) -> str:
    """Up to the stop text that is complete first, the longest of those that end together."""
    for end in range(1, len(text) + 1):
        found = [one for one in stop if text[:end].endswith(one)]
        if found:
            return text[: end - max(map(len, found))]
    return text


def pieces_of(text: str, borders: list[int]) -> list[str]:
    cuts = sorted({min(one, len(text)) for one in borders})
    return [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]


@given(letters, stops, st.lists(st.integers(0, 12), max_size=12))
@example("abc", ("abc", "b"), [2])  # one inside the other
@example("xab", ("ab", "b"), [])
@example("aab", ("ab",), [1, 2])  # the start of a stop text that turns out not to be one
def test_any_split_gives_the_text_before_the_first_stop_text(
    text: str, stop: tuple[str, ...], borders: list[int]
) -> None:
    filtered = StopTexts(stop)
    shown = "".join(filtered.push(piece) for piece in pieces_of(text, borders))
    shown += filtered.flush()
    assert shown == cut_by_hand(text, stop)
    assert filtered.found == (shown != text)
    assert not any(one in shown for one in stop)


@given(letters, stops, st.lists(st.integers(0, 12), max_size=12))
def test_nothing_is_shown_that_could_still_become_a_stop_text(
    text: str, stop: tuple[str, ...], borders: list[int]
) -> None:
    filtered, shown, given_so_far = StopTexts(stop), "", ""
    for piece in pieces_of(text, borders):
        shown += filtered.push(piece)
        given_so_far += piece
        if not filtered.found:
            held = given_so_far[len(shown) :]
            assert given_so_far == shown + held
            possible = [one[:n] for one in stop for n in range(1, len(one))]
            assert held in ("", *possible)
            assert not any(shown.endswith(one) for one in possible if not held)


def test_after_a_stop_text_nothing_more_comes() -> None:
    filtered = StopTexts(("STOP",))
    assert filtered.push("one ST") == "one "
    assert filtered.push("OP two") == ""
    assert filtered.found
    assert filtered.push("three") == ""
    assert filtered.flush() == ""


def test_without_stop_texts_everything_passes_at_once() -> None:
    for stop in ((), ("",)):
        filtered = StopTexts(stop)
        assert filtered.push("any <|im_end|> text") == "any <|im_end|> text"
        assert not filtered.found


# --- whole characters -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["नमस्ते दुनिया", "🙂👩‍👩‍👧 ok", "naïve 你好", "a\nb\t  c"])
def test_characters_of_several_tokens_come_whole(text: str) -> None:
    pieces = list(stream_text(TOKENIZER, ids_of(text)))
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(ids_of(text)) >= len(text) == len(pieces)  # one a character, not one a byte


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")), st.data())
def test_any_text_cut_off_anywhere_is_its_beginning(text: str, data: st.DataObject) -> None:
    ids = ids_of(text)
    stop = data.draw(st.integers(0, len(ids)))
    shown = "".join(stream_text(TOKENIZER, ids[:stop]))
    assert text.startswith(shown)
    assert len(shown.encode()) > stop - 4  # at most one character is missing


def test_special_tokens_are_not_text() -> None:
    assert "".join(stream_text(TOKENIZER, [*ids_of("yes"), IM_END, *ids_of("no")])) == "yesno"


def test_bytes_that_are_no_text_do_not_stop_the_stream() -> None:
    first_byte = ids_of("é")[0]
    assert "".join(stream_text(TOKENIZER, [first_byte, *ids_of("go on")])) == "\ufffdgo on"


def byte_fallback_tokenizer() -> Tokenizer:
    """As SentencePiece models are converted: words with a leading mark, and 256 bytes."""
    words = ["▁", "▁Paris", "▁is", "।", "▁न"]
    vocab = {f"<0x{byte:02X}>": byte for byte in range(256)}
    vocab |= {word: 256 + index for index, word in enumerate(words)}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1),
        ]
    )
    return tokenizer


def test_byte_fallback_tokens_join_to_the_text_of_all() -> None:
    tokenizer = byte_fallback_tokenizer()
    ids = [257, 258, 260, *"मस्ते🙂".encode(), 259, 257]
    pieces = list(stream_text(tokenizer, ids))
    assert "".join(pieces) == tokenizer.decode(ids) == "Paris is नमस्ते🙂। Paris"
    assert not any("\ufffd" in piece for piece in pieces)

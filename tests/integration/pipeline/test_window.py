"""Bundles with an attention pattern: exported, verified, talked to for longer than their caches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sdk_builder import Bundle, Session
from sdk_builder.errors import UsageError
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.runtime import GenerationOptions
from sdk_builder.runtime.chat import Chat
from sdk_builder.verify import verify_bundle


def exported(folder: Path, output: Path, **options: Any) -> Bundle:
    request = ExportRequest(str(folder), output, quant="none", chunk=8, **options)
    return run_export(request).bundle


@pytest.mark.parametrize("kv", ["fp32", "int8"])
def test_a_window_goes_on_where_its_ring_went_round(folder: Path, tmp_path: Path, kv: str) -> None:
    bundle = exported(folder, tmp_path / "bundle", attention="window:20", kv=kv)
    assert verify_bundle(bundle, against=str(folder)).ok
    ring = bundle.manifest.program.ring
    assert ring is not None
    assert ring.slots == 4 + 1 + 20 - 1 + 8
    options = GenerationOptions(temperature=0.0, max_tokens=60)
    with Session(bundle) as session:
        prompt = session.encode("abc " * 20)
        first = list(session.tokens(prompt, options))
        assert len(prompt) + len(first) > 2 * ring.slots or session.stats.finish_reason
        again = list(session.tokens(prompt, options))  # too far back for the ring: computed anew
        assert session.stats.reused_tokens == 0
        assert again == first
        grown = [*prompt, *again, *prompt[:3]]
        list(session.tokens(grown, options))
        assert session.stats.reused_tokens > 0


def test_block_sparse_attention_goes_on_beyond_its_context(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    bundle = exported(folder, target, attention="block-sparse:8,2,2", context_length=64)
    assert verify_bundle(bundle, against=str(folder)).ok
    program = bundle.manifest.program
    assert program.ring is not None
    assert (program.ring.ring, program.ring.strided) == (16, 32)
    assert program.sparse is not None
    assert program.sparse.reach == 8
    with Session(bundle) as session:
        prompt = session.encode("abc " * 60)
        options = GenerationOptions(temperature=0.0, max_tokens=60)
        answer = list(session.tokens(prompt, options))
        assert len(prompt) + len(answer) > 2 * 64
        list(session.tokens([*prompt, *answer, *prompt[:3]], options))
        assert session.stats.reused_tokens > 0


def test_blocks_that_do_not_fit_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not fit") as caught:
        exported(tmp_path / "none", tmp_path / "bundle", attention="block-sparse:12,2,2")
    assert "--chunk" in caught.value.hint
    assert not (tmp_path / "bundle").exists()


class Recorded(Session):
    """Keeps the ids of the last prompt."""

    asked: Sequence[int] = ()

    def stream(
        self, ids: Sequence[int], options: GenerationOptions, answer: list[int] | None = None
    ) -> Iterator[str]:
        self.asked = list(ids)
        return super().stream(ids, options, answer)


TURNS = 200
KINDS = ("full", "window:40", "block-sparse:8,4,2")


@pytest.mark.parametrize("attention", KINDS)
def test_after_200_turns_a_chat_answers_as_one_that_just_read_it(
    folder: Path, tmp_path: Path, attention: str
) -> None:
    bundle = exported(folder, tmp_path / "bundle", attention=attention, context_length=256)
    options, dropped = GenerationOptions(temperature=0.0, max_tokens=6), 0
    session = Recorded(bundle)
    with session:
        chat = Chat(session, system="Be brief.")
        for turn in range(TURNS):
            list(chat.send(f"{turn} {'and so on ' * (turn % 4)}", options))
            dropped += session.stats.dropped_exchanges
            assert session.stats.finish_reason in ("length", "stop")
        answer = "".join(chat.send("The end?", options))
        assert session.stats.reused_tokens > 0
        asked, system = session.asked, session.encode("Be brief.")
    if attention == "full":
        assert dropped > TURNS // 2
        assert len(asked) <= 256
    else:
        assert dropped == 0
        ring = bundle.manifest.program.ring
        assert ring is not None
        assert len(asked) > 8 * ring.slots
    assert any(asked[at : at + len(system)] == system for at in range(64))
    with Session(bundle) as fresh:
        assert "".join(fresh.stream(asked, options)) == answer

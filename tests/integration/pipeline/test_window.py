"""Bundles with an attention pattern: exported, verified, talked to for longer than their caches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

from sdk_builder import Bundle, Session
from sdk_builder.errors import UsageError
from sdk_builder.log import Steps
from sdk_builder.models.checkpoint import load_model, open_checkpoint
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.runtime import GenerationOptions
from sdk_builder.runtime.chat import Chat
from sdk_builder.verify import verify_bundle
from tests.integration.models.builders import tiny_shakti
from tests.integration.pipeline.tiny import save_folder


def exported(folder: Path, output: Path, **options: Any) -> Bundle:
    request = ExportRequest(str(folder), output, quant="none", chunk=8, **options)
    return run_export(request).bundle


@pytest.mark.parametrize("kv", ["fp32", "int8"])
def test_a_window_goes_on_where_its_ring_went_round(folder: Path, tmp_path: Path, kv: str) -> None:
    bundle = exported(folder, tmp_path / "bundle", attention="window:20+sinks:4", kv=kv)
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
    bundle = exported(folder, target, attention="block-sparse:8,2,2+sinks:4", context_length=64)
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


@pytest.fixture
def patterned(tmp_path: Path) -> Path:
    """A Shakti whose layers have a window, and in turn none."""
    folder = save_folder(tmp_path / "own")
    model = tiny_shakti(attention_pattern="window:20+sinks:4+global:2", bos_token_id=0)
    model.save_pretrained(folder)
    return folder


def test_a_model_brings_its_own_attention(patterned: Path, tmp_path: Path) -> None:
    shown = StringIO()
    steps = Steps(stream=shown)
    request = ExportRequest(str(patterned), tmp_path / "bundle", quant="none", context_length=64)
    bundle = run_export(request, steps).bundle
    program = bundle.manifest.program
    assert (program.window, program.global_every, program.context_length) == (20, 2, 64)
    assert "trained with" not in shown.getvalue()
    assert verify_bundle(bundle, against=str(patterned)).ok
    heads, ring = (4, 2, 1), 4 + 1 + 20 - 1 + 64
    positions = [ring, 64, ring]  # the second layer has the whole context
    assert bundle.manifest.kv_cache_bytes == sum(
        2 * 4 * 16 * head * length for head, length in zip(heads, positions, strict=True)
    )
    full = ExportRequest(str(patterned), tmp_path / "full", quant="none", attention="full")
    assert run_export(full, steps).bundle.manifest.program.pattern is None
    said = "trained with attention window:20+sinks:4+global:2: with full it loses"
    assert shown.getvalue().count(said) == 1


def test_what_another_attention_loses_is_measured_on_a_text(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("And so it goes on, as it did before, and before that. " * 3, encoding="utf-8")
    options = {"attention": "window:6+sinks:4", "calibration": text, "context_length": 64}
    bundle = exported(folder, tmp_path / "bundle", **options)
    with Session(bundle) as session:
        ids = torch.tensor([session.encode(text.read_text())[:64]])
    lost = []
    for attention in ("window:6+sinks:4", "full"):
        model = load_model(open_checkpoint(str(folder)))
        fields = model.config.to_dict() | {"attention_pattern": attention}
        model.config = ShaktiConfig(**fields)
        with torch.no_grad():
            lost.append(float(model.eval()(ids, labels=ids).loss))
    ratio = bundle.manifest.quality.attention_ratio
    assert ratio == pytest.approx(math.exp(lost[0] - lost[1]), rel=1e-3)
    assert ratio != pytest.approx(1.0, abs=1e-3)


class Recorded(Session):
    """Keeps the ids of the last prompt."""

    asked: Sequence[int] = ()

    def stream(
        self, ids: Sequence[int], options: GenerationOptions, answer: list[int] | None = None
    ) -> Iterator[str]:
        self.asked = list(ids)
        return super().stream(ids, options, answer)


TURNS = 200
KINDS = ("full", "window:40", "block-sparse:8,4,2+sinks:8")


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

"""A real bundle with a real byte-level tokenizer, and engines that speak from a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from sdk_builder import Bundle, Session
from sdk_builder.bundle.manifest import Generation, TokenizerInfo
from sdk_builder.bundle.writer import BundleWriter
from sdk_builder.models.preset_checkpoint import byte_tokenizer
from sdk_builder.runtime import GenerationOptions, ScriptedEngine
from tests.unit.bundle.samples import PROGRAM, sample_manifest

ASSETS = byte_tokenizer(300)
TOKENIZER = Tokenizer.from_str(ASSETS.json_text)
ENDOFTEXT, IM_START, IM_END = 0, 1, 2
VOCABULARY = 259
GREEDY = GenerationOptions(temperature=0.0)

NextId = Callable[[list[int]], int]


def ids_of(text: str) -> list[int]:
    """Ids of a text, one a byte; special tokens written out become theirs."""
    found: list[int] = TOKENIZER.encode(text, add_special_tokens=False).ids
    return found


def write_talking_bundle(folder: Path, *, add_bos: bool = False, **generation: Any) -> Bundle:
    """A bundle with ChatML turns and this tokenizer; its program is never run."""
    manifest = sample_manifest(tokenizer=ASSETS.json_text)
    defaults: dict[str, Any] = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 32}
    changed = manifest.model_copy(
        update={
            "generation": Generation(**{**defaults, **generation}),
            "tokenizer": TokenizerInfo(
                file="tokenizer.json",
                kind=ASSETS.kind,
                sha256=ASSETS.sha256,
                vocab_size=VOCABULARY,
                bos_id=ENDOFTEXT,
                eos_ids=(IM_END, ENDOFTEXT),
                add_bos=add_bos,
            ),
        }
    )
    with BundleWriter(folder) as writer:
        writer.write_bytes("model.pte", PROGRAM)
        writer.write_text("tokenizer.json", ASSETS.json_text)
        return writer.commit(changed)


def continues(*texts: str) -> NextId:
    """Completes whatever begins one of `texts` byte for byte, then ends."""
    known = [ids_of(text) for text in texts]

    def next_id(ids: list[int]) -> int:
        for one in known:
            if one[: len(ids)] == ids and len(one) > len(ids):
                return one[len(ids)]
        return IM_END

    return next_id


def answers(*turns: str) -> NextId:
    """Answers the n-th question of a chat with the n-th of `turns`, then ends."""
    opening = ids_of("<|im_start|>assistant\n")

    def next_id(ids: list[int]) -> int:
        starts = [i for i in range(len(ids)) if ids[i : i + len(opening)] == opening]
        if not starts:
            return IM_END  # within the first question
        answer, said = ids_of(turns[len(starts) - 1]), len(ids) - starts[-1] - len(opening)
        return answer[said] if said < len(answer) else IM_END

    return next_id


def session_over(
    bundle: Bundle, next_id: NextId, *, context_length: int = 64, max_chunk: int = 16
) -> tuple[Session, ScriptedEngine]:
    """A session whose program is `next_id`."""
    engine = ScriptedEngine(next_id, VOCABULARY, context_length=context_length, max_chunk=max_chunk)
    return Session(bundle, engine=engine), engine


def computed(engine: ScriptedEngine) -> list[int]:
    """Positions that were computed, in order; forgets them."""
    positions = [at for start, count in engine.calls for at in range(start, start + count)]
    engine.calls.clear()
    return positions

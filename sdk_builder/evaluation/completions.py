"""Answers up to a stop text, as lm-eval's tasks ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers.decoders import DecodeStream

from sdk_builder.runtime.sampling import GenerationOptions
from sdk_builder.runtime.session import Session, common_prefix
from sdk_builder.runtime.text import StopTexts


@dataclass(frozen=True)
class Completion:
    """What to say after `prompt`: at most max_tokens, up to the first text of `stop`.

    temperature 0 is greedy; seed: of the sampling.
    """

    prompt: tuple[int, ...]
    stop: tuple[str, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class Completer:
    """Answers on a session, which no one else may use meanwhile.

    Prompts with a common beginning use the KV cache again, by whole chunks only: an answer depends
    on its prompt alone, not on what was asked before (see continuations.py).
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prompt: tuple[int, ...] = ()

    def complete(self, wanted: Completion) -> list[int]:
        """The tokens of the answer, those that the stop text ends in included.

        Stop texts are looked for in the text with special tokens: they may be ones. Raises
        PromptTooLongError.
        """
        chunk = self._session.engine.max_chunk
        shared = min(common_prefix(self._prompt, wanted.prompt), len(wanted.prompt) - 1)
        self._session.reset(keep=shared // chunk * chunk)
        self._prompt = wanted.prompt
        options = GenerationOptions(
            temperature=wanted.temperature,
            top_p=wanted.top_p,
            seed=wanted.seed,
            max_tokens=wanted.max_tokens,
        )
        seen = StopTexts(wanted.stop)
        stream = DecodeStream(skip_special_tokens=False)
        ids = []
        tokens = self._session.tokens(wanted.prompt, options)
        for token in tokens:
            ids.append(token)
            seen.push(stream.step(self._session.tokenizer, token) or "")
            if seen.found:
                tokens.close()
        return ids


def cut_at(text: str, stop: Sequence[str]) -> str:
    """`text` up to where the first of the stop texts begins."""
    for one in stop:
        if one:
            text = text.partition(one)[0]
    return text

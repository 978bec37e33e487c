"""A session over a bundle on this machine: complete, chat, score."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from types import TracebackType

import torch
from tokenizers import Tokenizer
from torch import Tensor

from sdk_builder.bundle.chat import Message, render
from sdk_builder.bundle.checks import check_files
from sdk_builder.bundle.reader import COPY_AGAIN, Bundle
from sdk_builder.errors import BundleError, PromptTooLongError, UsageError
from sdk_builder.runtime.chat import Chat, require_turns
from sdk_builder.runtime.engine import Engine, ExecutorchEngine
from sdk_builder.runtime.sampling import GenerationOptions, Sampler
from sdk_builder.runtime.stats import Clock, GenerationStats
from sdk_builder.runtime.text import StopTexts, stream_text


class Session:
    """A loaded bundle. Use it as a context manager, or `close` it.

        with Session("build/smollm2-135m-q4") as session:
            print(session.answer("What is the capital of France?"))

    threads: worker threads (for the process); engine: a stand-in for the program.

    Raises BundleError when a file is not the one that was exported, and SessionError when the
    program does not load.
    """

    _written = 0  # positions that the cache has held since it was empty

    def __init__(
        self,
        bundle: Bundle | str | PathLike[str],
        *,
        threads: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        self.manifest = self.bundle.manifest
        self.tokenizer = _checked_tokenizer(self.bundle)
        self.engine = engine or ExecutorchEngine.of(self.bundle, threads=threads)
        self.stats = GenerationStats()
        self._cached: list[int] = []

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the program's memory."""
        self.engine.close()

    def reset(self, keep: int = 0) -> None:
        """Forget what the KV cache holds, but for the first `keep` positions."""
        del self._cached[keep:]

    # -- text -----------------------------------------------------------------------------------

    def encode(self, text: str, *, bos: bool = True) -> list[int]:
        """Token ids; special tokens written in `text` become their ids."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        info = self.manifest.tokenizer
        if bos and info.add_bos and info.bos_id is not None and ids[:1] != [info.bos_id]:
            return [info.bos_id, *ids]
        return ids

    def complete(self, text: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """What follows `text`, piece by piece, without chat turns."""
        yield from self.stream(self.encode(text), options or GenerationOptions())

    def generate(
        self,
        prompt: str | Sequence[Message],
        options: GenerationOptions | None = None,
        *,
        system: str | None = None,
    ) -> Iterator[str]:
        """The answer to a question, or to a whole chat, piece by piece.

        Raises UsageError when the bundle has no chat turns, PromptTooLongError.
        """
        if isinstance(prompt, str):
            chat: list[Message] = [{"role": "user", "content": prompt}]
        else:
            chat = list(prompt)
        if system is not None:
            chat.insert(0, {"role": "system", "content": system})
        turns = require_turns(self.bundle)
        ids = self.encode(render(turns, chat), bos=False)
        yield from self.stream(ids, options or GenerationOptions())

    def answer(
        self,
        prompt: str | Sequence[Message],
        options: GenerationOptions | None = None,
        *,
        system: str | None = None,
    ) -> str:
        """The whole answer at once; see `generate`."""
        return "".join(self.generate(prompt, options, system=system))

    def chat(self, *, system: str | None = None) -> Chat:
        """A chat of many turns over this session's KV cache."""
        require_turns(self.bundle)
        return Chat(self, system)

    def stream(
        self, ids: Sequence[int], options: GenerationOptions, answer: list[int] | None = None
    ) -> Iterator[str]:
        """What follows `ids` as text; its ids are added to `answer`."""
        stop = StopTexts((*options.stop, *self.manifest.generation.stop))
        tokens = self.tokens(ids, options)
        for piece in stream_text(self.tokenizer, _recorded(tokens, answer)):
            shown = stop.push(piece)
            if shown:
                yield shown
            if stop.found:
                tokens.close()
                self.stats.finish_reason = "stop"
                return
        rest = stop.flush()
        if rest:
            yield rest

    # -- tokens ---------------------------------------------------------------------------------

    def tokens(
        self, prompt: Sequence[int], options: GenerationOptions | None = None
    ) -> Generator[int, None, None]:
        """Generated ids after `prompt`, without the end token.

        What the KV cache shares with `prompt` is not computed again. Raises PromptTooLongError.
        """
        options = options or GenerationOptions()
        defaults = self.manifest.generation
        self.stats = GenerationStats()
        sampler = Sampler(
            defaults.temperature if options.temperature is None else options.temperature,
            defaults.top_p if options.top_p is None else options.top_p,
            options.seed,
        )
        limit = defaults.max_tokens if options.max_tokens is None else options.max_tokens
        clock = Clock(self.stats)
        logits = self._prefill(prompt, clock)
        return self._decode(logits, sampler, limit, clock)

    def _prefill(self, prompt: Sequence[int], clock: Clock) -> Tensor:
        """Feed `prompt` in chunks; logits of its last position, ``[V]``."""
        context = self.engine.context_length
        if not prompt:
            raise UsageError("the prompt is empty", "give at least one token")
        if len(prompt) >= context:
            raise PromptTooLongError(
                f"the prompt has {len(prompt)} tokens, the context is {context}",
                "shorten it, start a new chat, or export with a longer --context",
            )
        reused = min(common_prefix(self._cached, prompt), len(prompt) - 1)
        ring = self.manifest.program.ring
        if ring is not None:
            reused = ring.reusable(reused, self._written)
        self._written = max(len(prompt), self._written if reused else 0)
        self._cached = list(prompt[:reused])
        for start in range(reused, len(prompt), self.engine.max_chunk):
            chunk = prompt[start : start + self.engine.max_chunk]
            logits = self.engine.forward(chunk, start)
            self._cached += chunk
        clock.prefilled(len(prompt) - reused, reused)
        return logits

    def _decode(
        self, logits: Tensor, sampler: Sampler, limit: int, clock: Clock
    ) -> Generator[int, None, None]:
        ends = set(self.manifest.tokenizer.eos_ids)
        for count in range(1, limit + 1):
            token = sampler(logits)
            clock.sampled(len(self._cached))
            if token in ends:
                clock.stats.finish_reason = "eos"
                return
            clock.generated(count)
            yield token
            if count == limit:
                clock.stats.finish_reason = "length"
            elif len(self._cached) >= self.engine.context_length:
                clock.stats.finish_reason = "context"
                return
            else:
                logits = self.engine.forward([token], len(self._cached))
                self._cached.append(token)
                self._written = max(self._written, len(self._cached))

    def score(self, ids: Sequence[int], *, start: int = 0) -> Tensor:
        """Logits of every position of `ids`, ``[len(ids), V]`` float32, chunk by chunk.

        start: position of the first id; earlier positions hold what was scored last.
        Raises PromptTooLongError.
        """
        if start + len(ids) > self.engine.context_length:
            raise PromptTooLongError(
                f"{start + len(ids)} tokens to score, the context is {self.engine.context_length}",
                "score shorter windows",
            )
        chunk = self.engine.max_chunk
        return torch.cat(
            [
                self.engine.score(ids[at : at + chunk], start + at)
                for at in range(0, len(ids), chunk)
            ]
        )


def _recorded(ids: Iterator[int], record: list[int] | None) -> Iterator[int]:
    for token in ids:
        if record is not None:
            record.append(token)
        yield token


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids both begin with."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def _load_tokenizer(bundle: Bundle) -> Tokenizer:
    data = bundle.read_bytes(bundle.manifest.tokenizer.file)
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:  # tokenizers raises bare Exception
        raise BundleError(
            f"{bundle.path}: {bundle.manifest.tokenizer.file} cannot be read: {error}",
            "export the bundle again",
        ) from error


def _checked_tokenizer(bundle: Bundle) -> Tokenizer:
    """The tokenizer, read while the files are hashed; what the hashes say goes first."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        intact = pool.submit(_require_intact, bundle)
        try:
            return _load_tokenizer(bundle)
        finally:
            intact.result()


def _require_intact(bundle: Bundle) -> None:
    """A damaged program can crash the process inside the runtime; it must not get that far."""
    damage = [check.detail for check in check_files(bundle) if check.status == "fail"]
    if damage:
        raise BundleError(f"{bundle.path} is damaged: {damage[0]}", COPY_AGAIN)

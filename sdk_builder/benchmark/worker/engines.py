"""What the worker times: a program that takes token ids, behind a seam that needs no torch.

`ExecutorchBench` is the real one; `artificial.ArtificialBench` has timings that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from sdk_builder.benchmark.records import Golden
from sdk_builder.bundle.manifest import GoldenPrompt
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import SessionError

if TYPE_CHECKING:
    from sdk_builder.runtime.engine import ExecutorchEngine


class BenchEngine(Protocol):
    """A program with a KV cache. Every call raises SessionError when it cannot be done."""

    def load(self, threads: int | None) -> None:
        """Open the program and run one token at position 0; an earlier one is let go first."""
        ...

    def prefill(self, ids: Sequence[int], start: int) -> None:
        """Write `ids`, at most a chunk, to the cache from `start` on; wait for the logits."""
        ...

    def next_token(self, ids: Sequence[int], start: int) -> int:
        """The same, and the most likely token after the last of `ids`."""
        ...

    def close(self) -> None:
        """Release the program's memory."""
        ...


class ExecutorchBench:
    """A bundle's program on this machine's ExecuTorch runtime.

    Constructing it imports torch and the runtime, which is no part of loading a program.
    """

    def __init__(self, bundle: Bundle) -> None:
        from sdk_builder.runtime.engine import load_runtime

        load_runtime()
        self._bundle = bundle
        self._engine: ExecutorchEngine | None = None

    def load(self, threads: int | None) -> None:
        from sdk_builder.runtime.engine import ExecutorchEngine

        self.close()
        self._engine = ExecutorchEngine.of(self._bundle, threads=threads)

    def prefill(self, ids: Sequence[int], start: int) -> None:
        self._loaded.forward(ids, start)

    def next_token(self, ids: Sequence[int], start: int) -> int:
        return int(self._loaded.forward(ids, start).argmax())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @property
    def _loaded(self) -> ExecutorchEngine:
        if self._engine is None:
            raise SessionError("the program is not loaded")
        return self._engine


def golden_answers(
    engine: BenchEngine,
    prompts: Sequence[GoldenPrompt],
    max_chunk: int,
    tick: Callable[[], None] = lambda: None,
) -> Golden | None:
    """How the program answers the bundle's golden prompts; None if the bundle has none.

    The recorded answer is fed token by token. A program that ranks every recorded token first
    would have given the same answer by itself, for it would have been fed the same.
    """
    usable = [prompt for prompt in prompts if prompt.prompt_ids and prompt.expected_ids]
    if not usable:
        return None
    shares = [_share(engine, prompt, max_chunk, tick) for prompt in usable]
    return Golden(
        prompts=len(shares),
        repeated=sum(share == 1.0 for share in shares),
        ranked_first=sum(shares) / len(shares),
    )


def golden_is_wrong(golden: Golden, *, exact: bool, least_share: float) -> str:
    """Why these answers are not the bundle's; empty if they are (see sdk_builder.verify)."""
    if golden.repeated == golden.prompts or (not exact and golden.ranked_first >= least_share):
        return ""
    answers = f"{golden.repeated} of {golden.prompts} golden answers repeated"
    if exact:
        return answers
    return f"{answers}, {golden.ranked_first:.0%} of their tokens ranked first"


def _share(
    engine: BenchEngine, prompt: GoldenPrompt, max_chunk: int, tick: Callable[[], None]
) -> float:
    """Share of the recorded answer's tokens that the program ranks first, given those before."""
    ids, expected = prompt.prompt_ids, prompt.expected_ids
    last = (len(ids) - 1) // max_chunk * max_chunk
    for start in range(0, last, max_chunk):
        engine.prefill(ids[start : start + max_chunk], start)
    best = [engine.next_token(ids[last:], last)]
    for count, token in enumerate(expected[:-1]):
        tick()
        best.append(engine.next_token([token], len(ids) + count))
    return sum(a == b for a, b in zip(best, expected, strict=True)) / len(expected)

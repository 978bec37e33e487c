"""A chat of many turns, which outlives its context: the oldest exchanges leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdk_builder.bundle.chat import ChatTurns, render_turn
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import UsageError
from sdk_builder.runtime.sampling import GenerationOptions
from sdk_builder.runtime.stats import GenerationStats

if TYPE_CHECKING:
    from sdk_builder.runtime.session import Session

# At most this share of the context is kept free for an answer.
_ROOM_SHARE = 4


@dataclass(frozen=True)
class Exchange:
    """A question and the ids of its answer, without the end token."""

    question: str
    answer: tuple[int, ...]


@dataclass
class Chat:
    """A chat of many turns: each turn computes only what it adds to the KV cache.

    When a question and room for its answer (`max_tokens`, but at most a quarter of the context) do
    not fit behind what was said, the oldest exchanges leave, whole, until what is left takes at
    most half of the context; the system message and the question always stay. That is computed
    anew, and then there is room for many turns. `stats.dropped_exchanges` says how many left. The
    Android app does the same.
    """

    session: Session
    system: str | None = None
    _exchanges: list[Exchange] = field(default_factory=list)

    @property
    def stats(self) -> GenerationStats:
        return self.session.stats

    def send(self, text: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """The answer to the next turn, piece by piece; closing the iterator keeps what was said.

        Raises PromptTooLongError for a question that does not fit even alone, after which the chat
        is as it was before.
        """
        options = options or GenerationOptions()
        leaving = self._leaving(text, options)
        kept, answer = self._exchanges[leaving:], list[int]()
        stream = self.session.stream(self._prompt(kept, text), options, answer)
        try:
            yield from stream
        finally:
            self.session.stats.dropped_exchanges = leaving
            if answer or self.session.stats.finish_reason:
                self._exchanges = [*kept, Exchange(text, tuple(answer))]

    def reset(self) -> None:
        """Forget the chat; the system message stays."""
        self._exchanges = []

    def _leaving(self, text: str, options: GenerationOptions) -> int:
        """How many of the oldest exchanges must leave."""
        wanted = options.max_tokens
        limit = self.session.manifest.generation.max_tokens if wanted is None else wanted
        context = self.session.engine.context_length
        room = min(limit, context // _ROOM_SHARE)
        if len(self._prompt(self._exchanges, text)) + room <= context:
            return 0  # nearly always; the rest tokenizes all that was said once a leaving exchange
        count = len(self._exchanges)
        sizes = [len(self._prompt(self._exchanges[one:], text)) for one in range(count + 1)]
        return how_many_leave(sizes, context=context, room=room)

    def _prompt(self, exchanges: Sequence[Exchange], text: str) -> list[int]:
        turns, ids = require_turns(self.session.bundle), list[int]()
        for one in exchanges:
            ids += [*self._turn(turns, one.question, first=not ids), *one.answer]
        return ids + self._turn(turns, text, first=not ids)

    def _turn(self, turns: ChatTurns, text: str, *, first: bool) -> list[int]:
        turn = render_turn(turns, text, first=first, system=self.system if first else None)
        return self.session.encode(turn, bos=False)


def how_many_leave(sizes: Sequence[int], *, context: int, room: int) -> int:
    """How many of the oldest exchanges leave a context of so many tokens.

    sizes: tokens of the prompt when none, one, two, ... of the oldest are left out; room: tokens
    that the answer needs.
    """
    if sizes[0] + room <= context:
        return 0
    return next((at for at, size in enumerate(sizes) if size <= context // 2), len(sizes) - 1)


def require_turns(bundle: Bundle) -> ChatTurns:
    """The bundle's chat turns. Raises UsageError when it has none."""
    if bundle.manifest.chat is None:
        raise UsageError(
            f"{bundle.path} has no chat turns", "use it for plain completion: run --raw"
        )
    return bundle.manifest.chat

"""A loaded bundle to talk to, over the runtime's session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from sdk_builder.cli.answers import Stats
from sdk_builder.cli.requests import Answering
from sdk_builder.errors import UsageError

if TYPE_CHECKING:
    from sdk_builder.runtime import Chat, GenerationOptions, Session


class SessionConversation:
    """A `Conversation` over a session; without a chat it only completes."""

    def __init__(self, session: Session, chat: Chat | None) -> None:
        self._session = session
        self._chat = chat

    @property
    def stats(self) -> Stats:
        """The last answer in numbers."""
        return self._session.stats

    def send(self, text: str, answering: Answering) -> Iterator[str]:
        """The answer to the next turn. Raises UsageError where there is no chat."""
        if self._chat is None:
            raise UsageError("This conversation was opened for plain completion.")
        return self._chat.send(text, _options(answering))

    def complete(self, text: str, answering: Answering) -> Iterator[str]:
        """What follows `text`."""
        return self._session.complete(text, _options(answering))

    def reset(self) -> None:
        """Forget the chat; the system message stays."""
        if self._chat is not None:
            self._chat.reset()


def _options(answering: Answering) -> GenerationOptions:
    from sdk_builder.runtime import GenerationOptions

    return GenerationOptions(**asdict(answering))

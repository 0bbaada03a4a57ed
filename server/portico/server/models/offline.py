"""The built-in model: deterministic, without a network, so that everything can be tried.

It echoes the last message of the user word by word, or counts where it is asked to. Tokens are
words.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint

from portico.server.models.provider import ChatMessage, Finish, Model, Usage

NAME: Final = "letta"
MODEL: Final = Model(NAME, "offline", window=32_000)
COUNT: Final = re.compile(r"count from (-?[0-9]{1,9}) to (-?[0-9]{1,9})", re.IGNORECASE)
LONGEST_COUNT: Final = 100_000
"""Numbers of one reply."""
PIECE: Final = re.compile(r"\s*\S+|\s+$")
BURST: Final = 64
"""Words without a pace after which others get a turn."""


def pieces(text: str) -> Iterator[str]:
    """Split what is answered to *text* into words, the space before each kept."""
    asked = COUNT.search(text)
    if asked is None:
        return iter(PIECE.findall(text))
    first, last = int(asked[1]), int(asked[2])
    step = 1 if last >= first else -1
    shown = range(first, last + step, step)[:LONGEST_COUNT]
    return (f" {number}" if index else str(number) for index, number in zip(count(), shown))


def words(messages: tuple[ChatMessage, ...]) -> int:
    """Count the words of *messages*."""
    return sum(len(message.content.split()) for message in messages)


class OfflineReply:
    """A reply of the built-in model."""

    __slots__ = ("_pace_s", "_pieces", "_sent", "finish", "request", "usage")

    def __init__(self, messages: tuple[ChatMessage, ...], pace_s: float) -> None:
        asked = next((m.content for m in reversed(messages) if m.role == "user"), "")
        self._pieces = pieces(asked)
        self._pace_s = pace_s
        self._sent: list[str] = []
        self.finish: Finish = "end_turn"
        self.usage = Usage(words(messages))
        self.request: dict[str, Any] = {
            "model": MODEL.name,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
        }

    @property
    def response(self) -> dict[str, Any]:
        """What was said so far."""
        return {"model": MODEL.name, "content": "".join(self._sent)}

    def __aiter__(self) -> "OfflineReply":
        return self

    async def __anext__(self) -> str:
        piece = next(self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        if self._pace_s:
            await anyio.sleep(self._pace_s)
        elif len(self._sent) % BURST == BURST - 1:
            await checkpoint()
        self._sent.append(piece)
        self.usage = Usage(self.usage.prompt_tokens, len(self._sent))
        return piece


class Offline:
    """The provider of the built-in model."""

    name = NAME

    def __init__(self, pace_s: float) -> None:
        """Prepare to answer, *pace_s* seconds a word."""
        self._pace_s = pace_s

    async def models(self) -> tuple[Model, ...]:
        """List the one model."""
        return (MODEL,)

    @asynccontextmanager
    async def reply(
        self, model: str, messages: tuple[ChatMessage, ...]
    ) -> AsyncIterator[OfflineReply]:
        """Begin a reply; there is one model, whatever *model* says."""
        del model
        yield OfflineReply(messages, self._pace_s)

    async def aclose(self) -> None:
        """Nothing is open."""

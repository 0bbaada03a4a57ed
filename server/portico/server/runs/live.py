"""A turn while it goes on in this process: its events, and those who wait for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any, Final

import anyio

from portico.core.sse import DONE, Backlog, BehindError, Event
from portico.server.db.ids import new_id
from portico.server.models.provider import Model, ModelError, Usage
from portico.server.runs.frames import (
    Said,
    failure,
    frame,
    show_stop,
    show_usage,
)
from portico.server.runs.turn import Begun

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Events of one turn in memory; who reads so slowly that they are gone reads the stored ones."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a turn is read.

    Attributes:
        streams: Whether its events are wanted at all.
        tokens: Whether a message comes in chunks, else whole.
        numbered: Whether events show their number (background).
    """

    streams: bool = False
    tokens: bool = False
    numbered: bool = False


@dataclass(slots=True)
class LiveTurn:
    """One turn that goes on.

    Attributes:
        begun: What was stored at its beginning.
        scope: Cancels it.
        finished: Set when all of it is stored.
        result: The answer to who waits for it whole.
        failure: Why there is none.
        ending: Whether what is emitted now is the end, shown only when it is stored.
    """

    begun: Begun
    agent_id: str
    model: Model
    shape: Shape
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    result: dict[str, Any] | None = None
    failure: Exception | None = None
    pieces: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    began_ns: int = field(default_factory=monotonic_ns)
    ttft_ns: int | None = None
    stored: int = 0
    ending: bool = False
    ends: list[bytes] = field(default_factory=list)
    storing: anyio.Lock = field(default_factory=anyio.Lock)
    backlog: Backlog = field(default_factory=lambda: Backlog(KEPT_BYTES))
    _changed: anyio.Event = field(default_factory=anyio.Event)
    said: Said = field(init=False)

    def __post_init__(self) -> None:
        message = new_id("message")
        otid = message.removeprefix("message-")
        begun = self.begun
        self.said = Said(message, otid, begun.run_id, begun.step_id, begun.at)

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self.pieces)

    def hear(self, piece: str) -> None:
        """Take the next piece of the model's answer."""
        if self.ttft_ns is None:
            self.ttft_ns = monotonic_ns() - self.began_ns
        self.pieces.append(piece)
        if self.shape.tokens:
            self.emit(lambda sequence: frame(self.said.show(piece, sequence)))

    def say_whole(self) -> None:
        """Emit the message in one, for those who do not read it piece by piece."""
        if self.pieces and not self.shape.tokens:
            self.emit(lambda sequence: frame(self.said.show(self.text, sequence)))

    def complete(self, reason: str) -> None:
        """Emit what ends a turn that went well."""
        self.say_whole()
        self.emit(lambda _: frame(show_stop(reason)))
        self.emit(lambda _: frame(show_usage(self.usage, self.begun.run_id)))
        self.emit(lambda _: DONE)

    def cancelled(self) -> None:
        """Emit what ends a cancelled turn: in the foreground nothing follows the reason."""
        self.say_whole()
        self.emit(lambda _: frame(show_stop("cancelled")))
        if self.shape.numbered:
            self.emit(lambda _: DONE)

    def failed(self, error: ModelError) -> None:
        """Emit what ends a turn that failed."""
        self.say_whole()
        self._fail(error, "llm_api_error")

    def lost(self, error: ModelError) -> None:
        """Emit what ends a turn whose end could not be stored, in place of that end."""
        self.ends.clear()
        self._fail(error, "error")

    def emit(self, make: Callable[[int | None], bytes]) -> None:
        """Add an event, and wake who waits for it."""
        if self.shape.streams:
            self._add(make(self._number(1)))

    def read(self, after: int) -> list[Event]:
        """Give the events after the number *after*.

        Raises:
            BehindError: Some of them are no longer kept.
        """
        return self.backlog.read(after)

    def finish(self) -> None:
        """Tell everybody that it is over, and how it ended."""
        for made in self.ends:
            self.backlog.append(made)
        self.finished.set()
        self._wake()

    async def wait(self) -> None:
        """Wait until something happens."""
        await self._changed.wait()

    def unsaved(self) -> list[tuple[int, str]]:
        """Give the events that are not stored yet, as far as they are still kept."""
        try:
            events = self.backlog.read(self.stored)
        except BehindError as behind:
            events = self.backlog.read(behind.kept_from - 1)
        frames = [event.frame for event in events] + self.ends
        first = self.backlog.last - len(events) + 1
        return [(first + index, made.decode()) for index, made in enumerate(frames)]

    def _fail(self, error: ModelError, reason: str) -> None:
        if self.shape.streams:
            for made in failure(error, reason, self.begun.run_id, self._number(2)):
                self._add(made)

    def _add(self, made: bytes) -> None:
        if self.ending:
            self.ends.append(made)
        else:
            self.backlog.append(made)
            self._wake()

    def _number(self, ahead: int) -> int | None:
        """Give the number of an event to come, where numbers are shown."""
        return self.backlog.last + len(self.ends) + ahead if self.shape.numbered else None

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

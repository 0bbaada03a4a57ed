"""Server-sent events: framing, keepalives, resuming, and how much of a stream is kept.

A keepalive is a schedule, not a timer: it says when it next wants to be asked. A backlog keeps
the newest events of a stream, each once for all its readers; a reader that fell behind it is told
so, and reads on from where the events are stored. So a slow reader holds up nobody but itself.

Source: WHATWG HTML, 9.2 Server-sent events.
"""

import re
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import Final

DONE: Final = b"data: [DONE]\n\n"
"""The last frame of a stream, as OpenAI and those who follow it end theirs."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_SEQUENCE: Final = re.compile(r"[0-9]{1,18}")


def format_event(data: str, *, event: str | None = None) -> bytes:
    """Frame one event.

    Args:
        data: Any text; each of its lines becomes a field, which a reader joins again.
        event: The event's type, or None for a plain message.

    Raises:
        ValueError: *event* has a line end, which would begin another field.
    """
    if event is not None and _LINE_END.search(event):
        raise ValueError("an event's type is one line")
    name = "" if event is None else f"event: {event}\n"
    if "\n" not in data and "\r" not in data:
        return f"{name}data: {data}\n\n".encode()
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"{name}{lines}\n".encode()


def format_comment(text: str) -> bytes:
    """Frame a comment, which readers pass over: it shows proxies that the stream lives."""
    return "".join(f": {line}\n" for line in _LINE_END.split(text)).encode() + b"\n"


def parse_sequence(text: str) -> int | None:
    """Read the number of the last event that a reader has seen; None if it is none of ours."""
    stripped = text.strip()
    return int(stripped) if _SEQUENCE.fullmatch(stripped) else None


class Beat(Enum):
    """What a quiet stream is due."""

    NOTHING = "nothing"
    COMMENT = "comment"
    PING = "ping"
    END = "end"


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When a quiet stream is to show that it lives, and when to give it up.

    Attributes:
        interval_s: Silence after which a beat is due; infinite where there are none.
        limit_s: Silence of the source after which the stream ends, beats or not.
        pings: Whether a beat is an event, else a comment.
        heard_at: When the source last spoke, in monotonic seconds.
        sent_at: When anything last left, in monotonic seconds.
    """

    interval_s: float
    limit_s: float
    pings: bool
    heard_at: float
    sent_at: float

    @classmethod
    def starting(
        cls, now: float, *, interval_s: float | None, limit_s: float = inf, pings: bool = False
    ) -> "Keepalive":
        """Begin with a stream; *interval_s* None means no beats."""
        return cls(inf if interval_s is None else interval_s, limit_s, pings, now, now)

    def heard(self, now: float) -> "Keepalive":
        """After an event of the source left: the silence begins anew."""
        return replace(self, heard_at=now, sent_at=now)

    def beaten(self, now: float) -> "Keepalive":
        """After a beat left."""
        return replace(self, sent_at=now)

    @property
    def due_at(self) -> float:
        """When it next wants to be asked, in monotonic seconds."""
        return min(self.sent_at + self.interval_s, self.heard_at + self.limit_s)

    def decide(self, now: float) -> Beat:
        """Say what is due at *now*."""
        if now >= self.heard_at + self.limit_s:
            return Beat.END
        if now < self.sent_at + self.interval_s:
            return Beat.NOTHING
        return Beat.PING if self.pings else Beat.COMMENT


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    Attributes:
        sequence: Its number; the first is 1, and none is left out.
        frame: What is sent.
    """

    sequence: int
    frame: bytes


class BehindError(Exception):
    """The reader wants an event that is no longer kept.

    Attributes:
        kept_from: The number of the first event that is.
    """

    def __init__(self, kept_from: int) -> None:
        super().__init__(f"events before {kept_from} are no longer kept")
        self.kept_from = kept_from


class Backlog:
    """The newest events of one stream, bounded in bytes."""

    __slots__ = ("_bytes", "_events", "_limit", "last")

    def __init__(self, limit_bytes: int, *, last: int = 0) -> None:
        """Begin empty.

        Args:
            limit_bytes: Frames beyond it push out the oldest; the newest always stays.
            last: The number of the last event so far.
        """
        self._limit = limit_bytes
        self._bytes = 0
        self._events: deque[Event] = deque()
        self.last = last

    def append(self, frame: bytes) -> Event:
        """Number *frame* and keep it."""
        self.last += 1
        event = Event(self.last, frame)
        self._events.append(event)
        self._bytes += len(frame)
        while self._bytes > self._limit and len(self._events) > 1:
            self._bytes -= len(self._events.popleft().frame)
        return event

    def read(self, after: int) -> list[Event]:
        """Give the events after the number *after*, in order.

        Raises:
            BehindError: Some of them are no longer kept.
        """
        wanted = self.last - after
        if wanted <= 0:
            return []
        if wanted > len(self._events):
            raise BehindError(self.last - len(self._events) + 1)
        start = len(self._events) - wanted
        return [self._events[index] for index in range(start, len(self._events))]

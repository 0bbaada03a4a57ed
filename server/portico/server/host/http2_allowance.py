"""What one client of HTTP/2 may ask for that carries no work: an allowance that time gives back.

Two kinds of frames cost of it. Those that are of no use in numbers end the connection when it is
spent (RFC 9113 10.5). Slivers of content are honest in small numbers and dear in large ones, a
hundred microseconds for a byte: who sends them is read only as fast as the allowance comes back.
"""

from collections.abc import Iterator
from typing import Final

import h2.events as ev

_MOST: Final = 1000.0
_PER_S: Final = 100.0

_COSTS: Final[dict[type[ev.Event], float]] = {
    ev.PingReceived: 1.0,
    ev.PingAckReceived: 1.0,
    ev.RemoteSettingsChanged: 1.0,
    ev.SettingsAcknowledged: 1.0,
    ev.PriorityUpdated: 1.0,
    ev.WindowUpdated: 1.0,
    ev.UnknownFrameReceived: 1.0,
    ev.AlternativeServiceAvailable: 1.0,
    ev.StreamReset: 5.0,
}
# The smallest of the replies that h2 makes itself; what has no event is priced by them.
_REPLY_BYTES: Final = 13.0

# What a connection may make of its turn: a small frame may cost as much as a large one.
_FRAMES_PER_TURN: Final = 4
_TURN_BYTES: Final = 16384
_PREFACE_BYTES: Final = 24
_HEAD_BYTES: Final = 9

_SLIVER_BYTES: Final = 64
_SLIVER_COST: Final = 0.5

# A client may give back window for each frame that it was sent, on the stream and in all.
_EARNED_PER_FRAME: Final = 3.0
_FRAME_BYTES_LEAST: Final = 1024


class Allowance:
    """What is left for frames of no use, and for slivers; below zero the latter is a debt."""

    __slots__ = ("_at", "_left", "_slivers_left")

    def __init__(self, now: float) -> None:
        self._left = self._slivers_left = _MOST
        self._at = now

    @property
    def debt_s(self) -> float:
        """How long to read nothing, for the slivers that came."""
        return max(0.0, -self._slivers_left / _PER_S)

    def afford(self, events: list[ev.Event], replied: int, now: float) -> bool:
        """Pay for what came; False if it is not to be borne.

        Args:
            events: What h2 made of it.
            replied: Bytes that were answered without the application: a flood of frames for
                streams that were reset has no event, and a refused request has no stream.
            now: The clock, in seconds.
        """
        back = (now - self._at) * _PER_S
        self._at = now
        contents = [event for event in events if isinstance(event, ev.DataReceived)]
        slivers = _SLIVER_COST * sum(map(_is_sliver, contents))
        self._slivers_left = min(_MOST, self._slivers_left + back) - slivers
        cost = sum(_COSTS.get(type(event), 0.0) for event in events) + replied / _REPLY_BYTES
        cost += sum(map(_is_void, contents))
        self._left = min(_MOST, self._left + back) - cost
        return self._left >= 0

    def earn(self, sent: int, *, whole: bool) -> None:
        """A frame of *sent* bytes was sent; *whole* unless the client's window cut it short.

        A client that opens its windows by the byte earns nothing with it.
        """
        if whole or sent >= _FRAME_BYTES_LEAST:
            self._left = min(_MOST, self._left + _EARNED_PER_FRAME)


class FrameCutter:
    """Cuts what a client sends into pieces of a few frames each, by their lengths alone."""

    __slots__ = ("_head", "_skip")

    def __init__(self) -> None:
        self._skip = _PREFACE_BYTES
        self._head = b""

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The pieces of *data*, which goes on where the last one ended."""
        start = at = frames = 0
        while (at := self._next(data, at)) < len(data):
            frames += 1
            if frames == _FRAMES_PER_TURN or at - start >= _TURN_BYTES:
                yield data[start:at]
                start, frames = at, 0
        yield data[start:]

    def _next(self, data: bytes, at: int) -> int:
        """Where the frame after the one at *at* begins, or the end of *data*."""
        if not self._skip:
            head = data[at : at + _HEAD_BYTES - len(self._head)]
            self._head += head
            at += len(head)
            if len(self._head) < _HEAD_BYTES:
                return at
            self._skip, self._head = int.from_bytes(self._head[:3], "big"), b""
        taken = min(self._skip, len(data) - at)
        self._skip -= taken
        return at + taken


def _is_void(event: ev.DataReceived) -> bool:
    return not event.data and event.stream_ended is None


def _is_sliver(event: ev.DataReceived) -> bool:
    return 0 < len(event.data or b"") < _SLIVER_BYTES and event.stream_ended is None

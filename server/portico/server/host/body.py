"""The content of one request, parsed only as fast as the application asks for it.

No I/O: the connection feeds what it receives and asks how long it may wait for more.
"""

import h11

SLOWEST_BYTES_PER_S = 500.0
_CHUNKS_END = b"\r\n\r\n"


class Patience:
    """``credit_s`` is how long the client may be silent from now on.

    A client earns back what its bytes would take at the slowest rate that is served, so that
    neither silence nor a trickle holds a request for ever.
    """

    __slots__ = ("_most_s", "credit_s")

    def __init__(self, patience_s: float) -> None:
        self._most_s = self.credit_s = patience_s

    def take(self, size: int, waited_s: float) -> None:
        """*size* bytes came after *waited_s* seconds."""
        earned_s = size / SLOWEST_BYTES_PER_S
        self.credit_s = min(self._most_s, self.credit_s + earned_s - waited_s)


class RequestBody:
    """Content that a head announced.

    ``complete`` says that all of it was taken; ``continue_owed`` that the client waits for
    100 (Continue) before it sends.
    """

    __slots__ = (
        "_ahead",
        "_chunked",
        "_last_fed",
        "_parser",
        "_patience",
        "complete",
        "continue_owed",
    )

    def __init__(self, parser: h11.Connection, *, chunked: bool, patience_s: float) -> None:
        self._parser = parser
        self._chunked = chunked
        self._last_fed = parser.trailing_data[0] if chunked else b""
        self._patience = Patience(patience_s)
        self._ahead: bytes | None = None
        self.continue_owed = parser.they_are_waiting_for_100_continue
        self.complete = False

    @property
    def credit_s(self) -> float:
        """How long the client may be silent from now on."""
        return self._patience.credit_s

    @property
    def rest(self) -> bytes:
        """What came behind the content: the next request's first bytes."""
        return self._parser.trailing_data[0]

    def take(self) -> bytes | None:
        """The next piece; None if more must be fed first, empty if only the end was left.

        ``complete`` is set with the last piece already where the end is in sight.

        Raises:
            h11.RemoteProtocolError: the framing is broken, or the stream ended in the middle.
        """
        piece, self._ahead = self._ahead, None
        if piece is None:
            piece = self._parse()
        if piece is not None and not self.complete:
            self._ahead = self._parse()
        return b"" if piece is None and self.complete else piece

    def feed(self, data: bytes, waited_s: float) -> None:
        """Give what was received (empty: the end of the stream) after *waited_s* seconds."""
        self.continue_owed = False
        self._patience.take(len(data), waited_s)
        if self._chunked:
            self._last_fed = self._last_fed[-len(_CHUNKS_END) :] + data
        self._parser.receive_data(data)

    def _parse(self) -> bytes | None:
        event = self._parser.next_event()
        if isinstance(event, h11.EndOfMessage):
            self._refuse_lenient_end()
            self.complete = True
        return bytes(event.data) if isinstance(event, h11.Data) else None

    def _refuse_lenient_end(self) -> None:
        """RFC 9112 7.1: h11 takes a bare LF for the end of the trailer section."""
        end = len(self._last_fed) - len(self._parser.trailing_data[0])
        if self._chunked and not self._last_fed[:end].endswith(_CHUNKS_END):
            raise h11.RemoteProtocolError("the chunks do not end with an empty line")

"""Bounds on what one request may take: target, head and body, and how many run at once.

Engines bound some of it, each at another place and with an answer of its own; these bounds are
exact, and the same on all of them.

Source: design page "Policy", Limits; RFC 9110 8.6, 15.5.14, 15.5.15, 15.6.4, 15.6.5; RFC 6585 5.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from portico.core.events import Headers, RequestHead
from portico.core.problem import Problem, Refusal
from portico.core.routes import Routes
from portico.core.syntax import Columns

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["TIMED_OUT", "Concurrency", "Limits", "is_endless", "other_bytes", "target_bytes"]

TARGET_TOO_LONG: Final = Refusal(
    "target_too_long", Problem(414, "The request target is longer than server.max_target allows.")
)
HEAD_TOO_LARGE: Final = Refusal(
    "head_too_large", Problem(431, "The request head is larger than server.max_head allows.")
)
BODY_TOO_LARGE: Final = Refusal(
    "body_too_large",
    Problem(413, "The body of the request is larger than server.max_body allows."),
)
LENGTH_MALFORMED: Final = Refusal(
    "length_malformed", Problem(400, "Content-Length is not one decimal number (RFC 9110 8.6).")
)
OVERLOADED: Final = Refusal(
    "overloaded",
    Problem(503, "This server has as many requests as it takes.", ((b"retry-after", b"1"),)),
)
TIMED_OUT: Final = Refusal(
    "request_timeout", Problem(504, "The request took longer than server.request_timeout allows.")
)

# RFC 9112 3 and 5: "SP SP HTTP/1.1 CRLF" and the last CRLF; ": " and CRLF of a field line.
_FRAME_BYTES: Final = len(b"  HTTP/1.1\r\n\r\n")
_LINE_BYTES: Final = len(b": \r\n")


def target_bytes(head: RequestHead) -> int:
    """Give the length of the request target in origin form, the query with it."""
    query = len(head.query)
    return len(head.path) + (query + 1 if query else 0)


def other_bytes(head: RequestHead, fields: Columns) -> int:
    """Give the size of the rest of the head as HTTP/1.1 writes it, its last empty line included.

    So it is the same for HTTP/2, and for engines that hand on a head without its white space.
    """
    names, text = fields
    lines = _LINE_BYTES * len(names) + len(b"".join(names)) + len(text)
    return _FRAME_BYTES + len(head.method) + lines


def is_endless(status: int, headers: Headers) -> bool:
    """Say whether an answer with this head lasts as long as its client stays.

    That is an open WebSocket, and a stream of events (HTML Living Standard 9.2).
    """
    return status == 101 or any(
        name.lower() == b"content-type"
        and value.partition(b";")[0].strip().lower() == b"text/event-stream"
        for name, value in headers
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds the target, the head and the body, this by its declared length and by count.

    Attributes:
        max_target: Longest target, in bytes.
        max_head: Largest head, in bytes.
        max_body: Largest body, in bytes.
    """

    max_target: int
    max_head: int
    max_body: int
    _most_digits: tuple[int, bytes] = field(init=False, repr=False)
    name: ClassVar[str] = "limits"
    reads: ClassVar[frozenset[bytes]] = frozenset({b"content-length"})
    settings: ClassVar[tuple[str, ...]] = (
        "server.max_target",
        "server.max_head",
        "server.max_body",
    )
    refusals: ClassVar[tuple[Refusal, ...]] = (
        TARGET_TOO_LONG,
        HEAD_TOO_LARGE,
        LENGTH_MALFORMED,
        BODY_TOO_LARGE,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_most_digits", _magnitude(b"%d" % self.max_body))

    def request(self, exchange: "Exchange") -> Refusal | None:
        """Refuse a head over its bounds, or that declares such a body, and end the connection."""
        head = exchange.head
        refusal = None
        target = target_bytes(head)
        if target > self.max_target:
            refusal = TARGET_TOO_LONG
        elif target + other_bytes(head, exchange.fields) > self.max_head:
            refusal = HEAD_TOO_LARGE
        elif exchange.needed:
            refusal = self._judge_length(exchange.needed)
        return None if refusal is None else refusal.closing(head.http_version)

    def _judge_length(self, needed: Headers) -> Refusal | None:
        """Judge the declared length, without making a number of any many digits."""
        lengths = [value for name, value in needed if name == b"content-length"]
        if not lengths:
            return None
        if len(lengths) > 1 or not lengths[0].isdigit():
            return LENGTH_MALFORMED
        return BODY_TOO_LARGE if _magnitude(lengths[0]) > self._most_digits else None

    def receive(self, exchange: "Exchange") -> Refusal | None:
        """Refuse the body from its first byte over the bound; a WebSocket's messages are none."""
        if exchange.request_bytes <= self.max_body or exchange.head.kind == "websocket":
            return None
        return BODY_TOO_LARGE.closing(exchange.head.http_version)


def _magnitude(digits: bytes) -> tuple[int, bytes]:
    """Give what orders decimal numbers as they are, however many digits they have."""
    significant = digits.lstrip(b"0")
    return len(significant), significant


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Bounds the requests that a worker has at once; probes are exempt.

    Attributes:
        most: How many.
        routes: Which of them are probes.
    """

    most: int
    routes: Routes
    name: ClassVar[str] = "concurrency"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = ("server.max_concurrency",)
    refusals: ClassVar[tuple[Refusal, ...]] = (OVERLOADED,)

    def request(self, exchange: "Exchange") -> Refusal | None:
        """Refuse a request above the bound, whose client may come again soon."""
        if exchange.in_flight < self.most or self.routes.is_probe(exchange.head):
            return None
        return OVERLOADED

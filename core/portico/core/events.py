"""What goes into the core and what comes out of it, as plain values."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = [
    "ABORT",
    "PROCEED",
    "Abort",
    "Ask",
    "Headers",
    "Proceed",
    "RequestHead",
    "Respond",
    "ResponseHead",
]

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Field lines in order, repeated names kept; request names are lower-case."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of one request, as every engine can give it.

    Its repr leaves out what may hold credentials: query and headers.

    Attributes:
        method: As sent; methods are case-sensitive (RFC 9110 9.1).
        path: Raw percent-encoded bytes, without the query.
        query: Raw bytes after ``?``, empty without one.
        headers: Field lines in order, names lower-case.
        kind: What the client asks for; a handshake is ``websocket``.
        scheme: Scheme of the connection, or what a trusted proxy told instead.
        http_version: ``1.0``, ``1.1`` or ``2``.
    """

    method: str
    path: bytes
    query: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    kind: Literal["http", "websocket"] = "http"
    scheme: str = "http"
    http_version: str = "1.1"


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of one response; its repr leaves out the headers, which may hold cookies.

    Attributes:
        status: From 100 to 599.
        headers: Field lines in order.
    """

    status: int
    headers: Headers = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proceed:
    """The policy has no objection: the application, or more of the body, may come."""


PROCEED: Final = Proceed()


@dataclass(frozen=True, slots=True)
class Respond:
    """The policy answers itself, and the application is not called.

    Attributes:
        head: Complete, CORS headers and request id included.
        body: Whole body; empty for HEAD, whose head still tells the length.
    """

    head: ResponseHead
    body: bytes


@dataclass(frozen=True, slots=True)
class Abort:
    """The policy objects, but an answer has begun and cannot be taken back.

    The shell gives the application no more, and breaks the connection.
    """


ABORT: Final = Abort()


@dataclass(frozen=True, slots=True)
class Ask:
    """The policy needs what it cannot know; the shell finds out and calls ``answer``.

    Attributes:
        stage: Name of the stage that asks.
        question: What it wants to know; its type is the stage's own.
    """

    stage: str
    question: object

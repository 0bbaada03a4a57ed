"""What is put to an adapter, and what comes of it, as plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from portico.core.events import Ask, Headers, RequestHead
from portico.testing.vectors import Vector, encode, head_of

__all__ = ["Answer", "Application", "Find", "Request", "application_of", "request_of"]

BODY: Final = b"the application's body"
PEER: Final = "192.0.2.1"

Find: TypeAlias = Callable[[Ask], object]
"""Answers what the policy asks; shells that await their answers wrap it."""


@dataclass(frozen=True, slots=True)
class Application:
    """What the application behind the adapter does: it reads the whole body, then answers.

    Attributes:
        status: Its status.
        headers: Its field lines.
        body: What it answers; a WebSocket is accepted and then closed with 1000.
    """

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as a server reads it.

    Attributes:
        head: Its head.
        pieces: Its body, piece by piece.
        peer: Address of its client, or None.
        in_flight: Requests that the worker has already; a client sets it on its shell.
    """

    head: RequestHead
    pieces: tuple[bytes, ...]
    peer: str | None
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Attributes:
        status: 101 for a WebSocket that was accepted.
        headers: Field lines, names in any case.
        body: Whole body.
        records: Fields of every access record that the adapter handed out (`AccessRecord.fields`).
    """

    status: int
    headers: Headers
    body: bytes
    records: tuple[Mapping[str, object], ...]


def request_of(vector: Vector) -> Request:
    """Give the request of a vector."""
    sizes = vector["request"].get("body", ())
    pieces = tuple(b"x" * size for size in sizes)
    peer = vector.get("peer", PEER)
    return Request(head_of(vector["request"]), pieces, peer, vector.get("in_flight", 0))


def application_of(vector: Vector) -> Application:
    """Give what the application of a vector does."""
    own = vector.get("application", {})
    lines = [(encode(name), encode(value)) for name, value in own.get("headers", ())]
    return Application(own.get("status", 200), lines, BODY)

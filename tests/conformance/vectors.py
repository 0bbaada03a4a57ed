"""The vectors of the request policy behind real engines: a header of the suite's own chooses one.

The header is taken away before the policy sees the request. What a connection of a test cannot
have, another peer's address and TLS, is put into the scope in its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from portico.adapters.asgi import PolicyMiddleware
from portico.core.access import AccessRecord
from portico.core.events import Headers, RequestHead
from portico.testing import Request
from portico.testing.requests import application_of, request_of
from portico.testing.vectors import find_of, policy_of, read_vectors
from tests.adapters.clients import asgi_application, awaited
from tests.conformance.application import Receive, Scope, Send
from tests.conformance.calls import HANDSHAKE

SELECTOR: Final = b"x-conformance-vector"
VECTORS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {vector["id"]: vector for vector in read_vectors()}
)


def select(scope: Scope) -> str | None:
    """Give the id of the vector that a request is meant for."""
    ids = [value for name, value in scope["headers"] if name == SELECTOR]
    return ids[0].decode() if ids else None


async def serve_vector(
    name: str,
    on_record: Callable[[AccessRecord], None],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Serve one request as its vector says."""
    vector = VECTORS[name]
    request, find = request_of(vector), awaited(find_of(vector))
    app = asgi_application(application_of(vector))
    front = PolicyMiddleware(app, _policy(name), on_record=on_record, find=find)
    front.in_flight = request.in_flight
    headers = [line for line in scope["headers"] if line[0] != SELECTOR]
    peer = (request.peer, 50000) if request.peer else None
    behind = {**scope, "headers": headers, "client": peer, "scheme": request.head.scheme}
    await front(behind, receive, send)


_policy = cache(lambda name: policy_of(VECTORS[name]))


def framed(request: Request) -> Request:
    """Give *request* with the lines that its connection needs: of its body, of its handshake."""
    added: Headers = []
    if request.head.kind == "websocket":
        added = [(name.lower(), value) for name, value in HANDSHAKE]
    elif request.pieces and not _has_length(request.head):
        added = [(b"transfer-encoding", b"chunked")]
    return replace(request, head=replace(request.head, headers=[*request.head.headers, *added]))


def wire_bytes(name: str, request: Request) -> bytes:
    """Write a framed *request* for the vector *name* as it goes out (RFC 9112 3 and 7.1)."""
    head = request.head
    target = head.path + (b"?" + head.query if head.query else b"")
    lines = [b"%b %b HTTP/%b" % (head.method.encode(), target, head.http_version.encode())]
    lines += [b"%b: %b" % line for line in (*head.headers, (SELECTOR, name.encode()))]
    body = b"".join(request.pieces)
    if request.pieces and not _has_length(head):
        pieces = (*filter(None, request.pieces), b"")
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _has_length(head: RequestHead) -> bool:
    return any(name == b"content-length" for name, _ in head.headers)

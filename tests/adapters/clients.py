"""Clients for the shipped conformance suite: one for each shell, its server in memory."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.rsgi import RsgiPolicy
from portico.adapters.wsgi import WsgiPolicy
from portico.core.access import AccessRecord
from portico.core.events import Ask
from portico.core.policy import Policy
from portico.testing import Answer, Application, Client, Find, Request


def records_of(records: list[AccessRecord]) -> tuple[dict[str, object], ...]:
    return tuple(dict(record.fields()) for record in records)


def awaited(find: Find) -> Callable[[Ask], Awaitable[object]]:
    async def found(ask: Ask) -> object:
        return find(ask)

    return found


def asgi_application(application: Application) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept", "headers": application.headers})
            await send({"type": "websocket.close", "code": 1000})
            return
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        headers = application.headers
        start = {"type": "http.response.start", "status": application.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": application.body})

    return app


def asgi(policy: Policy, application: Application, find: Find) -> Client:
    app = asgi_application(application)

    records: list[AccessRecord] = []
    front = PolicyMiddleware(app, policy, on_record=records.append, find=awaited(find))

    def client(request: Request) -> Answer:
        records.clear()
        sent: list[Any] = []
        incoming = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in request.pieces
        ]
        incoming.append({"type": "http.request", "body": b"", "more_body": False})
        if request.head.kind == "websocket":
            incoming = [{"type": "websocket.connect"}]

        async def receive() -> Any:
            return incoming.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        front.in_flight = request.in_flight
        asyncio.run(front(scope_of(request), receive, send))
        status = 101 if sent[0]["type"] == "websocket.accept" else sent[0]["status"]
        body = b"".join(message.get("body", b"") for message in sent)
        whole = b"" if request.head.method == "HEAD" else body
        return Answer(status, sent[0]["headers"], whole, records_of(records))

    return client


def scope_of(request: Request) -> dict[str, Any]:
    head = request.head
    return {
        "type": head.kind,
        "method": head.method,
        "path": unquote_to_bytes(head.path).decode("utf-8", "surrogateescape"),
        "raw_path": head.path,
        "query_string": head.query,
        "headers": head.headers,
        "scheme": head.scheme,
        "http_version": head.http_version,
        "client": (request.peer, 5) if request.peer else None,
        "extensions": {"websocket.http.response": {}} if head.kind == "websocket" else {},
    }


def wsgi(policy: Policy, application: Application, find: Find) -> Client:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        lines = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in application.headers]
        start_response(f"{application.status} Words", lines)
        return [application.body]

    records: list[AccessRecord] = []
    front = WsgiPolicy(app, policy, on_record=records.append, find=find)

    def client(request: Request) -> Answer:
        records.clear()
        front.in_flight = request.in_flight
        return put_to_wsgi(front, request, records)

    return client


def put_to_wsgi(front: WsgiPolicy, request: Request, records: list[AccessRecord]) -> Answer:
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        heads.append((status, headers))

    answer = front(environ_of(request), start_response)
    body = b"".join(answer)
    answer.close()
    ((status, headers),) = heads
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Answer(int(status[:3]), lines, body, records_of(records))


def environ_of(request: Request) -> dict[str, Any]:
    head = request.head
    named: dict[str, str] = {}
    for raw, value in head.headers:
        name = f"HTTP_{raw.decode('latin-1').upper().replace('-', '_')}"
        text = value.decode("latin-1")
        named[name] = f"{named[name]},{text}" if name in named else text
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if f"HTTP_{name}" in named:
            named[name] = named.pop(f"HTTP_{name}")
    return {
        **named,
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(head.path).decode("latin-1"),
        "REQUEST_URI": head.path.decode("latin-1"),
        "QUERY_STRING": head.query.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{head.http_version}",
        "REMOTE_ADDR": request.peer or "",
        "wsgi.url_scheme": head.scheme,
        "wsgi.input": io.BytesIO(b"".join(request.pieces)),
        "wsgi.errors": sys.stderr,
    }


@dataclass
class Headers:
    """What Granian calls RSGIHeaders."""

    lines: list[tuple[str, str]]

    def items(self) -> list[tuple[str, str]]:
        return self.lines


@dataclass
class Protocol:
    """An RSGI server's end of one request."""

    pieces: tuple[bytes, ...] = ()
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    lost: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.lost:
            raise RuntimeError("the client has left")

    async def client_disconnect(self) -> None:
        return

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, headers

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        self.response_bytes(status, headers, file.encode())

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        self.response_bytes(status, headers, f"{file}:{start}:{end}".encode())

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> "Protocol":
        self.status, self.headers = status, headers
        return self

    async def send_bytes(self, data: bytes) -> None:
        if self.lost:
            raise RuntimeError("the client has left")
        self.body += data

    async def send_str(self, data: str) -> None:
        await self.send_bytes(data.encode())

    async def accept(self) -> "Protocol":
        self.status = 101
        return self

    async def receive(self) -> Any:
        return SimpleNamespace(kind=1, data=b"abc")

    def close(self, status: int | None) -> None:
        self.status = self.status or status or 403


def rsgi(policy: Policy, application: Application, find: Find) -> Client:
    async def app(scope: Any, protocol: Any) -> None:
        if scope.proto == "ws":
            await protocol.accept()
            protocol.close()
            return
        await protocol()
        lines = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in application.headers]
        body = b"" if scope.method == "HEAD" else application.body
        protocol.response_bytes(application.status, lines, body)

    records: list[AccessRecord] = []
    front = RsgiPolicy(app, policy, on_record=records.append, find=awaited(find))

    def client(request: Request) -> Answer:
        records.clear()
        front.in_flight = request.in_flight
        return put_to_rsgi(front, request, Protocol(request.pieces), records)

    return client


def put_to_rsgi(
    front: RsgiPolicy, request: Request, protocol: Protocol, records: list[AccessRecord]
) -> Answer:
    asyncio.run(front.__rsgi__(rsgi_scope_of(request), protocol))
    lines = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in protocol.headers]
    return Answer(protocol.status, lines, protocol.body, records_of(records))


def rsgi_scope_of(request: Request) -> Any:
    head = request.head
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
    return SimpleNamespace(
        proto="ws" if head.kind == "websocket" else "http",
        method=head.method,
        path=unquote_to_bytes(head.path).decode("utf-8", "surrogateescape"),
        query_string=head.query.decode("latin-1"),
        headers=Headers(lines),
        authority=None,
        scheme=head.scheme,
        http_version=head.http_version,
        client=f"{request.peer}:5" if request.peer else "",
    )

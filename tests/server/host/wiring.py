"""A running worker on a loopback socket, and a client that speaks bytes."""

import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import trio
import trio.testing

from portico.server.host.worker import ASGIApplication, Limits, Worker, serve

Message = dict[str, Any]
DEADLINE_S = 10.0


def bound() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    return listener


@dataclass
class Running:
    """A worker that serves: where, what it reported, and how to drain it."""

    worker: Worker
    port: int
    drain: trio.Event = field(default_factory=trio.Event)
    reported: list[BaseException] = field(default_factory=list)
    clients: list["Client"] = field(default_factory=list)

    async def client(self) -> "Client":
        self.clients.append(Client(await trio.open_tcp_stream("127.0.0.1", self.port)))
        return self.clients[-1]


@asynccontextmanager
async def running(
    app: ASGIApplication,
    limits: Limits | None = None,
    *,
    deadline_s: float = DEADLINE_S * 3,
    **options: Any,
) -> AsyncIterator[Running]:
    """Serve *app* until the block ends, then drain; what it reported must be expected."""
    listener = bound()
    reported: list[BaseException] = []
    worker = Worker(app, limits or Limits(), reported.append, **options)
    run = Running(worker, listener.getsockname()[1], reported=reported)
    with trio.fail_after(deadline_s):
        async with trio.open_nursery() as nursery:
            started = trio.Event()

            async def host() -> None:
                await serve(worker, [listener], started=started.set, wait_shutdown=run.drain.wait)

            nursery.start_soon(host)
            await started.wait()
            try:
                yield run
            finally:
                for client in run.clients:
                    with trio.CancelScope(shield=True):
                        await client.stream.aclose()
            run.drain.set()


class Client:
    """One connection: send any bytes, read whole responses."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.received = b""

    async def send(self, data: bytes, pieces: Iterable[int] = ()) -> None:
        """Send *data*, cut at the given positions, each piece in a segment of its own.

        What a server does not want to hear to its end is not an error here.
        """
        at = 0
        for cut in (*pieces, len(data)):
            try:
                await self.stream.send_all(data[at:cut])
            except trio.BrokenResourceError:
                return
            await trio.testing.wait_all_tasks_blocked()
            at = cut

    async def response(self, method: bytes = b"GET") -> "Answer":
        """The next final response; 1xx ones before it are collected."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target=b"/", headers=[("host", "a")]))
        parser.send(h11.EndOfMessage())
        if self.received:
            parser.receive_data(self.received)
        answer = Answer()
        with trio.fail_after(DEADLINE_S):
            while (event := parser.next_event()) is not None:
                if event is h11.NEED_DATA:
                    parser.receive_data(await self.stream.receive_some())
                elif isinstance(event, h11.InformationalResponse):
                    answer.interim.append((event.status_code, list(event.headers)))
                elif isinstance(event, h11.Response):
                    answer.status = event.status_code
                    answer.headers = [(bytes(n), bytes(v)) for n, v in event.headers]
                elif isinstance(event, h11.Data):
                    answer.body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    answer.trailers = [(bytes(n), bytes(v)) for n, v in event.headers]
                    break
                else:
                    raise AssertionError(f"{event!r} in a response")
        self.received = parser.trailing_data[0]
        return answer

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        data = self.received
        with trio.fail_after(DEADLINE_S):
            try:
                while piece := await self.stream.receive_some():
                    data += piece
            except trio.BrokenResourceError:
                return data
        return data

    async def ended(self) -> bool:
        """Whether the server closed the connection without another byte."""
        return await self.rest() == b""


@dataclass
class Answer:
    """A response as a client sees it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    interim: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def header(self, name: bytes) -> bytes | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1
        return values[0] if values else None


def with_lifespan(handle: Callable[..., Any]) -> ASGIApplication:
    """An application with a lifespan that completes, and *handle* for the rest."""

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await handle(scope, receive, send)
            return
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    return app


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message["body"]
        if not message["more_body"]:
            return body


async def reply(
    send: Any, body: bytes = b"", status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


@with_lifespan
async def echo(scope: Message, receive: Any, send: Any) -> None:
    """Answer with the method, the target and the content of the request."""
    body = await read_body(receive)
    text = scope["method"].encode() + b" " + scope["raw_path"] + b" " + body
    await reply(send, text, headers=[(b"content-type", b"text/plain")])

"""The suite's application, which speaks ASGI, behind WSGI and RSGI."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from portico.adapters.environ import Environ, read_environ
from portico.adapters.rsgi import read_scope
from portico.core.events import RequestHead
from portico.testing import Request
from tests.adapters.clients import Protocol, scope_of
from tests.conformance.application import application
from tests.conformance.calls import PEER, SPOKEN
from tests.conformance.memory import Message

_CLOSE, _STRING = 0, 2  # RSGI 1.6, WebsocketMessageType
_DISCONNECT: Final = {"type": "http.disconnect"}


def wsgi_application(environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Run the application to its end, then give what it sent, and what it raised."""
    sent, error = asyncio.run(_run_on(environ))
    for message in sent:
        if message["type"] == "http.response.start":
            start_response(f"{message['status']} Words", _native(message))
        else:
            yield message.get("body", b"")
    if error is not None:
        raise error


async def _run_on(environ: Environ) -> tuple[list[Message], Exception | None]:
    sent: list[Message] = []
    bodies = iter([environ["wsgi.input"].read])

    async def receive() -> Message:
        read = next(bodies, None)
        return {"type": "http.request", "body": read()} if read else dict(_DISCONNECT)

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await application(_scope(read_environ(environ)), receive, send)
    except Exception as error:
        return sent, error
    return sent, None


async def rsgi_application(scope: Any, protocol: Any) -> None:
    """Run the application, each of its messages as RSGI says it."""
    bridge = _WebSocket(protocol) if scope.proto == "ws" else _Http(protocol, scope.method)
    await application(_scope(read_scope(scope)), bridge.receive, bridge.send)


@dataclass
class _Http:
    protocol: Any
    method: str
    head: Message = field(default_factory=dict)
    stream: Any = None
    read: bool = False

    async def receive(self) -> Message:
        if self.read:
            await self.protocol.client_disconnect()
            return dict(_DISCONNECT)
        self.read = True
        return {"type": "http.request", "body": await self.protocol()}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.head = message
            return
        status, lines = self.head["status"], _native(self.head)
        body, more = message.get("body", b""), message.get("more_body", False)
        if self.method == "HEAD":
            if not more:
                self.protocol.response_empty(status, lines)
        elif self.stream is None and not more:
            self.protocol.response_bytes(status, lines, body)
        else:
            self.stream = self.stream or self.protocol.response_stream(status, lines)
            await self.stream.send_bytes(body)


@dataclass
class _WebSocket:
    protocol: Any
    connected: bool = False
    transport: Any = None

    async def receive(self) -> Message:
        if not self.connected:
            self.connected = True
            return {"type": "websocket.connect"}
        message = await self.transport.receive()
        if message.kind == _CLOSE:
            return {"type": "websocket.disconnect", "code": 1000}
        return {"type": "websocket.receive", "text": message.data}

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                self.transport = await self.protocol.accept()
            case "websocket.send":
                await self.transport.send_str(message["text"])
            case "websocket.close":
                self.protocol.close()


@dataclass
class Waiting(Protocol):
    """An RSGI server's end, whose client waits for its answer, or says one thing and closes."""

    said: bool = False

    async def client_disconnect(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def receive(self) -> Any:
        if self.said:
            return SimpleNamespace(kind=_CLOSE, data=1000)
        self.said = True
        return SimpleNamespace(kind=_STRING, data=SPOKEN)


def _scope(head: RequestHead) -> dict[str, Any]:
    return scope_of(Request(head, (), PEER))


def _native(message: Message) -> list[tuple[str, str]]:
    return [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message["headers"]]

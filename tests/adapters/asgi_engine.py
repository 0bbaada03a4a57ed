"""A fake engine around the ASGI shell, and what is needed to drive it."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from portico.adapters.asgi import (
    PolicyMiddleware,
)
from portico.core.access import AccessRecord
from portico.core.events import Ask
from portico.core.policy import Policy
from portico.core.settings import Settings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ORIGIN = b"http://localhost:3000"
POLICY = Policy.compile(Settings())
REFUSED_PATH = "/v1/admin/config"  # 403 without a password

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1")]}
LAST: Message = {"type": "http.response.body", "body": b"ok"}
MORE: Message = {"type": "http.response.body", "body": b"part", "more_body": True}
BODY: Message = {"type": "http.request", "body": b"abc", "more_body": False}
EMPTY: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}
CONNECT: Message = {"type": "websocket.connect"}
ACCEPT: Message = {"type": "websocket.accept", "subprotocol": "chat"}
OVER_HTTP: dict[str, object] = {"websocket.http.response": {}}


class LostClientError(OSError):
    """What an engine raises from send when its client has left."""


@dataclass
class Engine:
    """A fake engine: it gives *incoming* to the application, and keeps what that sends."""

    incoming: list[Message] = field(default_factory=lambda: [BODY])
    sent: list[Message] = field(default_factory=list)
    records: list[AccessRecord] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    failing_from: int | None = None
    failure: Exception = field(default_factory=LostClientError)
    time: float = 100.0
    policy: Policy = POLICY
    find: Callable[[Ask], Awaitable[object]] | None = None

    async def receive(self) -> Message:
        await anyio.lowlevel.checkpoint()
        self.time += 1.0
        return self.incoming.pop(0)

    async def send(self, message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        self.time += 1.0
        if self.failing_from is not None and len(self.sent) >= self.failing_from:
            raise self.failure
        self.sent.append(message)

    def front(self, app: Application) -> PolicyMiddleware:
        return PolicyMiddleware(
            app,
            self.policy,
            on_record=self.records.append,
            on_error=lambda error, exchange: self.errors.append(error),
            find=self.find,
            clock=lambda: self.time,
            wall=lambda: 5.0,
            entropy=lambda size: bytes(range(1, size + 1)),
        )

    def serve(self, app: Application, scope: Scope, backend: str = "asyncio") -> "Engine":
        anyio.run(self.front(app), scope, self.receive, self.send, backend=backend)
        return self

    @property
    def record(self) -> AccessRecord:
        (record,) = self.records
        return record

    @property
    def status(self) -> int:
        status = self.sent[0]["status"]
        assert isinstance(status, int)
        return status

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.sent[0]["headers"] if key == name]


def http(path: str = "/", method: str = "GET", **more: object) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"api.test"), (b"origin", ORIGIN)],
        "client": ("192.0.2.1", 5),
        **more,
    }


def websocket(path: str = "/", **more: object) -> Scope:
    scope = http(path, type="websocket", scheme="ws", extensions=OVER_HTTP)
    del scope["method"]
    return {**scope, **more}


def sending(*messages: Message) -> Application:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))

    return app


def raising(error: BaseException, *messages: Message) -> Application:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(*messages)(scope, receive, send)
        raise error

    return app


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application was called")


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    return


@contextmanager
def broken_off(error: type[Exception]) -> Iterator[None]:
    """The engine gets the exception, and so breaks the connection."""
    with pytest.raises(error):
        yield


backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])

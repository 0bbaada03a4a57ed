"""The application in memory: its lifespan run, its answers read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
from quart import Quart

Message = dict[str, Any]


def client(app: Any, *, root_path: str = "") -> httpx.AsyncClient:
    """Speak to an ASGI application without a socket; its lifespan is the caller's affair."""
    transport = httpx.ASGITransport(app, root_path=root_path, client=("192.0.2.1", 4000))
    return httpx.AsyncClient(transport=transport, base_url="http://portico.test")


@asynccontextmanager
async def serving(app: Quart) -> AsyncIterator[httpx.AsyncClient]:
    """Start *app*, speak to it, and shut it down."""
    async with app.test_app(), client(app) as speaking:
        yield speaking


@dataclass
class Connection:
    """One request, message by message, and what a test wants to do in between.

    Attributes:
        leave_at: The client leaves when the application sends its message of this number.
        sent: What the application has sent, and the engine has taken.
    """

    path: str
    method: str = "GET"
    leave_at: int | None = None
    sent: list[Message] = field(default_factory=list)
    left: anyio.Event = field(default_factory=anyio.Event)
    asked: bool = False

    async def run(self, app: Any) -> None:
        """Make the request; a test that waits for more than its deadline fails."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"portico.test")],
            "client": ("192.0.2.1", 4000),
            "server": ("192.0.2.2", 80),
        }
        with anyio.fail_after(10):
            await app(scope, self.receive, self.send)

    async def receive(self) -> Message:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if len(self.sent) == self.leave_at:
            self.left.set()
        # Enough turns for whoever waits for the client to act on its leaving.
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        self.sent.append(message)

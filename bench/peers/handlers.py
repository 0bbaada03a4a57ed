"""The routes of the host's figures, on each stack: a 16 KiB JSON body, a stream of 100 events.

``bench.peers.handlers:app`` is a Quart application for ``portico serve``; run as a module it takes
a stack's name, serves on 127.0.0.1 with a free port and prints a ``listening`` line.
"""

import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import hypercorn.trio
import trio
import uvicorn
from fastapi import Request
from hypercorn import Config
from quart import Response, request
from starlette.responses import StreamingResponse

from bench.peers.fastapi_stack import create_app as create_fastapi
from portico.core.settings import Settings
from portico.server import logs
from portico.server.app import create_app
from portico.server.application import APPLICATIONS

EVENTS = 100
EVENT = b'data: {"message_type": "assistant_message", "content": "word"}\n\n'

app = APPLICATIONS["trio"](__name__)


async def events() -> AsyncIterator[bytes]:
    """A short stream of events, as fast as it is read."""
    for _ in range(EVENTS):
        yield EVENT


@app.post("/items")
async def items() -> dict[str, int]:
    """Count what a JSON body holds."""
    return {"items": len(await request.get_json())}


@app.get("/events")
async def stream() -> Response:
    """Send the events."""
    response = app.response_class(events(), content_type="text/event-stream")
    response.timeout = None
    return response


async def raw(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The smallest ASGI application."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def on_stock_hypercorn(listener: socket.socket, application: Any) -> None:
    """*application* on Hypercorn's own Trio worker."""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    trio.run(hypercorn.trio.serve, application, config)


def serve_raw_on_host(listener: socket.socket) -> None:
    """The smallest application on the Trio host, without its supervisor."""
    from portico.server.host.worker import Limits, Worker, serve

    listener.setblocking(False)

    async def run() -> None:
        worker = Worker(raw, Limits(), lambda error: print(error, file=sys.stderr))
        await serve(worker, [listener], started=lambda: None, wait_shutdown=trio.sleep_forever)

    trio.run(run)


def serve_portico_on_stock(listener: socket.socket) -> None:
    """The full server as Hypercorn's own Trio worker runs it."""
    settings = Settings()
    logs.configure(settings.telemetry)
    on_stock_hypercorn(listener, create_app(settings, "trio"))


def serve_fastapi(listener: socket.socket, *files: str) -> None:
    """The reference's stack with the same routes; over TLS with certificate and key."""
    stack = create_fastapi()

    @stack.post("/items")
    async def count(asked: Request) -> dict[str, int]:
        return {"items": len(await asked.json())}

    @stack.get("/events")
    async def send_events() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    certificate, key = files or (None, None)
    config = uvicorn.Config(
        stack,
        loop="uvloop",
        access_log=False,
        log_level="warning",
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    uvicorn.Server(config).run(sockets=[listener])


STACKS: dict[str, Callable[..., None]] = {
    "raw-on-host": serve_raw_on_host,
    "raw-on-stock": lambda listener: on_stock_hypercorn(listener, raw),
    "portico-on-stock": serve_portico_on_stock,
    "fastapi": serve_fastapi,
}


def main(stack: str, *files: str) -> None:
    """Serve the stack of that name on a free port of loopback; over TLS with *files*."""
    if stack == "fastapi":
        from bench.peers import fastapi_stack

        fastapi_stack.configure_log()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    scheme = "https" if files else "http"
    print(json.dumps({"event": "listening", "url": f"{scheme}://127.0.0.1:{port}"}), flush=True)
    STACKS[stack](listener, *files)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""An application with everything in it that a fault needs: slow answers, streams, a blocked loop.

It runs on every engine: ``portico serve tests.faults.application:app``.
"""

import json
import os
import time
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs

import anyio

from portico.adapters.draining import DRAIN

CHUNK = bytes(256 * 1024)
_KEPT: list[bytes] = []


def say(event: str, **fields: Any) -> None:
    """Tell the test, in one write: workers share the descriptor."""
    os.write(1, json.dumps({"event": event, "pid": os.getpid(), **fields}).encode() + b"\n")


async def answer(send: Any, body: bytes) -> None:
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


async def begin(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def more(send: Any, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def plain(_scope: Any, _receive: Any, send: Any, _query: dict[str, str]) -> None:
    await answer(send, str(os.getpid()).encode())


async def slow(_scope: Any, _receive: Any, send: Any, query: dict[str, str]) -> None:
    """Answer after so many seconds."""
    say("slow")
    await anyio.sleep(float(query["s"]))
    await answer(send, b"slow")


async def block(_scope: Any, _receive: Any, send: Any, query: dict[str, str]) -> None:
    """Hold the whole event loop for so many seconds: a handler's mistake."""
    say("block")
    time.sleep(float(query["s"]))
    await answer(send, b"blocked")


async def stream(scope: Any, _receive: Any, send: Any, _query: dict[str, str]) -> None:
    """Stream for ever; where the server tells of the drain, end with a last event."""
    told = anyio.Event()
    drain = scope["state"].get(DRAIN) if "state" in scope else None
    with drain.calling(told.set) if drain else nullcontext():
        await begin(send)
        await more(send, b"data: first\n\n")
        while not told.is_set():
            with anyio.move_on_after(0.2):
                await told.wait()
            await more(send, b": ping\n\n")
        await send({"type": "http.response.body", "body": b"data: last\n\n"})


async def flood(_scope: Any, _receive: Any, send: Any, _query: dict[str, str]) -> None:
    """Send without end to a client that may not read."""
    await begin(send)
    while True:
        await more(send, CHUNK)


async def upload(_scope: Any, receive: Any, send: Any, _query: dict[str, str]) -> None:
    """Take a body and tell its size."""
    size, message = 0, {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
    await answer(send, str(size).encode())


async def grow(_scope: Any, _receive: Any, send: Any, query: dict[str, str]) -> None:
    """Keep so many more mebibytes resident."""
    _KEPT.append(b"x" * (int(query["mib"]) * 1024 * 1024))
    await answer(send, str(os.getpid()).encode())


async def fail(_scope: Any, _receive: Any, _send: Any, _query: dict[str, str]) -> None:
    raise RuntimeError("a handler's mistake")


async def hear(receive: Any, send: Any) -> None:
    """Accept a WebSocket and take what comes until its end."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


ROUTES: dict[str, Any] = {
    "/slow": slow,
    "/block": block,
    "/stream": stream,
    "/flood": flood,
    "/upload": upload,
    "/grow": grow,
    "/fail": fail,
}


async def lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        say(message["type"])
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await hear(receive, send)
        return
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    call: Any = ROUTES.get(scope["path"], plain)
    await call(scope, receive, send, query)


async def without_luck(_scope: Any, receive: Any, send: Any) -> None:
    """An application whose start-up fails."""
    await receive()
    say("tried", at=time.monotonic())
    await send({"type": "lifespan.startup.failed", "message": "no luck"})
